"""Who&When logs of both splits: who spoke to whom, who read what, the label, and what a bad log is told."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from butfor.cache.errors import LogFormatError
from butfor.render.run import as_terminal
from butfor.replay.executor import rerun
from butfor.replay.importers import import_log, who_and_when
from butfor.replay.simulator import Simulator
from butfor.replay.summary import summary
from butfor.replay.trace import Culprit, Team, Trace, read_trace

LOGS = sorted((Path(__file__).parents[1] / "logs" / "who_and_when").glob("*.json"))


def said(text: str = "hello", *, role: str = "user", **fields: Any) -> dict[str, Any]:
    return {"content": text, "role": role, **fields}


def log(*history: Any, **fields: Any) -> dict[str, Any]:
    return {"question": "What is 2 + 2?", "ground_truth": "4", "history": list(history), **fields}


def load(content: dict[str, Any]) -> Trace:
    return who_and_when.load(json.dumps(content), name="1.json")


@pytest.fixture(params=LOGS, ids=lambda path: path.stem)
def real(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_there_are_logs_of_both_splits() -> None:
    assert len(LOGS) == 5
    assert (LOGS[0].parent / "LICENSE").read_text().startswith("MIT License")


def test_a_real_log_is_imported_whole(real: Path) -> None:
    raw = json.loads(real.read_text())
    trace = import_log(real)
    assert [step.output for step in trace.steps] == [entry["content"] for entry in raw["history"]]
    assert trace.task == raw["question"]
    assert trace.culprit is not None
    assert (trace.culprit.agent, trace.culprit.step) == (raw["mistake_agent"], int(raw["mistake_step"]))
    assert (trace.fidelity, trace.source.name) == ("transcript", real.name)


def test_a_real_log_is_reproduced_byte_for_byte(real: Path) -> None:
    trace = import_log(real)
    assert rerun(trace, executor=Simulator()).to_json() == trace.to_json()
    assert read_trace(trace.to_json()) == trace


def test_a_real_log_is_shown_with_every_speaker(real: Path) -> None:
    trace = import_log(real)
    printed = StringIO()
    Console(file=printed, width=200).print(as_terminal(trace))
    history = json.loads(real.read_text())["history"]
    speakers = {entry.get("name") or entry["role"].split(" (")[0] for entry in history}
    assert speakers <= {player.name for player in summary(trace).agents}
    assert all(speaker in printed.getvalue() for speaker in speakers)


def test_a_group_chat() -> None:
    trace = load(
        log(
            said("the task", name="Expert"),
            said("code", role="assistant", name="Coder"),
            said("exitcode: 1 (execution failed)\nCode output: oh", name="Computer_terminal"),
            said("TERMINATE", name="Expert"),
        )
    )
    assert [(s.agent, s.kind, s.audience) for s in trace.steps] == [
        ("Expert", "llm", None),
        ("Coder", "llm", None),
        ("Computer_terminal", "tool", None),
        ("Expert", "llm", None),
    ]
    assert [trace.context(step.index) for step in trace.steps] == [(), (0,), (1,), (0, 1, 2)]
    assert [step.error for step in trace.steps] == [None, None, "exitcode: 1 (execution failed)", None]
    assert trace.team == Team(selector="chat", stop_word="TERMINATE")


def test_an_orchestrated_run() -> None:
    trace = load(
        log(
            said("the task", role="human"),
            said("Initial plan", role="Orchestrator (thought)"),
            said("Next speaker WebSurfer", role="Orchestrator (thought)"),
            said("Look it up.", role="Orchestrator (-> WebSurfer)"),
            said("Found: 4", role="WebSurfer"),
            said("Request satisfied.", role="Orchestrator (thought)"),
            said("FINAL ANSWER: 4", role="Orchestrator (termination condition)"),
        )
    )
    assert [(s.agent, s.kind, s.audience) for s in trace.steps] == [
        ("human", "human", None),
        ("Orchestrator", "llm", ()),
        ("Orchestrator", "control", ()),
        ("Orchestrator", "llm", ("WebSurfer",)),
        ("WebSurfer", "llm", None),
        ("Orchestrator", "control", ()),
        ("Orchestrator", "llm", None),
    ]
    contexts = [trace.context(step.index) for step in trace.steps]
    assert contexts[4] == (0, 3)
    assert contexts[6] == (0, 1, 3, 4)
    assert trace.team == Team(selector="orchestrator")


def test_system_prompts_and_descriptions() -> None:
    plan = "We have assembled the following team:\n\nSurfer: A web surfer.\nStranger: Nobody.\n"
    trace = load(
        log(
            said("the task", role="human"),
            said(plan, role="Orchestrator (thought)"),
            said("Go.", role="Orchestrator (-> Surfer)"),
            system_prompt={"Surfer": "You surf.", "Idle": "You wait."},
        )
    )
    assert {(a.name, a.system_prompt, a.description) for a in trace.agents} == {
        ("human", None, None),
        ("Orchestrator", None, None),
        ("Surfer", "You surf.", "A web surfer."),
        ("Idle", "You wait.", None),
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ground_truth": 4}, "4"),
        ({"ground_truth": None}, None),
        ({"ground_truth": ""}, ""),
        ({"groundtruth": "5"}, "4"),
    ],
)
def test_the_expected_answer(fields: dict[str, Any], expected: str | None) -> None:
    assert load(log(said(name="A"), **fields)).expected == expected


def test_the_other_spelling_of_the_expected_answer() -> None:
    content = log(said(name="A"), groundtruth="5")
    del content["ground_truth"]
    assert load(content).expected == "5"


@pytest.mark.parametrize("step", [1, "1", " 1 "])
def test_the_label(step: object) -> None:
    trace = load(log(said(name="A"), said(name="B"), mistake_step=step, mistake_agent="B", mistake_reason="wrong"))
    assert trace.culprit == Culprit(agent="B", step=1, reason="wrong")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (log(), "history is missing or empty"),
        (log() | {"history": None}, "history is missing or empty"),
        (log(said(name="A")) | {"question": None}, "question is missing"),
        (log("hello"), r"history\[0\] is not a message"),
        (log(said(name="A"), {"role": "user", "name": "A"}), r"history\[1\]\.content is missing"),
        (log({"content": "x", "name": "A"}), r"history\[0\]\.role is missing"),
        (log(said(), mistake_step="0"), r"history\[0\]\.name is missing"),
        (log({"content": ["x"], "role": "user", "name": "A"}), r"history\[0\]\.content is list"),
        (log(said(name="A"), system_prompt="x"), "system_prompt is not an object"),
        (log(said(name="A"), system_prompt={"A": 5}), r"system_prompt\.A is int"),
        (
            log(said(name="A"), mistake_step="1", mistake_agent="A"),
            "mistake_step is 1, and the run has steps 0 to 0",
        ),
        (log(said(name="A"), mistake_step="-1", mistake_agent="A"), "mistake_step is '-1'"),
        (log(said(name="A"), mistake_step="x", mistake_agent="A"), "mistake_step is 'x'"),
        (log(said(name="A"), mistake_step="0", mistake_agent="B"), "mistake_agent is 'B', who says nothing"),
        (log(said(name="A"), mistake_step="0"), "mistake_agent is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: dict[str, Any], problem: str) -> None:
    with pytest.raises(LogFormatError, match=problem) as caught:
        load(content)
    assert str(caught.value).startswith("1.json: ")


def test_half_a_character_is_refused_at_the_door() -> None:
    text = json.dumps(log(said("PLACE", name="A"))).replace("PLACE", "\\ud800")
    with pytest.raises(LogFormatError, match="half a character"):
        who_and_when.load(text, name="1.json")


def test_every_character_is_kept() -> None:
    text = " end  \x85\u2028\0\t\r\n🙂 "
    assert load(log(said(text, name="A"))).steps[0].output == text
