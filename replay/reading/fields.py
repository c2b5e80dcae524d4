"""Reading a log field by field: whatever is not as expected is an error that says where it stands."""

import json
import math
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from butfor.cache.errors import LogFormatError

_LARGEST_INTEGER = 2**53
_LATEST = 10**11
"""A time of so many seconds (in the year 5138) counts smaller units."""

_DEEPEST = 100
_SURROGATE = re.compile("[\ud800-\udfff]")
_JSON_TEXT = re.compile(r'\s*(?:\{\s*["}]|\[\s*[\[{"\]])')
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Field:
    """A value in a log, and where it stands."""

    __slots__ = ("name", "path", "value")

    def __init__(self, value: object, name: str, path: str = "") -> None:
        self.value = value
        self.name = name
        """The file, and the line in it where records stand on lines."""
        self.path = path
        """The way to the value: `history[7].content`."""

    @property
    def where(self) -> str:
        """The file and the way to the value, as an error message names them."""
        return f"{self.name}: {self.path}" if self.path else self.name

    def wrong(self, expected: str) -> LogFormatError:
        """The error that this value is not what was expected."""
        found = _described(self.value)
        return LogFormatError(f"{self.where} is {found} (expected {expected}); repair the log")

    def get(self, key: str) -> "Field | None":
        """The object's value under a key; `None` where there is none, or `null`.

        Raises:
            LogFormatError: this is no object.
        """
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        found = self.value.get(key)
        return None if found is None else self._below(found, f".{key}")

    def need(self, key: str, expected: str = "a value") -> "Field":
        """The object's value under a key.

        Raises:
            LogFormatError: this is no object, or has no such key.
        """
        found = self.get(key)
        if found is None:
            below = self._below(None, f".{key}")
            raise LogFormatError(f"{below.where} is missing (expected {expected}); repair the log")
        return found

    def dig(self, *keys: str) -> "Field | None":
        """The value that a path of keys leads to; `None` where it ends, or leads through no object."""
        found: Field | None = self
        for key in keys:
            found = found.get(key) if found is not None and found.is_object else None
        return found

    @property
    def is_object(self) -> bool:
        """Whether the value is an object."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self.value, list)

    @property
    def is_text(self) -> bool:
        """Whether the value is text."""
        return isinstance(self.value, str)

    def items(self) -> "list[Field]":
        """The list's items.

        Raises:
            LogFormatError: this is no list.
        """
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [self._below(item, f"[{index}]") for index, item in enumerate(self.value)]

    def fields(self) -> "dict[str, Field]":
        """The object's values by their keys; `null` is left out.

        Raises:
            LogFormatError: this is no object.
        """
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return {key: self._below(value, f".{key}") for key, value in self.value.items() if value is not None}

    def listed(self, key: str) -> "list[Field]":
        """The items of the list under a key; none where there is none."""
        found = self.get(key)
        return [] if found is None else found.items()

    def text(self, key: str | None = None) -> str:
        """The value as text, or the value under a key.

        Raises:
            LogFormatError: it is missing, or no text.
        """
        if key is not None:
            return self.need(key, "text").text()
        if not isinstance(self.value, str):
            raise self.wrong("text")
        return self.value

    def label(self) -> str:
        """The value as a name or an id: text, or a number as it is written.

        Raises:
            LogFormatError: it is neither.
        """
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            return str(self.value)
        return self.text()

    def maybe_text(self, key: str) -> str | None:
        """The text under a key; `None` where there is none, or `null`."""
        found = self.get(key)
        return None if found is None else found.text()

    def number(self) -> float:
        """The value as a finite number.

        Raises:
            LogFormatError: it is none, or too large to be one of a log.
        """
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            raise self.wrong("a number")
        if abs(self.value) >= _LARGEST_INTEGER:
            raise self.wrong(f"a number below {_LARGEST_INTEGER}")
        return float(self.value)

    def integer(self) -> int:
        """The value as a whole number; 5.0 is one.

        Raises:
            LogFormatError: it is none, or too large to be one of a log.
        """
        number = self.number()
        if not number.is_integer():
            raise self.wrong("a whole number")
        return int(number)

    def maybe_integer(self, key: str) -> int | None:
        """The whole number under a key; `None` where there is none, or `null`."""
        found = self.get(key)
        return None if found is None else found.integer()

    def time(self, key: str) -> float | None:
        """The time under a key in seconds since the epoch, from ISO 8601 text or a number.

        A number counts seconds, milliseconds, microseconds or nanoseconds, told by its size, which fits years up to
        5138. `None` where there is none; a time without a zone is in UTC.

        Raises:
            LogFormatError: there is something else.
        """
        found = self.get(key)
        if found is None:
            return None
        if not found.is_text:
            return _seconds(found)
        try:
            moment = datetime.fromisoformat(found.text())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise found.wrong("a time as in 2026-01-31T12:00:00Z") from None

    def json(self) -> JsonValue:
        """The value as it is.

        Raises:
            LogFormatError: it is nested too deeply to be a log's.
        """
        waiting: list[tuple[Any, int]] = [(self.value, 0)]
        while waiting:
            value, depth = waiting.pop()
            if depth > _DEEPEST:
                raise LogFormatError(f"{self.where} is nested more than {_DEEPEST} deep; is it a log?")
            below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            waiting.extend((item, depth + 1) for item in below)
        found: JsonValue = self.value  # type: ignore[assignment]
        return found

    def parsed(self) -> "Field":
        """What the text holds, where it is an object or a list in JSON; the value as it is otherwise."""
        if not isinstance(self.value, str) or not _JSON_TEXT.match(self.value):
            return self
        try:
            return Field(parse_json(self.value, name=self.where), self.name, self.path)
        except LogFormatError:  # text of a model, which only begins like JSON
            return self

    def _below(self, value: object, step: str) -> "Field":
        return Field(value, self.name, f"{self.path}{step}".lstrip("."))


def _seconds(field: Field) -> float:
    """A time since the epoch in seconds, from a number that counts them or thousandth parts of them."""
    value = field.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        for unit in (1, 10**3, 10**6, 10**9):
            if abs(value) < _LATEST * unit:
                return float(value / unit)
    raise field.wrong("a time in seconds, or in nanoseconds since the epoch")


def parse_json(text: str, *, name: str) -> object:
    """A log's JSON.

    Raises:
        LogFormatError: it is not JSON, or a key stands in it twice; the message names line and column.
    """
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(error, name) from None
    _check_text(text, value, name)
    return value


def parse_records(text: str, *, name: str) -> list[Field]:
    """The records of a log: the items of a JSON list, or JSON values one after another, on lines or not.

    Raises:
        LogFormatError: something in it is not JSON; the message names line and column.
    """
    records = [Field(value, f"{name}: line {line}") for value, line in _documents(text, name)]
    if len(records) == 1 and records[0].is_list:
        return Field(records[0].value, name).items()
    return records


def _documents(text: str, name: str) -> Iterator[tuple[object, int]]:
    at, line, counted = 0, 1, 0
    while True:
        at = _after_space(text, at)
        if at == len(text):
            return
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _not_json(error, name) from None
        _check_text(text[at:end], value, f"{name}: line {line}")
        yield value, line
        at = end


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


_SPACE = re.compile(r"[ \t\r\n]*")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {_shortened(twice)} stands twice in one object; keep one")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large to be a number")
    return number


def _nothing(constant: str) -> None:
    """`NaN` and `Infinity` are no JSON, but what pandas and the like write where they have no value."""
    del constant


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_nothing)


def _not_json(error: Exception, name: str) -> LogFormatError:
    if isinstance(error, RecursionError):
        return LogFormatError(f"{name}: nested too deeply to be a log (limit {sys.getrecursionlimit()})")
    if isinstance(error, json.JSONDecodeError):
        where = f"line {error.lineno}, column {error.colno}"
        return LogFormatError(f"{name}: {where}: {error.msg}; is the file complete?")
    problem = str(error).partition("; use sys.")[0]  # Python's own hint on long numbers is no help here
    return LogFormatError(f"{name}: {problem}")


def _check_text(source: str, value: object, name: str) -> None:
    """Half a character (a lone surrogate) can be written in JSON, and can be stored nowhere."""
    if not _ESCAPED_SURROGATE.search(source):
        return
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting.extend(found)
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, str) and (half := _SURROGATE.search(found)):
            written = f"\\u{ord(half[0]):x}"
            raise LogFormatError(f"{name}: a text holds half a character ({written}); write \\ufffd instead")


def _described(value: object) -> str:
    if isinstance(value, str):
        return f"the text {_shortened(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}" if abs(value) < _LARGEST_INTEGER else "a huge number"
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), type(value).__name__)


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
