"""Plain chat lists in JSON, JSONL and YAML: every message a step, prompts apart, tool results tied by ids."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_folder, import_log, plain_chat
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_conversation_with_a_tool(logs: Path, told: Told) -> None:
    trace = import_log(logs / "plain_chat" / "messages.json")
    assert told(trace) == [
        "0 user human",
        "1 assistant llm, calls lookup_population, reads 0 by broadcast",
        "2 lookup_population tool, reads 1 by tool call",
        "3 assistant llm, continues 1, reads 2 by tool call",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "transcript"
    assert [(a.name, a.kind, a.system_prompt) for a in trace.agents] == [
        ("user", "human", None),
        ("assistant", "llm", "You are a careful assistant."),
        ("lookup_population", "tool", None),
    ]
    assert trace.steps[1].tool_calls[0].arguments == '{"city": "Paris"}'
    assert trace.steps[1].usage is not None
    assert trace.steps[1].usage.input_tokens == 10
    assert [step.output for step in trace.steps[1:]] == ["", "POP: 2,102,650", "The population is\n3,000,000"]


def test_lines_with_names_and_times(logs: Path, told: Told) -> None:
    trace = import_log(logs / "plain_chat" / "messages.jsonl")
    assert told(trace) == [
        "0 user human",
        "1 Researcher llm, reads 0 by broadcast",
        "2 Writer llm, reads 0 by broadcast, reads 1 by broadcast",
        "3 Researcher llm, continues 1, reads 2 by broadcast",
    ]
    assert trace.steps[1].started == 1769860801.5


def test_yaml(logs: Path, told: Told) -> None:
    pytest.importorskip("yaml")
    trace = import_log(logs / "plain_chat" / "messages.yaml")
    assert told(trace) == ["0 user human", "1 assistant llm, reads 0 by broadcast"]
    assert trace.task == "What is the population of Paris on 2026-01-31?"
    assert trace.steps[1].output == "It has\n3,000,000 people.\n"


def test_yaml_without_its_package_names_the_extra(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(LogFormatError, match=r"messages\.yaml: reading YAML takes PyYAML; .*butfor\[logs\]"):
        import_log(logs / "plain_chat" / "messages.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "- role: user\n  role: user\n  content: x",
        "- &a\n  role: user\n  content: x\n- *a",
        "- role: user\n  content: !!python/object:os.system x",
        "- role: user\n  1: x",
        "- role: user\n  content: [",
        "- role: " + "[" * 500,
    ],
)
def test_yaml_that_is_not_plain_data_is_refused(text: str) -> None:
    pytest.importorskip("yaml")
    with pytest.raises(LogFormatError, match=r"^a\.yaml"):
        plain_chat.load(text, name="a.yaml")


def test_a_file_with_several_conversations(logs: Path) -> None:
    file = logs / "plain_chat" / "conversations.jsonl"
    with pytest.raises(LogFormatError, match=r"holds 2 runs \(0, 1\); name one of them as .*jsonl#0"):
        import_log(file)
    trace = import_log(f"{file}#1")
    assert (trace.task, trace.steps[1].output) == ("What is 3 + 3?", "6")
    assert trace.source.name == "conversations.jsonl#1"
    found = dict(import_folder(logs / "plain_chat"))
    assert found[file.with_name("conversations.jsonl#1")] == trace
    with pytest.raises(LogFormatError, match="holds no one run '7'"):
        import_log(f"{file}#7")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(LogFormatError, match=r"^a\.json: \[1\]\.role is missing \(expected text\)"):
        plain_chat.load('[{"role": "user", "content": "x"}, {"content": "y"}]', name="a.json")
    with pytest.raises(LogFormatError, match=r"^a\.jsonl: line 2: content\[0\].text is the number 5"):
        plain_chat.load('{"role": "user", "content": "x"}\n{"role": "user", "content": [{"text": 5}]}', name="a.jsonl")
