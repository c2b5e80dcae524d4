"""The order in which answers came when they were recorded, kept when they are given again: `Turns`."""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

from butfor.replay.trace import Step

_PATIENCE_SECONDS = 2.0
"""How long an answer waits for one that came before it; what never comes is waited for once."""
_LONGEST_PAUSE_SECONDS = 0.25
"""Threads need time to come to where they wait for each other: as long as it took when recorded, up to this."""


class Turns:
    """Holds an answer back until every one that came before it has arrived in the program.

    None of those can have depended on it, so a program that does as it did asks for all of them.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        timed = sorted((s.ended, s.index, s.started) for s in steps if s.ended is not None and s.started is not None)
        self._order = [index for _, index, _ in timed]
        self._place = {index: place for place, index in enumerate(self._order)}
        self._pauses = {
            index: now - before for (before, _, _), (now, index, started) in pairwise(timed) if started < before
        }
        """Seconds between two answers that were waited for at once."""
        self._arrived: set[int] = set()
        self._next = 0
        self._news = threading.Condition()
        self._free = False

    def wait(self, step: Step, *, thread: bool = False) -> None:
        """Wait until it is this step's turn, and in a `thread` as long after the one before as it was then."""
        place = self._place.get(step.index, 0)
        with self._news:
            while not self._free and self._next < place:
                came = self._next
                if not self._news.wait(_PATIENCE_SECONDS) and self._next == came:
                    self._note(self._order[came])
        if thread and not self._free:
            time.sleep(min(self._pauses.get(step.index, 0.0), _LONGEST_PAUSE_SECONDS))

    def arrived(self, step: Step) -> None:
        """Note that the program has a step's answer."""
        with self._news:
            self._note(step.index)

    def free(self) -> None:
        """Hold nothing back any more: the run is another one from here on."""
        with self._news:
            self._free = True
            self._news.notify_all()

    def _note(self, index: int) -> None:
        self._arrived.add(index)
        while self._next < len(self._order) and self._order[self._next] in self._arrived:
            self._next += 1
        self._news.notify_all()
