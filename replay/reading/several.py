"""Files that hold several runs, and the one that is meant."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from butfor.cache.errors import LogFormatError
from butfor.replay.trace import Trace

_SHOWN = 8

Run = Callable[[], Trace]
"""Makes the trace of one run.

Raises:
    LogFormatError: the run's part of the log breaks the format.
"""


@runtime_checkable
class ManyRuns(Protocol):
    """An importer whose files may hold several runs."""

    def runs(self, text: str, *, name: str) -> Mapping[str, Run]:
        """The runs in a log's text by their ids, in order.

        Raises:
            LogFormatError: the log breaks the format, or holds no run.
        """
        ...


def pick(runs: Mapping[str, Run], *, name: str, run: str | None = None) -> Trace:
    """The run of this id (or of the only one that begins like it); without an id, the only run there is.

    Raises:
        LogFormatError: no run has the id, or there are several to choose from.
    """
    if not runs:
        raise LogFormatError(f"{name}: holds no run; is the log complete?")
    if run is not None and run in runs:
        return runs[run]()
    alike = [known for known in runs if run is None or known.startswith(run)]
    if len(alike) == 1:
        return runs[alike[0]]()
    shown = ", ".join(list(runs)[:_SHOWN]) + (", …" if len(runs) > _SHOWN else "")
    if run is None:
        first = next(iter(runs))
        raise LogFormatError(f"{name}: holds {len(runs)} runs ({shown}); name one of them as {name}#{first}")
    raise LogFormatError(f"{name}: holds no one run {run!r}; there are {len(runs)}: {shown}")


def name_of(name: str, run: str, runs: int) -> str:
    """What a trace calls its source: the file, and the run in it where there are several."""
    return f"{name}#{run}" if runs > 1 else name
