"""Logs that were written with Python's `str`, as the JSON that they stand for."""

import ast
import json
import re

from butfor.cache.errors import LogFormatError

_BEGINS = re.compile(r"\s*(?:[\[{(]\s*){1,4}'")
_LARGEST = 16 * 2**20
"""So many characters are read as Python at most: its parser takes some hundred bytes for each."""


def as_json(text: str, *, name: str) -> str:
    """The text, or the JSON of the values in it where they are spelled as Python spells them.

    Values may stand on lines of their own. Nothing is run: only constants, lists, tuples and dictionaries are read.

    Raises:
        LogFormatError: it begins like Python's spelling, and is none.
    """
    if not _BEGINS.match(text):
        return text
    if len(text) > _LARGEST:
        raise LogFormatError(f"{name}: Python's spelling of values, and too long for it; write it with json.dump")
    try:
        return _written(text.strip())
    except ValueError as whole:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        try:
            if len(lines) < 2:
                raise whole
            return "\n".join(_written(line) for line in lines)
        except ValueError as error:
            raise LogFormatError(
                f"{name}: begins like Python's spelling of values ('…' where JSON has \"…\"), and is none: {error}; "
                "write it with json.dump"
            ) from None


def _written(text: str) -> str:
    try:
        value = ast.literal_eval(text)
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}, column {error.offset}: {error.msg}") from None
    except (TypeError, MemoryError, RecursionError) as error:
        raise ValueError(str(error) or "nested too deeply") from None
