"""AutoGen's logger events tell who read what; its task results tell who could hear what."""

from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import autogen, import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_events(logs: Path, told: Told) -> None:
    trace = import_log(logs / "autogen" / "events.jsonl")
    assert told(trace) == [
        "0 Researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 Researcher llm, continues 0, reads 1 by tool call",
        "3 Writer llm, reads 2 by verbatim",
        "4 Reviewer llm, reads 2 by verbatim, reads 3 by verbatim",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert (trace.team.selector, trace.team.stop_word) == ("fixed", "TERMINATE")
    assert [(a.name, a.kind, a.model, a.system_prompt) for a in trace.agents] == [
        ("Researcher", "llm", "gpt-4o-mini", "AGENT=Researcher. Look up facts."),
        ("lookup_population", "tool", None, None),
        ("Writer", "llm", "gpt-4o-mini", "AGENT=Writer. Write a draft."),
        ("Reviewer", "llm", "gpt-4o-mini", "AGENT=Reviewer. Review."),
    ]
    first, tool, fact, *_ = trace.steps
    assert first.tool_calls[0].id == "call_e7fc2c10a36748e294f8eaa2"
    assert first.call is not None
    assert [t.name for t in first.call.tools] == ["lookup_population"]
    assert first.call.tools[0].parameters["required"] == ["city"]
    assert first.usage is not None
    assert (first.usage.input_tokens, first.usage.output_tokens) == (10, 5)
    assert (tool.output, fact.output) == ("POP: 2,102,650", "FACT: population=3,000,000 [4b72]")
    assert fact.ended == 1795341778.204852
    assert tool.call is not None
    assert tool.call.model == "tool:lookup_population"
    assert tool.call.messages[0].tool_calls == first.tool_calls


def test_task_result(logs: Path, told: Told) -> None:
    trace = import_log(logs / "autogen" / "task_result.json")
    assert told(trace) == [
        "0 user human",
        "1 Researcher llm, calls lookup_population, reads 0 by broadcast",
        "2 lookup_population tool, reads 1 by tool call",
        "3 Researcher llm, continues 1, reads 2 by tool call",
        "4 Writer llm, reads 0 by broadcast, reads 3 by broadcast",
        "5 Reviewer llm, reads 0 by broadcast, reads 3 by broadcast, reads 4 by broadcast",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "transcript"
    assert [(a.name, a.kind) for a in trace.agents] == [
        ("user", "human"),
        ("Researcher", "llm"),
        ("lookup_population", "tool"),
        ("Writer", "llm"),
        ("Reviewer", "llm"),
    ]


def test_a_task_result_with_its_stop_reason_and_everything_that_is_no_answer(told: Told) -> None:
    failed = '[{"content": "boom", "name": "run", "call_id": "c1", "is_error": true}]'
    message = '{"source": "%s", "models_usage": null, "content": %s, "type": "%s", "created_at": null}'
    said = [
        message % ("user", '"Go."', "TextMessage"),
        message % ("MagenticOneOrchestrator", '"Plan."', "TextMessage"),
        message % ("coder", '"hmm"', "ThoughtEvent"),
        message % ("coder", '[{"id": "c1", "name": "run", "arguments": "{}"}]', "ToolCallRequestEvent"),
        message % ("coder", failed, "ToolCallExecutionEvent"),
        message % ("coder", '"boom"', "ToolCallSummaryMessage"),
        message % ("manager", '"Maximum reached"', "StopMessage"),
    ]
    text = f'{{"messages": [{", ".join(said)}], "stop_reason": "Text \'DONE\' mentioned"}}'
    assert autogen.sniff(text)
    trace = autogen.load(text, name="result.json")
    assert told(trace) == [
        "0 user human",
        "1 MagenticOneOrchestrator llm, reads 0 by broadcast",
        "2 coder llm, reads 0 by broadcast, reads 1 by broadcast",
        "3 coder llm, calls run, continues 2",
        "4 run tool, reads 3 by tool call",
        "5 coder tool, reads 4 by tool call",
        "6 manager control",
    ]
    assert trace.steps[4].error == "boom"
    assert (trace.team.selector, trace.team.stop_word) == ("orchestrator", "DONE")


def test_a_streamed_call_keeps_its_input() -> None:
    text = (
        '{"type": "LLMStreamStart", "messages": [{"role": "user", "content": "Go."}], "agent_id": "a/1"}\n'
        '{"type": "LLMStreamEnd", "response": {"content": "Done.", "finish_reason": "stop"}, '
        '"prompt_tokens": 3, "completion_tokens": 2, "agent_id": "a/1"}\n'
    )
    assert autogen.sniff(text)
    step = autogen.load(text, name="events.jsonl").steps[0]
    assert (step.agent, step.output) == ("a", "Done.")
    assert step.call is not None
    assert step.call.messages[0].text == "Go."


def test_a_wrong_field_is_named_by_its_line(logs: Path) -> None:
    lines = (logs / "autogen" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    broken = "\n".join(lines).replace('"completion_tokens": 5, "agent_id"', '"completion_tokens": "5", "agent_id"', 1)
    with pytest.raises(LogFormatError, match=r"^e\.jsonl: line 12: completion_tokens is the text '5' \(expected a nu"):
        autogen.load(broken, name="e.jsonl")
