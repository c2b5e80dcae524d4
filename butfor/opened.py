"""What a command works on: a run, what a packed case brings along, and the session they make."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from butfor.cache.errors import ButforError

if TYPE_CHECKING:
    from rich.console import Console

    from butfor.cache.disk import DiskStore
    from butfor.cache.store import MemoryStore
    from butfor.counterfactual.audit import Audit
    from butfor.counterfactual.case import Case
    from butfor.counterfactual.settings import Settings
    from butfor.replay.trace import Trace


class Opened(NamedTuple):
    """A run, from a log or from a case."""

    trace: "Trace"
    settings: "Settings | None" = None
    """Of the packed audit."""
    case: "Case | None" = None

    def store(self, cache: Path | None) -> "DiskStore | MemoryStore":
        """Where its answers are: in the case, else in the folder named, else in the usual one."""
        return self.case.store if self.case else open_store(cache)

    def session(
        self,
        settings: "Settings",
        *,
        cache: Path | None,
        offline: bool = False,
        command: list[str] | None = None,
    ) -> "Audit":
        """A session on it; offline for a case, and with the program where a command is given."""
        from butfor.counterfactual.audit import Audit

        from . import programs

        offline = offline or self.case is not None
        program = programs.program(command or (), settings, offline=offline)
        return Audit(settings, self.store(cache), offline=offline, program=program)

    def last_settings(self, cache: Path | None) -> "Settings | None":
        """Those of its last audit; of the packed one for a case."""
        from butfor.counterfactual.settings import Settings

        if self.case:
            return self.settings
        text = open_store(cache).noted(f"audit/{self.trace.digest}")
        return Settings.model_validate_json(text) if text else None

    def remember(self, settings: "Settings", *, cache: Path | None) -> None:
        """Keep the settings of an audit beside its answers, for `pack`."""
        if self.case is None:
            open_store(cache).note(f"audit/{self.trace.digest}", settings.model_dump_json())


def opened(log: Path) -> Opened:
    """The run in a log, a native file or a packed case.

    Raises:
        TraceError: the file cannot be read as one of them.
    """
    from butfor.counterfactual.case import is_case, unpack

    if is_case(log):
        case = unpack(log)
        return Opened(case.trace, case.settings, case)
    from butfor.replay.importers import import_log

    return Opened(import_log(log))


def open_store(cache: Path | None) -> "DiskStore":
    """The store in the folder named, or in the usual one."""
    from butfor.cache.disk import DiskStore
    from butfor.counterfactual.audit import default_cache

    return DiskStore(cache or default_cache())


@contextmanager
def progress_of(session: "Audit") -> Iterator[None]:
    """Its running cost, shown on a terminal; Ctrl-C ends with a word on what is kept, and exit status 130."""
    from butfor.render.progress import progress

    try:
        with progress(session.cost):
            yield
    except KeyboardInterrupt:
        made = session.cost().live_calls
        print(
            f"\nbutfor: stopped after {made} live calls; every answer is stored; the same command goes on from there",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


def out() -> "Console":
    """Standard output."""
    from butfor.render.report import console

    return console()


def write(path: Path, content: str | bytes, *, read: Path | None = None) -> None:
    """Write a file, whole or not at all; never over the log that was read.

    Raises:
        ButforError: it cannot be written.
    """
    from butfor.replay.trace import write_atomically

    if read and path.exists() and read.exists() and path.samefile(read):
        raise ButforError(f"{path} is the recording itself, which is never overwritten; choose another name")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ButforError(f"{path} cannot be written: {error.strerror or error}") from None


def print_json(value: object) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
