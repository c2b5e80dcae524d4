"""An intervention as edits: the changed steps answer anew, what they reach is drawn again, the rest stays."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from traces import addressed, conversations, graphs

from butfor.counterfactual.intervention import REMOVED, Intervention, control, steps_changed, treated
from butfor.replay.graph import descendants
from butfor.replay.replayed import Edits
from butfor.replay.trace import Trace

TEAM = addressed(
    ("User", "question", None),
    ("Ann", "plan", None),
    ("Bob", "aside", ()),
    ("Tool", "result", None),
    ("Bob", "solve", None),
    ("Ann", "answer", None),
)
"""Ann's plan reaches everything but the person's question; Bob's aside only Bob and whoever hears him later."""


def change(kind: str, step: int | None = 1, **fields: str) -> Intervention:
    return Intervention.model_validate({"kind": kind, "step": step, **fields})


@pytest.mark.parametrize(
    ("intervention", "said"),
    [
        (change("correct", output="better"), "better"),
        (change("given", output="mine"), "mine"),
        (change("given", output=""), ""),
        (change("remove"), REMOVED),
    ],
)
def test_a_new_answer(intervention: Intervention, said: str) -> None:
    assert treated(TEAM, [intervention]) == Edits(answers={1: said}, redraw=frozenset({2, 4, 5}))
    assert control(TEAM, [intervention]) == Edits(answers={1: "plan"}, redraw=frozenset({2, 4, 5}))


def test_another_draw() -> None:
    assert treated(TEAM, [change("resample")]) == Edits(redraw=frozenset({1, 2, 4, 5}))
    assert control(TEAM, [change("resample")]) == Edits(answers={1: "plan"}, redraw=frozenset({2, 4, 5}))


def test_another_player() -> None:
    swap = Intervention(kind="swap", agent="Ann", model="openai:b")
    assert steps_changed(TEAM, swap) == (1, 5)
    assert treated(TEAM, [swap]) == Edits(redraw=frozenset({1, 2, 4, 5}))
    assert control(TEAM, [swap]) == Edits(redraw=frozenset({1, 2, 4, 5}))


def test_several_at_once() -> None:
    both = [change("correct", 1, output="x"), change("correct", 4, output="y")]
    assert treated(TEAM, both) == Edits(answers={1: "x", 4: "y"}, redraw=frozenset({2, 5}))
    assert control(TEAM, both) == Edits(answers={1: "plan", 4: "solve"}, redraw=frozenset({2, 5}))


def test_a_late_change_leaves_everything_before_it() -> None:
    assert treated(TEAM, [change("remove", 5)]) == Edits(answers={5: REMOVED})


@given(graphs() | conversations(), st.data())
def test_both_arms_draw_the_same_steps_again(trace: Trace, data: st.DataObject) -> None:
    playing = [step.index for step in trace.steps if step.kind == "llm"]
    assume(playing)
    steps = data.draw(st.lists(st.sampled_from(playing), min_size=1, max_size=3, unique=True))
    changes = [change("correct", step, output=f"new {step}") for step in steps]
    first, second = treated(trace, changes), control(trace, changes)
    reached = {s for s in descendants(trace, steps) if trace.steps[s].kind == "llm"}
    assert first.redraw == second.redraw == reached
    assert dict(first.answers) == {step: f"new {step}" for step in steps}
    assert dict(second.answers) == {step: trace.steps[step].output for step in steps}


def test_in_a_few_words() -> None:
    assert change("correct", output="x").describe() == "correct"
    assert Intervention(kind="swap", agent="Ann", model="openai:b").describe() == "swap Ann=openai:b"
