"""The order in which concurrent answers came when they were recorded, kept when they are given again: `Turns`."""

import threading
import time
from collections.abc import Sequence

from butfor.replay.trace import Step

_PATIENCE_SECONDS = 2.0
"""How long an answer waits for one that came before it; what never comes is waited for once."""


class Turns:
    """Holds an answer back until those that overlapped with it and came before it have arrived in the program."""

    def __init__(self, steps: Sequence[Step]) -> None:
        timed = sorted((s.ended, s.index, s.started) for s in steps if s.ended is not None and s.started is not None)
        self._before: dict[int, list[int]] = {}
        for at, (_, index, started) in enumerate(timed):
            found = []
            for ended, other, _ in reversed(timed[:at]):
                if ended <= started:
                    break
                found.append(other)
            if found:
                self._before[index] = found
        self._arrived: set[int] = set()
        self._news = threading.Condition()
        self._free = False

    def wait(self, step: Step) -> None:
        """Wait until it is this step's turn."""
        before = self._before.get(step.index)
        if not before:
            return
        until = time.monotonic() + _PATIENCE_SECONDS
        with self._news:
            while not self._free and (missing := set(before) - self._arrived):
                left = until - time.monotonic()
                if left <= 0:
                    self._arrived |= missing
                    self._news.notify_all()
                    return
                self._news.wait(left)

    def arrived(self, step: Step) -> None:
        """Note that the program has a step's answer."""
        with self._news:
            self._arrived.add(step.index)
            self._news.notify_all()

    def free(self) -> None:
        """Hold nothing back any more: the run is another one from here on."""
        with self._news:
            self._free = True
            self._news.notify_all()
