"""The run's file format: what goes in comes out, and what is no run is refused by its field."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from traces import WORDS, addressed, graphs, run, trace_of

from butfor.cache.call import Call, Message, TokenLogprob, Tool, ToolCall, Usage
from butfor.cache.errors import LogFormatError
from butfor.replay.output import write_atomically
from butfor.replay.trace import (
    Agent,
    Culprit,
    Outcome,
    Read,
    Source,
    Step,
    Team,
    Trace,
    final_answer,
    read_trace,
)

FULL = Step(
    index=1,
    agent="Ann",
    output="end  \x85",
    tool_calls=(ToolCall(id="call_1", name="add", arguments='{"a": 1}'),),
    audience=(),
    continues=0,
    reads=(Read(0, "verbatim"),),
    call=Call(
        model="openai:a",
        messages=(Message(role="user", content=({"type": "text", "text": "x", "note": None},)),),
        tools=(Tool(name="add", parameters={"type": "object"}),),
        params={"temperature": 0.5},
    ),
    usage=Usage(),
    logprobs=(TokenLogprob("x", -0.25),),
    error="",
    started=1.5,
    ended=2.0,
)


@given(graphs(), st.none() | WORDS, st.none() | st.integers(0, 20))
def test_a_run_comes_back_from_its_file(trace: Trace, expected: str | None, step: int | None) -> None:
    culprit = Culprit(agent="Ann", step=step) if step is not None and step < len(trace.steps) else None
    trace = trace.model_copy(update={"expected": expected, "culprit": culprit})
    again = read_trace(trace.to_json())
    assert again == trace
    assert again.to_json() == trace.to_json()
    assert again.digest == trace.digest


def test_every_field_comes_back() -> None:
    trace = trace_of(
        [Step(index=0, agent="Ann", output="first"), FULL],
        expected="4",
        team=Team(selector="chat", stop_word="DONE"),
        outcome=Outcome(success=False, answer="5", explanation="expected '4'"),
        culprit=Culprit(agent="Ann", step=0, reason="adds wrongly"),
        agents=(Agent(name="Ann", system_prompt="", description="adds", model="openai:a"),),
        fidelity="messages",
    )
    assert read_trace(trace.to_json()) == trace


def test_a_file_begins_with_its_version_and_keeps_its_characters() -> None:
    text = run(("Ann", "naïve 🙂\x85  ")).to_json()
    assert json.loads(text)["version"] == 1
    assert text.startswith('{\n "version": 1,')
    assert "naïve 🙂\x85  " in text
    assert text.endswith("}\n")


def without(**fields: Any) -> dict[str, Any]:
    """A run's file with some fields set to other values."""
    text: dict[str, Any] = json.loads(addressed(("Ann", "a", None), ("Bob", "b", ())).to_json())
    return text | fields


def steps(**fields: Any) -> dict[str, Any]:
    """A run's file with some fields of its second step set to other values."""
    text = without()
    text["steps"][1] |= fields
    return text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (without(steps=[]), "steps"),
        (without(version=2), "version"),
        (without(task=None), "task"),
        (without(colour="red"), "colour"),
        (without(fidelity="perfect"), "fidelity"),
        (without(agents=[{"name": "Ann"}, {"name": "Bob"}, {"name": "Bob"}]), "same name"),
        (without(agents=[{"name": "Ann"}]), "Bob"),
        (without(culprit={"agent": "Ann", "step": 2}), "step 2, and the run has steps 0 to 1"),
        (without(culprit={"agent": "Ann", "step": -1}), "step -1"),
        (steps(index=0), "step 1 says that it is step 0"),
        (steps(index=-1), r"steps\[1\].index"),
        (steps(output=None), r"steps\[1\].output"),
        (steps(continues=1), "step 1 reads a step that is not before it"),
        (steps(continues=-1), "step 1 reads"),
        (steps(reads=[[1, "order"]]), "step 1 reads"),
        (steps(reads=[[0, "guess"]]), r"steps\[1\].reads"),
        (steps(kind="ghost"), r"steps\[1\].kind"),
    ],
)
def test_what_is_no_run_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(LogFormatError, match=problem) as caught:
        read_trace(json.dumps(fields), name="mine.json")
    assert str(caught.value).startswith("mine.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1', "\0"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(LogFormatError, match=r"mine\.json"):
        read_trace(text, name="mine.json")


def test_a_run_cannot_be_changed() -> None:
    trace = run(("Ann", "a"))
    with pytest.raises(ValidationError):
        trace.steps[0].output = "b"  # type: ignore[misc]
    assert trace.model_copy(update={"task": "other"}).digest != trace.digest


def test_a_method_sees_neither_answer_nor_label() -> None:
    trace = run(("Ann", "a"), expected="4", outcome=Outcome(success=False), culprit=Culprit(agent="Ann", step=0))
    blind = trace.blind()
    assert (blind.expected, blind.outcome, blind.culprit) == (None, None, None)
    assert blind.steps == trace.steps


def test_the_context_of_a_step_is_all_that_entered_its_input() -> None:
    trace = addressed(
        ("User", "question", None),
        ("Ann", "plan", ()),
        ("Ann", "do it", ("Bob",)),
        ("Bob", "done", ("Ann",)),
        ("Cat", "aside", ("Cat",)),
        ("Ann", "thanks", None),
        ("Bob", "bye", None),
    )
    contexts = [trace.context(step.index) for step in trace.steps]
    assert contexts == [(), (0,), (0, 1), (0, 2), (0,), (0, 1, 2, 3), (0, 2, 3, 5)]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (["FINAL ANSWER: 34 euros"], "34 euros"),
        (["So.\nFINAL ANSWER:\n34\nBye."], "34"),
        (["Final answer is 34"], "34"),
        (["The final answer is: 34"], "34"),
        (["FINAL ANSWER Island"], "Island"),
        (["final answer: 1", "FINAL ANSWER: 2"], "2"),
        (["FINAL ANSWER: 1 ... no, FINAL ANSWER: 2"], "2"),
        (["FINAL ANSWER:"], "FINAL ANSWER:"),
        (["It is 34.", "TERMINATE"], "It is 34."),
        (["It is 34.", "**TERMINATE**."], "It is 34."),
        (["It is 34. TERMINATE"], "It is 34."),
        (["It is 34.", "  "], "It is 34."),
        (["TERMINATE"], ""),
    ],
)
def test_the_final_answer(said: list[str], answer: str) -> None:
    trace = run(*(("Ann", text) for text in said), team=Team(stop_word="TERMINATE"))
    assert final_answer(trace) == answer


def test_neither_a_person_nor_the_framework_gives_the_final_answer() -> None:
    assert final_answer(run(("Ann", "34"), ("User", "Thanks!"), ("Runtime", "Ended."))) == "34"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half \ud800")
    assert path.read_text() == "old"
    write_atomically(path, "new")
    assert path.read_text() == "new"
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("path", [".", "/", "folder", "missing/run.json"])
def test_a_file_that_cannot_be_written_is_an_os_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(OSError, match=r"folder|No such file"):
        write_atomically(Path(path), "new")
    assert os.listdir(tmp_path) == ["folder"]


def test_two_steps_may_not_share_a_place() -> None:
    with pytest.raises(ValidationError, match="step 1 says that it is step 0"):
        Trace(
            task="",
            agents=(Agent(name="Ann"),),
            steps=(Step(index=0, agent="Ann", output=""), Step(index=0, agent="Ann", output="")),
            fidelity="transcript",
            source=Source(format="test"),
        )
