"""Patterns of what differs from run to run by itself, learned by running a program again: `learn`."""

import difflib
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from butfor.cache.call import Call, Completion
from butfor.cache.errors import Divergence
from butfor.cache.nearest import nearest
from butfor.replay.replayed import Recorded, Recording
from butfor.replay.trace import Trace

from .check import ignoring
from .program import Program
from .same import recognised

_TOKEN = re.compile(r"[A-Za-z]+|\d+|[^A-Za-z\d]")
_KINDS = (r"\d+", r"[0-9a-f]+", r"[0-9A-Fa-f-]+", r"\w+", r"[\w.:+-]+")
"""What may stand in a place that changes, from the narrowest on; free text is nothing that changes by itself."""
_CONTEXT = 3
"""Tokens before the place that are part of a pattern."""


def learn(
    trace: Trace,
    command: Sequence[str],
    *,
    directory: Path | None = None,
    timeout: float = 600.0,
    proxy: bool = False,
    reach: Sequence[str] = (),
) -> tuple[str, ...]:
    """Patterns for `ignore` with which the program's calls are recognised; none where they are without.

    The program runs twice, offline: what it asks differently each time is what changes by itself. `timeout` is in
    seconds.

    Raises:
        Divergence: something differs that no such pattern covers, so that the program itself is another one.
        ProgramFailed: it could not be started, ran too long, or asked nothing.
    """
    program = Program(command, directory=directory, timeout=timeout, proxy=proxy, reach=reach, offline=True)
    found: list[str] = []
    for _ in range(2):
        learning = _Learning(program.recording(trace), tuple(found))
        program.run(trace, learning)
        found += [pattern for pattern in learning.patterns if pattern not in found]
    program.check(ignoring(trace, found))
    return tuple(found)


class _Learning:
    """Answers each call with the recorded answer of the one that is most like it, and notes how they differ."""

    def __init__(self, recording: Recording, known: tuple[str, ...]) -> None:
        self.patterns: list[str] = []
        self._known = known
        self._left = list(recording.recorded)
        self._lock = threading.Lock()

    def complete(self, call: Call) -> Completion:
        """The answer of the recorded call that this one stands for.

        Raises:
            Divergence: none is like it but for what may change by itself.
        """
        with self._lock:
            entry = self._matching(call)
            self._left.remove(entry)
        return entry.completion

    def _matching(self, call: Call) -> Recorded:
        same = next((e for e in self._left if self._key(e.call) == self._key(call)), None)
        if same is not None:
            return same
        likely = nearest(call, (entry.call for entry in self._left))
        new = tuple(_patterns(likely.call, call)) if likely else ()
        known = (*self._known, *self.patterns, *new)
        if likely is None or recognised(likely.call, known).content_key != recognised(call, known).content_key:
            raise Divergence(
                f"{call.agent or call.model} asks something else than was recorded, and not only in what changes by "
                f"itself\n{likely.difference if likely else 'nothing like it was recorded'}"
            )
        self.patterns += new
        return next(entry for entry in self._left if entry.call is likely.call)

    def _key(self, call: Call) -> bytes:
        return recognised(call, (*self._known, *self.patterns)).content_key


def _patterns(recorded: Call, asked: Call) -> Iterator[str]:
    """A pattern for each place in which two calls differ."""
    for before, after in zip(_texts(recorded), _texts(asked), strict=False):
        if before != after:
            yield from _places(_TOKEN.findall(before), _TOKEN.findall(after))


def _texts(call: Call) -> list[str]:
    return [text for m in call.messages for text in (m.text, *(c.arguments for c in m.tool_calls))]


def _places(before: list[str], after: list[str]) -> Iterator[str]:
    spans: list[list[int]] = []
    for kind, i, j, k, n in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if spans and not any(token.isspace() for token in before[spans[-1][1] : i]):
            spans[-1][1], spans[-1][3] = j, n  # one word that differs in several places
        else:
            spans.append([i, j, k, n])
    for i, j, k, n in spans:
        i, j, k, n = _word(before, after, i, j, k, n)
        place = next((p for p in _KINDS if all(re.fullmatch(p, "".join(t)) for t in (before[i:j], after[k:n]))), None)
        if place is not None:
            context = re.escape("".join(before[max(0, i - _CONTEXT) : i]))
            yield f"{context}{place}"


def _word(before: list[str], after: list[str], i: int, j: int, k: int, n: int) -> tuple[int, int, int, int]:
    """The span grown to the whole word, whose other letters and digits are as much chance as these."""
    while i > 0 and k > 0 and before[i - 1].isalnum() and before[i - 1] == after[k - 1]:
        i, k = i - 1, k - 1
    while j < len(before) and n < len(after) and before[j].isalnum() and before[j] == after[n]:
        j, n = j + 1, n + 1
    return i, j, k, n
