"""A miss explains itself: the nearest stored call, and what is different, however small it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.call import Call, Message, Tool, ToolCall
from butfor.cache.nearest import difference, explain, nearest


def asked(*texts: str, model: str = "openai:a", **fields: Any) -> Call:
    messages = tuple(Message(role="user", content=text) for text in texts)
    return Call(model=model, messages=messages, **fields)


def test_nothing_is_near_in_an_empty_store() -> None:
    assert nearest(asked("a"), []) is None
    assert explain(asked("a"), []) == "nothing is stored at all"


def test_shared_messages_decide_before_the_text() -> None:
    history = ("You are Ann.", "The task is long.", "Bob said so.")
    near, far = asked(*history, "other words"), asked("What comes next?")
    found = nearest(asked(*history, "What comes next?"), [far, near])
    assert found is not None
    assert found.call == near


def test_the_text_of_the_last_message_decides_between_equals() -> None:
    stored = [asked("history", text) for text in ("apples and pears", "the sum is 12", "quite another thing")]
    found = nearest(asked("history", "the sum is 13"), stored)
    assert found is not None
    assert found.call == stored[1]
    assert "-the sum is 12" in found.difference
    assert "+the sum is 13" in found.difference


def test_the_same_agent_is_nearer() -> None:
    stored = [asked("x", agent="Bob"), asked("x", agent="Ann")]
    found = nearest(asked("y", agent="Ann"), stored)
    assert found is not None
    assert found.call.agent == "Ann"


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"model": "openai:b"}, "+model: openai:b"),
        ({"params": {"temperature": 1}}, '+params: {"temperature": 1}'),
        ({"tools": (Tool(name="add"),)}, "add"),
        ({"messages": (Message(role="system", content="x"),)}, "+[system]"),
        ({"messages": (Message(role="user", name="Ann", content="x"),)}, "+[user Ann]"),
        ({"messages": (Message(role="user", content="x\x85"),)}, "x\x85"),
        ({"messages": (Message(role="user", content=({"type": "image", "data": "AA"},)),)}, "image"),
    ],
)
def test_every_difference_is_shown(change: dict[str, Any], shown: str) -> None:
    stored = asked("x")
    assert shown in difference(stored, stored.model_copy(update=change))


def test_a_tool_s_parameters_are_shown() -> None:
    one, other = (asked("x", tools=(Tool(name="add", parameters={"type": t}),)) for t in ("object", "array"))
    assert "array" in difference(one, other)


def test_a_difference_far_inside_a_long_line_is_shown() -> None:
    line = "word " * 2_000
    shown = difference(asked(f"{line}seven {line}"), asked(f"{line}eleven {line}"))
    assert "seven" in shown
    assert "eleven" in shown
    assert len(shown) < 10_000


def test_the_diff_is_at_most_a_screenful() -> None:
    one = asked("\n".join(f"old {n}" for n in range(500)))
    other = asked("\n".join(f"new {n}" for n in range(500)))
    lines = difference(one, other).splitlines()
    assert len(lines) <= 25
    assert lines[-1].endswith("more lines")


def test_the_seed_of_the_cache_is_no_difference() -> None:
    assert difference(asked("x"), asked("x", params={"seed": 1000})) == ""
    assert "seed" in difference(asked("x", params={"seed": 1}), asked("x", params={"seed": 2}))


def test_ids_that_do_not_correspond_are_a_difference() -> None:
    def round_of(answered: str) -> Call:
        calls = tuple(ToolCall(id=i, name="add", arguments="{}") for i in ("x1", "x2"))
        result = Message(role="tool", content="3", tool_call_id=answered)
        return Call(model="m", messages=(Message(role="assistant", tool_calls=calls), result))

    assert difference(round_of("x1"), round_of("x2")) == "only the ids of tool calls"


def test_the_same_call_as_often_as_it_was_asked() -> None:
    said = explain(asked("x", agent="Ann"), [asked("x", agent="Bob")])
    assert said.startswith("the same call of Bob (openai:a) is stored, but not as often")


@given(
    st.lists(st.text("ab \n\x85", max_size=6), max_size=3),
    st.lists(st.text("ab \n\x85", max_size=6), max_size=3),
)
def test_only_the_same_call_has_no_difference(one: list[str], other: list[str]) -> None:
    stored, now = asked(*one), asked(*other)
    assert (difference(stored, now) == "") == (stored.content_key == now.content_key)
