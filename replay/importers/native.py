"""butfor's own format: a `Trace` as JSON."""

import re

from butfor.replay.trace import Trace, read_trace

_HEAD = re.compile(r'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"task"\s*:')

_PARTS = ("agents", "fidelity", "source", "steps", "task", "version")


def sniff(head: str) -> bool:
    """A native file begins with its version and its task; one whose keys were sorted names all its parts."""
    return _HEAD.match(head) is not None or all(f'"{part}"' in head for part in _PARTS)


def load(text: str, *, name: str) -> Trace:
    """The trace as it was written."""
    return read_trace(text, name=name)
