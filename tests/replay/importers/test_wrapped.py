"""Messages beside a task and an answer; chats of an orchestrator; roles and values in other spellings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_folder, import_log, plain_chat, who_and_when
from butfor.replay.reading.literal import as_json
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_an_orchestrators_chat_reads_the_same_with_a_label_and_without(logs: Path) -> None:
    bare = import_log(logs / "plain_chat" / "orchestrator.json")
    history = json.loads((logs / "plain_chat" / "orchestrator.json").read_text(encoding="utf-8"))
    label = {"mistake_agent": "Surfer", "mistake_step": "4", "mistake_reason": "It is 1923."}
    labelled = who_and_when.load(
        json.dumps({"question": history[0]["content"], "history": history, **label}), name="orchestrator.json"
    )
    assert bare.steps == labelled.steps
    assert (bare.task, bare.agents, bare.team) == (labelled.task, labelled.agents, labelled.team)
    assert [(s.agent, s.kind, s.audience) for s in bare.steps[1:4]] == [
        ("Orchestrator", "llm", ()),
        ("Orchestrator", "control", ()),
        ("Orchestrator", "llm", ("Surfer",)),
    ]
    wrapped = plain_chat.load(json.dumps({"task": "When?", "trajectory": history}), name="orchestrator.json")
    assert (wrapped.task, wrapped.steps) == ("When?", bare.steps)


def test_runs_with_a_reward(logs: Path, told: Told) -> None:
    file = logs / "plain_chat" / "rewarded.json"
    with pytest.raises(LogFormatError, match=r"holds 2 runs \(3, 4\)"):
        import_log(file, format="plain-chat")
    trace = import_log(f"{file}#3", format="plain-chat")
    assert told(trace) == [
        "0 user human",
        "1 assistant llm, calls move, reads 0 by broadcast",
        "2 move tool, reads 1 by tool call",
        "3 assistant llm, continues 1, reads 2 by tool call",
    ]
    assert trace.task == "You want to move your booking to Friday."
    assert trace.agent("assistant").system_prompt == "Help with bookings."
    failed = import_log(f"{file}#4", format="plain-chat")
    assert [run.outcome and run.outcome.success for run in (trace, failed)] == [True, False]


def test_actions_and_what_they_brought(logs: Path) -> None:
    trace = import_log(logs / "plain_chat" / "actions.json", format="plain-chat")
    assert [(s.agent, s.kind, s.output) for s in trace.steps] == [
        ("assistant", "llm", "I list the files.\n\nls"),
        ("environment", "tool", "main.py"),
        ("assistant", "llm", "I am done.\n\nsubmit"),
        ("environment", "tool", ""),
    ]
    assert trace.task == "The date is off by one."


def test_a_problem_and_its_answer_wherever_they_stand(logs: Path) -> None:
    trace = import_log(logs / "plain_chat" / "problem_and_answer.json", format="plain-chat")
    assert (trace.task, trace.expected) == ("How many tiles cover the floor?", "48")
    assert trace.outcome is not None
    assert (trace.outcome.success, trace.outcome.answer) == (False, "44")
    assert [step.output for step in trace.steps] == ["Solve this.\nSay what you need first.", "It takes 44 tiles."]


@pytest.mark.parametrize("task", ["task", "question", "problem_statement", "prompt", "instruction"])
@pytest.mark.parametrize("expected", ["answer", "expected", "ground_truth"])
@pytest.mark.parametrize("listed", ["messages", "history", "trajectory", "traj", "chat_history", "conversation"])
def test_any_wrapper(tmp_path: Path, listed: str, task: str, expected: str) -> None:
    chat = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "4"}]
    run = {"meta": {task: "What is 2 + 2?"}, listed: chat, "evaluation": {expected: 4}}
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run), encoding="utf-8")
    trace = import_log(file)
    assert (trace.task, trace.expected, [s.output for s in trace.steps]) == ("What is 2 + 2?", "4", ["Go.", "4"])
    file.write_text("\n".join(json.dumps({"id": n, **run}) for n in "ab"), encoding="utf-8")
    assert [path.name for path, _ in import_folder(tmp_path)] == ["run.json#a", "run.json#b"]


def test_roles_that_mean_what_they_say(logs: Path) -> None:
    trace = import_log(logs / "ag2" / "roles_meant.json")
    assert [(s.agent, s.kind) for s in trace.steps] == [
        ("start", "human"),
        ("planner", "llm"),
        ("coder", "llm"),
        ("code_execution_error", "tool"),
        ("result", "control"),
    ]
    assert trace.task == "Sort the samples of Y."
    assert trace.steps[3].error == "ModuleNotFoundError: pandas"


def test_pythons_spelling_of_values(logs: Path) -> None:
    trace = import_log(logs / "plain_chat" / "python_spelling.json")
    assert [step.output for step in trace.steps] == ["It's the map of Y.", "import csv", "None left"]
    assert json.loads(as_json("{'a': (1, None)}", name="a")) == {"a": [1, None]}
    assert as_json("{'a': 1}\n{'a': 2}", name="a").splitlines() == ['{"a": 1}', '{"a": 2}']


@pytest.mark.parametrize(
    "text",
    [
        "[{'role': print('x')}]",
        "[{'role': 'user', 'content': {1, 2}}]",
        "[{'role': 'user'",
        "[{'role': 1e999}]",
        "[{'role': " + "[" * 50_000,
    ],
)
def test_pythons_spelling_of_anything_else_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(LogFormatError, match=r"^a\.json: begins like Python's spelling.*write it with json\.dump"):
        as_json(text, name="a.json")


def test_crewai_events_without_numbers(logs: Path, told: Told) -> None:
    trace = import_log(logs / "crewai" / "events_without_sequence.json")
    assert told(trace) == ["0 Clerk llm", "1 rota tool, reads 0 by broadcast"]
    assert (trace.task, trace.steps[1].output) == ("Say who opens the shop.", "Ada")


ASKED, DONE = {"role": "user", "content": "Do it."}, {"role": "assistant", "content": "Done."}
SHAPES: dict[str, object] = {
    "sources": [
        {"source": "user", "content": "Do it."},
        {"source": "coder", "content": "Done.", "type": "TextMessage"},
    ],
    "from and value": {"conversations": [{"from": "human", "value": "Do it."}, {"from": "gpt", "value": "Done."}]},
    "runs in a field": {"info": {}, "simulations": [{"task_id": "1", "messages": [ASKED, DONE]}]},
    "an answer, no names": {"history": [ASKED, DONE], "ground_truth": "5"},
    "contents": {
        "contents": [{"role": "user", "parts": [{"text": "Do it."}]}, {"role": "model", "parts": [{"text": "Done."}]}]
    },
    "serialised": [
        {"lc": 1, "type": "constructor", "id": ["langchain", "HumanMessage"], "kwargs": {"content": "Do it."}},
        {"lc": 1, "type": "constructor", "id": ["langchain", "AIMessage"], "kwargs": {"content": "Done."}},
    ],
    "a history of actions": {
        "trajectory": [{"action": "ls"}],
        "history": [
            {"role": "system", "content": "You mend.", "message_type": "system_prompt"},
            {**ASKED, "message_type": "observation", "agent": "main"},
            {**DONE, "message_type": "action", "agent": "main"},
        ],
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_messages_are_found_in_any_shape(tmp_path: Path, shape: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(SHAPES[shape]), encoding="utf-8")
    trace = import_log(file)
    assert [(step.kind, step.output) for step in trace.steps] == [("human", "Do it."), ("llm", "Done.")]


def test_items_that_call_and_answer(tmp_path: Path, told: Told) -> None:
    file = tmp_path / "run.json"
    called = {"type": "function_call", "call_id": "c", "name": "count", "arguments": "{}"}
    file.write_text(
        json.dumps([ASKED, called, {"type": "function_call_output", "call_id": "c", "output": "4"}, DONE]),
        encoding="utf-8",
    )
    assert told(import_log(file))[1:3] == [
        "1 assistant llm, calls count, reads 0 by broadcast",
        "2 count tool, reads 1 by tool call",
    ]


def test_runs_under_their_names(tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    file.write_text(json.dumps({"one": {"messages": [ASKED, DONE]}, "two": {"messages": [ASKED]}}), encoding="utf-8")
    assert [len(import_log(f"{file}#{run}").steps) for run in ("one", "two")] == [2, 1]
