"""Who acts next after a change: the recorded order, or the team's own selector played by a model."""

import json

import pytest
from traces import addressed, inventive, run

from butfor.cache.call import Call
from butfor.cache.scripted import Scripted
from butfor.replay.executor import rerun
from butfor.replay.replayed import Edits
from butfor.replay.schedule import SELECTOR, next_speaker
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Team, Trace

CHAT = run(
    ("Ann", "a"), ("Bob", "b"), ("Tool", "c"), ("Ann", "d"), ("Bob", "DONE"),
    team=Team(selector="chat", stop_word="DONE"),
)  # fmt: skip


def ledger(*, speaker: str = "Bob", satisfied: bool = False) -> str:
    return "Updated Ledger:\n" + json.dumps(
        {"is_request_satisfied": {"answer": satisfied}, "next_speaker": {"answer": speaker}}
    )


LED = addressed(
    ("User", "question", None),
    ("Ann", ledger(speaker="Bob"), ()),
    ("Ann", "Bob, do it.", ("Bob",)),
    ("Bob", "done", None),
    ("Ann", ledger(satisfied=True), ()),
    ("Ann", "FINAL ANSWER: 4", None),
    team=Team(selector="orchestrator"),
)


def again(trace: Trace, edits: Edits, live: Scripted) -> list[tuple[str, str]]:
    changed = rerun(trace, edits, executor=Simulator(schedule="model"), live=live)
    return [(step.agent, step.output) for step in changed.steps]


def test_without_a_change_the_recorded_order_holds() -> None:
    assert rerun(CHAT, executor=Simulator(schedule="model")) == CHAT
    assert rerun(LED, executor=Simulator(schedule="model")) == LED


@pytest.mark.parametrize("trace", [CHAT, LED], ids=["chat", "led"])
def test_what_was_recorded_given_again_asks_for_no_new_order(trace: Trace) -> None:
    for step in trace.steps:
        if step.kind != "human":
            edits = Edits(answers={step.index: step.output})
            unchanged = rerun(trace, edits, executor=Simulator(schedule="model"))
            assert [s.output for s in unchanged.steps] == [s.output for s in trace.steps]


def test_a_change_of_the_last_step_may_go_on() -> None:
    live = Scripted(["Ann", "DONE"])
    assert again(CHAT, Edits(answers={4: "not yet"}), live)[4:] == [("Bob", "not yet"), ("Ann", "DONE")]


def test_after_a_change_a_model_picks_the_speakers_until_somebody_stops() -> None:
    def play(call: Call) -> str:
        if call.agent == SELECTOR:
            return "I choose **Bob**." if len(call.messages) < 5 else "Ann"
        return "DONE" if call.agent == "Ann" else f"{call.agent} {len(call.messages)}"

    assert again(CHAT, Edits(answers={1: "x"}), Scripted(play)) == [
        ("Ann", "a"),
        ("Bob", "x"),
        ("Bob", "Bob 5"),
        ("Bob", "Bob 6"),
        ("Ann", "DONE"),
    ]


def test_the_selector_sees_the_team_and_what_was_said() -> None:
    live = Scripted(["Ann", "DONE"])
    again(CHAT, Edits(answers={0: "x"}), live)
    question = live.calls[0]
    assert question.agent == SELECTOR
    assert all(f"{name}: " in question.messages[0].text for name in ("Ann", "Bob", "Tool"))
    assert [message.text for message in question.messages[1:]] == ["Ann:\nx"]


def test_where_the_selector_names_nobody_the_recorded_speaker_is_next() -> None:
    live = Scripted(["Somebody else, please.", "DONE"])
    assert again(CHAT, Edits(answers={0: "x"}), live) == [("Ann", "x"), ("Bob", "DONE")]


def test_a_run_that_never_stops_is_stopped() -> None:
    live = Scripted(lambda call: "Bob" if call.agent == SELECTOR else f"again {len(call.messages)}")
    assert len(again(CHAT, Edits(answers={0: "x"}), live)) == len(CHAT.steps) + 10


def test_an_edit_of_a_step_is_not_served_to_somebody_else_who_speaks_in_its_place() -> None:
    live = Scripted(lambda call: "Ann" if call.agent == SELECTOR else f"{call.agent} {len(call.messages)}")
    said = again(CHAT, Edits(answers={0: "x", 1: "for Bob"}), live)
    assert said[1][0] == "Ann"
    assert "for Bob" not in [text for _, text in said]


def test_an_orchestrator_s_ledger_names_who_is_next() -> None:
    def play(call: Call) -> str:
        cue = call.messages[-1].text
        if "thought" in cue:
            return ledger(satisfied=True) if "new result" in call.messages[-2].text else ledger(speaker="Cat")
        if "only" in cue:
            return "Cat, do it."
        return "new result" if call.agent == "Cat" else "FINAL ANSWER: 5"

    trace = addressed(
        ("User", "question", None),
        ("Ann", "Initial plan", ()),
        ("Ann", ledger(speaker="Bob"), ()),
        ("Ann", "Bob, do it.", ("Bob",)),
        ("Bob", "done", None),
        ("Cat", "idle", None),
        ("Ann", "FINAL ANSWER: 4", None),
        team=Team(selector="orchestrator"),
    )
    said = again(trace, Edits(answers={2: ledger(speaker="Cat")}), Scripted(play))
    assert said[2:] == [
        ("Ann", ledger(speaker="Cat")),
        ("Ann", "Cat, do it."),
        ("Cat", "new result"),
        ("Ann", ledger(satisfied=True)),
        ("Ann", "FINAL ANSWER: 5"),
    ]


@pytest.mark.parametrize("broken", ["no ledger at all", "{", '{"next_speaker": {"answer": "Nobody"}}', "[" * 99_999])
def test_where_a_ledger_cannot_be_read_the_recorded_addressee_is_next(broken: str) -> None:
    steps = rerun(LED, Edits(answers={1: broken}), executor=Simulator(schedule="model"), live=inventive()).steps
    assert steps[2].audience == ("Bob",)
    assert steps[3].agent == "Bob"


def test_a_final_answer_ends_an_orchestrated_run() -> None:
    assert next_speaker(LED, LED.steps, inventive()) is None


def test_a_team_in_a_fixed_order_keeps_it() -> None:
    trace = run(("Ann", "a"), ("Bob", "b"), ("Ann", "c"))
    said = again(trace, Edits(answers={0: "x"}), inventive())
    assert [agent for agent, _ in said] == ["Ann", "Bob", "Ann"]
