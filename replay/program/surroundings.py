"""The world of a program, noted while it is recorded (`Watch`) and held still when it runs again (`held`, `given`)."""

import os
import secrets
import stat
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType

from butfor.replay.inside.held import FAKETIME, SEED, SHIFT
from butfor.replay.world import World

from .snapshot import Snapshot
from .typed import Typed

_FAKETIMES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")
FAR_SECONDS = 3600.0
"""From where on the clock of programs that are not Python is turned back as well."""


class Watch:
    """Notes what a program finds around it, while it is entered."""

    def __init__(self, directory: Path, *, apart: Path) -> None:
        self._snapshot = Snapshot(directory, apart=frozenset({apart}))
        self._started = time.time()
        self._seed = secrets.token_hex(16)
        self._typed = Typed(terminal=os.isatty(0)) if _has_input() else None
        self._stack = ExitStack()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the program needs for it."""
        return {SEED: self._seed}

    @property
    def stdin(self) -> int | None:
        """What the program reads its input from; `None` for what it would have."""
        return self._typed.file if self._typed else None

    def world(self) -> World:
        """What was found by now."""
        changed = self._snapshot.changed()
        return World(
            started=round(self._started, 3),
            seed=self._seed,
            stdin=self._typed.kept.decode(errors="backslashreplace") if self._typed else None,
            terminal=bool(self._typed and self._typed.terminal),
            files=changed.files,
            binary=changed.binary,
            unkept=changed.unkept,
        )

    def __enter__(self) -> "Watch":
        if self._typed:
            self._stack.enter_context(self._typed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def held(world: World, *, offline: bool) -> dict[str, str]:
    """The variables that hold a world: what the program read, its seed, and the clock.

    Where live calls are made, only Python's clock is turned back: certificates have to be valid.
    """
    found = {name: value for name, value in world.environment.items() if value is not None}
    if world.seed:
        found[SEED] = world.seed
    if world.started:
        shift = world.started - time.time()
        found[SHIFT] = f"{shift:.3f}"
        library = faketime()
        if offline and library and abs(shift) > FAR_SECONDS:
            found[FAKETIME] = library
    return found


def given(world: World) -> Typed:
    """The recorded input, to be read again."""
    return Typed((world.stdin or "").encode(), terminal=world.terminal)


@cache
def faketime() -> str | None:
    """The library that turns the clock of programs that are not Python back; `None` where it is not installed."""
    root = Path("/")
    found = (path for pattern in _FAKETIMES for path in root.glob(pattern.lstrip("/")))
    return next((str(path) for path in sorted(found)), None)


def _has_input() -> bool:
    """Whether there is a standard input that can be read without taking it from somebody else."""
    try:
        terminal, special = os.isatty(0), stat.S_ISCHR(os.fstat(0).st_mode)
    except OSError:
        return False
    if not terminal:
        return not special  # the null device, or the like
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return True  # not the terminal that controls this process, and so nobody else's
