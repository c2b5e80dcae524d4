"""A call that differs from the recorded one is told why: the clock, an id, chance, order, or changed code."""

import pytest

from butfor.cache.call import Call, Message
from butfor.cache.nearest import likely_cause


@pytest.mark.parametrize(
    ("stored", "asked", "cause"),
    [
        ("today is 2026-11-22", "today is 2026-11-23", "the clock"),
        ("at 2026-11-22T10:02:57.896Z go", "at 2026-11-22T10:03:01.120Z go", "the clock"),
        ("run 3b241101-e2bb-4255-8caf-4136c566a962", "run 9f1c0de2-0a4b-4f3d-897b-3f6687a7d9f2", "a random id"),
        ("<object at 0x7f8a10>", "<object at 0x7f9b22>", "a random id"),
        ("pick 17", "pick 4", "a number"),
        ("tags: red, green, blue", "tags: blue, red, green", "the same words in another order"),
        ("You are kind.", "You are very kind.", "the code that builds the prompt"),
        ("the same", "the same", "more often than it was recorded"),
    ],
)
def test_the_likely_cause_is_named(stored: str, asked: str, cause: str) -> None:
    assert cause in likely_cause(_call(stored), _call(asked))


def _call(text: str) -> Call:
    return Call(model="m", messages=(Message(role="user", content=text),))
