"""A list of messages beside what the run was about: the task, the expected answer, how it ended.

Programs keep a run's messages under one of a few names, in one object or many, and tell the rest beside them
or in an object below. Whatever stands there is found by its name.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from butfor.replay.trace import Outcome

from .fields import Field
from .parts import plain

LISTS = (
    "messages",
    "history",
    "chat_history",
    "conversation",
    "conversations",
    "conversation_history",
    "message_history",
    "trajectory",
    "traj",
    "trace",
    "transcript",
    "dialogue",
    "dialog",
    "turns",
    "log",
    "logs",
    "chat",
    "contents",
    "steps",
)
"""Where a run's messages stand, the likeliest first."""

_TASKS = (
    "task",
    "question",
    "problem_statement",
    "problem",
    "instruction",
    "task_description",
    "user_query",
    "query",
    "prompt",
    "goal",
    "issue",
)
_EXPECTED = (
    "ground_truth",
    "groundtruth",
    "expected",
    "expected_answer",
    "expected_output",
    "correct_answer",
    "reference_answer",
    "gold_answer",
    "gold",
    "reference",
    "target",
    "answer",
)
_ANSWERS = ("given", "final_answer", "prediction", "model_answer", "submission", "output", "response", "result")
_REWARDS = ("reward", "success", "correct", "is_correct", "is_corrected", "resolved", "passed", "score")
_BELOW = (
    "info",
    "other_data",
    "metadata",
    "meta",
    "task",
    "data",
    "result",
    "results",
    "evaluation",
    "sample",
    "reward_info",
)
_IDS = ("run_id", "trial_id", "instance_id", "task_id", "question_ID", "question_id", "id", "name")
_DEEPEST = 3
_SPOKEN = ("content", "parts", "text", "message", "tool_calls", "value", "action", "thought", "observation", "response")
_SPEAKER = ("role", "name", "speaker", "sender", "source", "agent", "from", "author")
_ID = re.compile(r"[\w.:@-]{1,80}")


class Wrapped(NamedTuple):
    """A run's messages, and what stands beside them."""

    messages: list[Field]
    key: str
    """The name under which the messages stand."""
    task: str | None = None
    expected: str | None = None
    outcome: Outcome | None = None
    id: str | None = None


def unwrap(record: Field) -> Wrapped | None:
    """A run's messages and what stands beside them; `None` where there is no list of messages in the record."""
    if not record.is_object:
        return None
    found = next(_lists(record), None)
    if found is None:
        return None
    key, listed = found
    return Wrapped(
        messages=listed,
        key=key,
        task=_text(record, _TASKS),
        expected=_text(record, _EXPECTED),
        outcome=_outcome(record),
        id=_id(record),
    )


def unfolded(record: Field) -> list[Field]:
    """The runs that one object holds, under their names or in a list among its fields; the record itself otherwise."""
    if not record.is_object:
        return [record]
    fields = record.fields()
    if len(fields) > 1 and all(below.is_object and unwrap(below) is not None for below in fields.values()):
        named = ({"id": key, **_values(below)} for key, below in fields.items())
        return [Field(values, record.name, record.path) for values in named]
    if unwrap(record) is not None:
        return [record]
    for below in fields.values():
        if below.is_list and (items := below.items()) and all(unwrap(item) is not None for item in items):
            return items
    return [record]


def _values(record: Field) -> dict[str, object]:
    return {key: field.value for key, field in record.fields().items()}


def is_spoken(item: Field) -> bool:
    """Whether an item of a list is something that somebody said or did."""
    if not item.is_object:
        return False
    says = any(key in _SPOKEN for key in item.fields())
    who = any(item.get(key) is not None for key in _SPEAKER)
    return says and (who or item.get("action") is not None)


def _lists(record: Field, depth: int = 0) -> Iterator[tuple[str, list[Field]]]:
    for key in LISTS:
        listed = record.get(key)
        if listed is None:
            continue
        listed = listed.parsed()
        if listed.is_object:  # messages by their number, or one chat for each partner
            listed = _numbered(listed)
        if listed.is_list and (items := listed.items()) and all(is_spoken(item) for item in items):
            yield key, items
    if depth < _DEEPEST:
        for below in record.fields().values():
            if below.is_object:
                yield from _lists(below, depth + 1)


def _numbered(listed: Field) -> Field:
    """Messages that stand under their numbers, as a list; anything else as it is."""
    values = listed.fields()
    if not values or not all(key.isdecimal() for key in values):
        return listed
    flat: list[object] = []
    for key in sorted(values, key=int):
        value = values[key].value
        flat.extend(value if isinstance(value, list) else [value])
    return Field(flat, listed.name, listed.path)


def _places(record: Field, depth: int = 0) -> Iterator[Field]:
    """The record, and the objects below it that tell of the run as a whole."""
    yield record
    for key in _BELOW if depth < _DEEPEST else ():
        below = record.get(key)
        if below is not None and below.is_object:
            yield from _places(below, depth + 1)


def _text(record: Field, keys: tuple[str, ...]) -> str | None:
    for key in keys:
        for place in _places(record):
            found = place.get(key)
            if found is not None and (text := _told(found, keys)) is not None:
                return text
    return None


def _told(found: Field, keys: tuple[str, ...]) -> str | None:
    if found.is_object:
        inner = (found.get(key) for key in (*keys, "description", "content", "text"))
        return next((plain(field) for field in inner if field is not None and not field.is_object), None)
    text = plain(found).strip()
    return text or None


def _outcome(record: Field) -> Outcome | None:
    for key in _REWARDS:
        for place in _places(record):
            found = place.get(key)
            success = _success(found) if found is not None else None
            if success is not None:
                return Outcome(success=success, answer=_text(record, _ANSWERS))
    return None


def _success(found: Field) -> bool | None:
    """Whether a reward is one of a run that succeeded; `None` where it is no reward."""
    if isinstance(found.value, bool):
        return found.value
    if isinstance(found.value, int | float):
        return found.value >= 1
    return None


def _id(record: Field) -> str | None:
    found = next((f for key in _IDS if (f := record.get(key)) is not None), None)
    if found is None or not (found.is_text or isinstance(found.value, int)):
        return None
    named = found.label()
    return named if _ID.fullmatch(named) else None
