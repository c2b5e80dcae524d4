"""Who hears whom: memory, addressees, thoughts, tools and the framework."""

import pytest
from hypothesis import given
from traces import addressed, conversations

from butfor.replay.hearing import heard
from butfor.replay.trace import Kind, Read, Trace

TALK = addressed(
    ("User", "question", None),
    ("Ann", "plan", ()),
    ("Ann", "run this", None),
    ("Tool", "ran", None),
    ("Ann", "only Bob", ("Bob",)),
    ("Runtime", "Next speaker Cat", None),
    ("Cat", "to two", ("Ann", "Tool")),
)


@pytest.mark.parametrize(
    ("agent", "kind", "continues", "reads"),
    [
        ("Ann", "llm", 4, (Read(6, "addressee"),)),
        ("Bob", "llm", None, (*(Read(n, "broadcast") for n in (0, 2, 3)), Read(4, "addressee"))),
        ("Cat", "llm", 6, ()),
        ("Dan", "llm", None, tuple(Read(n, "broadcast") for n in (0, 2, 3))),
        ("Tool", "tool", None, (Read(6, "addressee"),)),
        ("Other tool", "tool", None, (Read(3, "broadcast"),)),
        ("User", "human", None, ()),
        ("Ann", "control", None, (Read(4, "order"),)),
        ("Dan", "control", None, ()),
    ],
)
def test_what_the_next_step_hears(agent: str, kind: Kind, continues: int | None, reads: tuple[Read, ...]) -> None:
    assert heard(TALK.steps, agent, kind) == (continues, reads)


def test_nobody_hears_anything_before_the_first_word() -> None:
    assert heard([], "Ann", "llm") == (None, ())
    assert heard([], "Tool", "tool") == (None, ())


@given(conversations())
def test_everybody_hears_exactly_what_is_meant_for_them(trace: Trace) -> None:
    for step in trace.steps:
        if step.kind != "llm":
            continue
        meant = tuple(
            other.index
            for other in trace.steps[: step.index]
            if other.kind != "control"
            and (other.agent == step.agent or other.audience is None or step.agent in other.audience)
        )
        own = [other.index for other in trace.steps[: step.index] if other.agent == step.agent]
        assert trace.context(step.index) == meant
        assert step.continues == (own[-1] if own else None)


@given(conversations())
def test_the_framework_and_people_are_beyond_a_change_s_reach(trace: Trace) -> None:
    for step in trace.steps:
        read = [trace.steps[other] for other in trace.context(step.index)]
        assert all(other.kind != "control" for other in read)
        if step.kind == "human":
            assert not read
        if step.kind == "tool":
            assert len(read) <= 1
