"""A call as a row: each message once, and the call the same when it is put together again."""

import json
from typing import Any

import pytest

from butfor.cache.call import Call, Message, Tool, ToolCall
from butfor.cache.rows import from_row, to_row

TOOL_CALL = ToolCall(id="call_1", name="add", arguments='{"a": 1}')
CALLS = [
    Call(model="m", messages=()),
    Call(model="m", messages=(Message(role="user", content="end  \x85"),), agent="Ann", step=0),
    Call(
        model="m",
        messages=(
            Message(role="system", content="Be brief."),
            Message(role="assistant", tool_calls=(TOOL_CALL,)),
            Message(role="tool", content="3", tool_call_id="call_1"),
            Message(role="user", content=({"type": "image_url", "image_url": {"url": "data:", "detail": None}},)),
            Message(role="system", content="Be brief."),
        ),
        tools=(Tool(name="add", parameters={"type": "object"}),),
        params={"temperature": 0.5, "stop": ["\n"]},
    ),
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_there_and_back(call: Call) -> None:
    row, messages = to_row(call)
    again = from_row(json.loads(json.dumps(row)), messages)
    assert again == call
    assert again.key() == call.key()


def test_a_message_that_stands_twice_is_kept_once() -> None:
    row, messages = to_row(CALLS[2])
    assert len(messages) == 4
    assert isinstance(row["messages"], list)
    assert len(row["messages"]) == 5


def test_messages_of_other_ids_are_other_messages() -> None:
    one, other = (Message(role="tool", content="3", tool_call_id=i) for i in ("call_1", "call_2"))
    _, messages = to_row(Call(model="m", messages=(one, other)))
    assert list(messages.values()) == [one, other]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"model": "m"},
        {"model": "m", "messages": "none"},
        {"model": "m", "messages": ["not there"]},
        {"messages": []},
        {"model": "m", "messages": [], "colour": "red"},
    ],
)
def test_a_row_that_is_no_call_is_an_error(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"message|model|colour"):
        from_row(row, {})
