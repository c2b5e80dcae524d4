"""Whether a program, run again with nothing changed, is the run that was recorded: `check`, which gives a `Checked`."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from butfor.cache.call import Frozen
from butfor.replay.executor import rerun
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Trace
from butfor.replay.world import World

from .namespace import Closed
from .program import Program
from .same import first_difference, pattern
from .surroundings import FAR_SECONDS, faketime

_SHOWN = 200
_CLOSED = {
    "kernel": "closed by the kernel",
    "python": "closed by Python only",
    "not held": "its network was not held",
}


class Checked(Frozen):
    """What a replay with no edits came to."""

    again: Trace
    """The recorded run where it came about again, else the run that did."""
    calls: int
    """Recorded calls, each of which was answered from the recording."""
    closed: Closed | None
    """What kept the program off the network; `None` where none ran, and the log was held against itself."""
    differences: tuple[str, ...] = ()
    """What differs from the recorded run, a sentence each."""
    notes: tuple[str, ...] = ()
    """What was not seen or not held, so that a difference may come from it; a sentence each."""

    @property
    def same(self) -> bool:
        """Whether it was the same run."""
        return not self.differences

    def as_json(self) -> dict[str, object]:
        """The same as JSON."""
        return {
            "identical": self.same,
            "calls": self.calls,
            "hits": self.calls,
            "sha256": self.again.digest,
            "fidelity": self.again.fidelity,
            "closed": self.closed,
            "differences": self.differences,
            "notes": self.notes,
        }

    def sentence(self, name: str) -> str:
        """The same in words."""
        if self.closed is None:
            state = "the file is consistent" if self.same else "the file is NOT consistent: its outputs differ"
            return (
                f"{name}: {state}: {self.calls} calls rebuilt from the log, each answered from it, 0 live; no program "
                f"ran (give it after --) (sha256 {self.again.digest})"
            )
        verdict = "reproduced byte for byte" if self.same else f"NOT reproduced: {'; '.join(self.differences)}"
        return (
            f"{name}: {self.calls} calls, each answered from the recording while the program ran again offline "
            f"({_CLOSED[self.closed]}), 0 live; {verdict} (sha256 {self.again.digest})"
            + "".join(f"\n  note: {note}" for note in self.notes)
        )


def check_log(trace: Trace) -> Checked:
    """Hold a log against itself: every question rebuilt from it must be answered from it, and come out as it was."""
    simulator = Simulator()
    recording = simulator.recording(trace)
    again = rerun(trace, executor=simulator, recording=recording)
    differences = () if again == trace else ("the outputs differ",)
    return Checked(again=again, calls=len(recording.recorded), closed=None, differences=differences)


def check(
    trace: Trace,
    command: Sequence[str],
    *,
    directory: Path | None = None,
    timeout: float = 600.0,
    proxy: bool = False,
    reach: Sequence[str] = (),
    hold: bool = True,
    ignore: Sequence[str] = (),
) -> Checked:
    """Run a command again, offline, and hold it against the recorded run; `timeout` is in seconds.

    `reach` are addresses of this machine, `HOST:PORT` each, that the program may use all the same. With
    `hold` it finds the world that it was recorded in; `ignore` are regular expressions that join those of the run.

    Raises:
        Divergence: it asked something that was not recorded.
        ProgramFailed: it could not be started, ran too long, or asked nothing.
    """
    trace = ignoring(trace, ignore)
    program = Program(command, directory=directory, timeout=timeout, proxy=proxy, reach=reach, hold=hold)
    again = program.check(trace)
    differences = tuple(_differences(trace, again))
    calls = len(program.recording(trace).recorded)
    return Checked(
        again=again if differences else trace,
        calls=calls,
        closed=program.closed,
        differences=differences,
        notes=tuple(_notes(trace)) if hold else ("the world of the recording was not held",),
    )


def _notes(trace: Trace) -> Iterator[str]:
    world = trace.world
    if world is None:
        return
    if world.unseen:
        went = ", ".join(f"{at} ({count})" for at, count in sorted(world.unseen.items()))
        yield f"while it was recorded, connections went past the clients that are seen: {went}"
    if world.unkept:
        yield f"files that the run changed are not as they were before: {', '.join(world.unkept)}"
    if world.started and time.time() - world.started > FAR_SECONDS and faketime() is None:
        yield "the clock of programs that are not Python is today's, since libfaketime is not installed"


def _differences(trace: Trace, again: Trace) -> Iterator[str]:
    if again.steps != trace.steps:
        yield f"{len(trace.steps)} steps were recorded, and {len(again.steps)} came about"
    if trace.ended and again.ended:
        ignore = trace.world.ignore if trace.world else ()
        lines = first_difference(trace.ended.output, again.ended.output, ignore)
        if lines:
            recorded, now = (repr(line[:_SHOWN]) for line in lines)
            yield f"it printed something else: {recorded} was recorded, {now} came about"
        if again.ended.status != trace.ended.status:
            yield f"it ended with status {again.ended.status}, not {trace.ended.status}"


def ignoring(trace: Trace, ignore: Sequence[str]) -> Trace:
    """The run with more patterns of what differs by itself.

    Raises:
        ButforError: one is no regular expression.
    """
    new = tuple(one for one in ignore if pattern(one) and (trace.world is None or one not in trace.world.ignore))
    world = trace.world or World()
    return trace.model_copy(update={"world": world.model_copy(update={"ignore": world.ignore + new})}) if new else trace
