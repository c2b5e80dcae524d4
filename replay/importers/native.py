"""butfor's own format: a `Trace` as JSON."""

import re

from ..trace import Trace, read_trace

_HEAD = re.compile(r'\s*\{\s*"version"\s*:\s*\d+')


def sniff(head: str) -> bool:
    """A native file begins with its version."""
    return _HEAD.match(head) is not None


def load(text: str, *, name: str) -> Trace:
    """The trace as it was written."""
    return read_trace(text, name=name)
