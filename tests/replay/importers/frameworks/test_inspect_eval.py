"""Inspect's archives: messages and texts put back from where they are kept once, scores as the outcome."""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_folder, import_log, inspect_eval
from butfor.replay.trace import Outcome, Trace

Told = Callable[[Trace], list[str]]


def test_an_archive(logs: Path, told: Told) -> None:
    pytest.importorskip("zstandard")
    trace = import_log(logs / "inspect" / "task.eval")
    assert told(trace) == [
        "0 supervisor llm, calls transfer_to_researcher",
        "1 transfer_to_researcher tool, reads 0 by tool call",
        "2 researcher llm, calls lookup_population, reads 0 by tool call, reads 1 by tool call",
        "3 lookup_population tool, reads 2 by tool call",
        "4 researcher llm, continues 2, reads 3 by tool call",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.expected == "2,102,650"
    said = "FACT: population=3,000,000 [8534]"
    assert trace.outcome == Outcome(success=False, answer=said.replace("FACT", "fact"), explanation=said)
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model) for a in trace.agents] == [
        ("supervisor", "llm", "openai:gpt-4o-mini"),
        ("transfer_to_researcher", "tool", None),
        ("researcher", "llm", "openai:gpt-4o-mini"),
        ("lookup_population", "tool", None),
    ]
    assert (trace.agent("researcher").system_prompt or "").startswith("AGENT=Researcher\n")
    first = trace.steps[2]
    assert first.call is not None
    assert [m.role for m in first.call.messages] == ["system", "user", "assistant", "tool"]
    assert [t.name for t in first.call.tools] == ["lookup_population"]
    assert first.usage is not None
    assert (first.usage.input_tokens, first.started, first.ended) == (10, 1795343216.84038, 1795343216.866049)


HEADER = '{"version": 2, "eval": {"task": "t", "model": "m"}}'


def _sample(number: int) -> str:
    message = {"role": "assistant", "content": "5", "tool_calls": []}
    output = {"choices": [{"message": message}], "usage": {"input_tokens": 3, "output_tokens": 1}}
    given = [{"role": "user", "content": "attachment://a"}]
    model = {"event": "model", "uuid": "u", "model": "openai/gpt-4o", "input": given, "output": output}
    sample = {"id": number, "epoch": 1, "input": "What is 2 + 2?", "target": ["4"], "events": [model]}
    return json.dumps({**sample, "attachments": {"a": "What is 2 + 2?"}, "scores": {"match": {"value": "C"}}})


def _archive(*samples: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        archive.writestr("header.json", HEADER)
        for number, sample in enumerate(samples, 1):
            archive.writestr(f"samples/{number}_epoch_1.json", sample)
    return content.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_several_samples_are_several_runs(tmp_path: Path, method: int) -> None:
    file = tmp_path / "log.eval"
    file.write_bytes(_archive(_sample(1), _sample(2), method=method))
    with pytest.raises(LogFormatError, match=r"holds 2 runs \(1_epoch_1, 2_epoch_1\)"):
        import_log(file)
    trace = import_log(f"{file}#2_epoch_1")
    assert trace.steps[0].call is not None
    assert trace.steps[0].call.messages[0].text == "What is 2 + 2?"
    assert trace.outcome == Outcome(success=True)
    assert [path.name for path, _ in import_folder(tmp_path)] == ["log.eval#1_epoch_1", "log.eval#2_epoch_1"]


def test_the_json_form() -> None:
    text = f'{HEADER[:-1]}, "samples": [{_sample(7)}]}}'
    assert inspect_eval.sniff(text)
    assert inspect_eval.load(text, name="log.json").expected == "4"


def test_a_sample_that_was_stopped(told: Told) -> None:
    sample = {**json.loads(_sample(1)), "error": {"message": "out of memory"}, "limit": {"type": "token"}}
    text = f'{HEADER[:-1]}, "samples": [{json.dumps(sample)}]}}'
    trace = inspect_eval.load(text, name="log.json")
    assert told(trace) == ["0 agent llm", "1 inspect control", "2 inspect control"]
    assert [step.error for step in trace.steps] == [None, "out of memory", "token limit"]


def test_damaged_archives_are_named(tmp_path: Path, logs: Path) -> None:
    whole = _archive(_sample(1))
    file = tmp_path / "log.eval"
    for content, problem in (
        (whole[:200], "the archive is damaged"),
        (whole.replace(b"header.json", b"xeader.json"), "no Inspect log"),
        (whole[:45] + b"\x00\x00\x00" + whole[48:], "is damaged"),
    ):
        file.write_bytes(content)
        with pytest.raises(LogFormatError, match=rf"^log\.eval.*{problem}"):
            import_log(file)


def test_packing_by_zstandard_without_its_package_names_the_extra(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(LogFormatError, match=r"task\.eval: header\.json: .*zstandard; .*butfor\[logs\]"):
        import_log(logs / "inspect" / "task.eval")
