"""What a call is recognised by: everything but what differs from run to run by itself."""

import uuid
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.apis.stable import stable_call
from butfor.cache.call import Call, Message


def asked(text: str) -> Call:
    return stable_call(Call(model="m", messages=(Message(role="user", content=text),)))


@given(
    st.uuids(),
    st.uuids(),
    st.datetimes(),
    st.datetimes(),
    st.integers(2**32, 2**47),
    st.integers(2**32, 2**47),
)
def test_volatile_text_is_no_part_of_it(
    one: uuid.UUID, two: uuid.UUID, then: datetime, now: datetime, here: int, there: int
) -> None:
    def text(run: uuid.UUID, time: datetime, place: int) -> str:
        return f"run {run} at {time.isoformat(timespec='seconds')}, {time!r}: <object at 0x{place:012x}>"

    assert asked(text(one, then, here)).content_key == asked(text(two, now, there)).content_key


@pytest.mark.parametrize(("one", "two"), [("42", "43"), ("2026-11-23", "2026-11-24"), ("0x1f", "0x2f"), ("a", "A")])
def test_everything_else_is(one: str, two: str) -> None:
    assert asked(f"It is {one}.").content_key != asked(f"It is {two}.").content_key


def test_the_program_is_shown_its_own_words() -> None:
    call = Call(model="m", messages=(Message(role="user", content=f"run {uuid.uuid4()}"),))
    assert stable_call(call).messages[0].text == "run <uuid>"
    assert "<uuid>" not in call.messages[0].text
