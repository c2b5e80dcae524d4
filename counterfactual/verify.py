"""A packed verdict derived again from what it was packed with: what `verify` does."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from butfor.cache.errors import LogFormatError
from butfor.replay.program.program import Program

from .audit import Audit, Parts
from .case import Case
from .settings import Settings


class Verified(NamedTuple):
    """Whether a packed verdict still holds."""

    verdict: str
    numbers: int
    """How many values were compared."""
    differences: tuple[str, ...]
    """What came out otherwise, a sentence each."""

    @property
    def holds(self) -> bool:
        """Whether every value came out as it was packed."""
        return not self.differences

    def sentence(self, name: str) -> str:
        """The same in words."""
        if self.holds:
            return f"{name}: holds: {self.verdict} ({self.numbers} values derived again, offline, all equal)"
        return "\n".join((f"{name}: does NOT hold; {len(self.differences)} values differ:", *self.differences[:20]))


def verified(
    case: Case | None,
    settings: Settings | None,
    program: Sequence[str] | Program = (),
    parts: Parts | None = None,
) -> Verified:
    """Audit a case again from its own answers and compare every value of the two verdicts but the price.

    `settings` are those of the case, with whatever a person named again.

    Raises:
        LogFormatError: it is no case, or holds no verdict.
    """
    if case is None or case.found is None or settings is None:
        raise LogFormatError("only a packed verdict can be verified; make one with butfor blame --certificate FILE")
    again = Audit(settings, case.store, offline=True, program=program, parts=parts).audit(case.trace)
    # what was paid depends on what was stored already; everything else is a function of the answers
    packed, derived = (
        dict(_values(found.model_dump(mode="json", exclude={"cost"}), "")) for found in (case.found, again)
    )
    keys = sorted(packed.keys() | derived.keys())
    differences = tuple(
        f"  {key}: packed {json.dumps(packed.get(key))}, derived {json.dumps(derived.get(key))}"
        for key in keys
        if packed.get(key) != derived.get(key)
    )
    return Verified(case.found.sentence, len(keys), differences)


def _values(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Every scalar of a document, by its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        yield f"{path}.length", len(value)
        for index, item in enumerate(value):
            yield from _values(item, f"{path}[{index}]")
    elif path.endswith(".origin") and value == "live":
        yield path, "cached"  # the same answer, stored by now
    else:
        yield path, value
