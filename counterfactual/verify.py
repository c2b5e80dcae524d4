"""A packed verdict derived again from what it was packed with: what `butfor verify` does."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from butfor.cache.errors import LogFormatError
from butfor.opened import Opened
from butfor.options import chosen


class Verified(NamedTuple):
    """Whether a packed verdict still holds."""

    verdict: str
    numbers: int
    """How many values were compared."""
    differences: tuple[str, ...]
    """What came out otherwise, a sentence each."""

    def sentence(self, name: str) -> str:
        """The same in words."""
        if not self.differences:
            return f"{name}: holds: {self.verdict} ({self.numbers} values derived again, offline, all equal)"
        return "\n".join((f"{name}: does NOT hold; {len(self.differences)} values differ:", *self.differences[:20]))


def verified(run: Opened, command: list[str] | None) -> Verified:
    """Audit a case again from its own answers and compare every value of the two verdicts.

    Raises:
        LogFormatError: the file is no case, or holds no verdict.
    """
    if run.case is None or run.case.found is None or run.settings is None:
        raise LogFormatError("only a packed verdict can be verified; make one with butfor blame --certificate FILE")
    again = run.session(chosen(run.settings), cache=None, command=command).audit(run.trace)
    packed, derived = (dict(_values(found.model_dump(mode="json"), "")) for found in (run.case.found, again))
    keys = sorted(packed.keys() | derived.keys())
    differences = tuple(
        f"  {key}: packed {json.dumps(packed.get(key))}, derived {json.dumps(derived.get(key))}"
        for key in keys
        if packed.get(key) != derived.get(key)
    )
    return Verified(run.case.found.sentence, len(keys), differences)


def _values(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Every scalar of a document, by its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for index, item in enumerate(value):
            yield from _values(item, f"{path}[{index}]")
    else:
        yield path, value
