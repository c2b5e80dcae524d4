"""Whether a program, run again with nothing changed, is the run that was recorded: `check`, which gives a `Checked`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from butfor.cache.apis.stable import stable_text
from butfor.cache.call import Frozen
from butfor.replay.trace import Trace

from .program import Program


class Checked(Frozen):
    """What a replay with no edits came to."""

    again: Trace
    """The recorded run where it came about again, else the run that did."""
    calls: int
    """Recorded calls, each of which was answered from the recording."""
    differences: tuple[str, ...] = ()
    """What differs from the recorded run, a sentence each."""

    @property
    def same(self) -> bool:
        """Whether it was the same run."""
        return not self.differences


def check(
    trace: Trace,
    command: Sequence[str],
    *,
    directory: Path | None = None,
    timeout: float = 600.0,
    proxy: bool = False,
) -> Checked:
    """Run a command again, offline, and hold it against the recorded run; `timeout` is in seconds.

    Raises:
        Divergence: it asked something that was not recorded.
        ProgramFailed: it could not be started, ran too long, or asked nothing.
    """
    program = Program(command, directory=directory, timeout=timeout, proxy=proxy)
    again = program.check(trace)
    differences = tuple(_differences(trace, again))
    calls = len(program.recording(trace).recorded)
    return Checked(again=again if differences else trace, calls=calls, differences=differences)


def _differences(trace: Trace, again: Trace) -> Iterator[str]:
    if again.steps != trace.steps:
        yield f"{len(trace.steps)} steps were recorded, and {len(again.steps)} came about"
    if trace.ended and again.ended:
        if stable_text(again.ended.output) != stable_text(trace.ended.output):
            yield "it printed something else"
        if again.ended.status != trace.ended.status:
            yield f"it ended with status {again.ended.status}, not {trace.ended.status}"
