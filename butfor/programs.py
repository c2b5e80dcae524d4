"""Commands on the user's own program: record it, check it, and say how a changed run of it is carried out."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from butfor.cache.apis.stable import stable_text
from butfor.counterfactual.settings import Settings
from butfor.replay.program.program import Leavings, Program
from butfor.replay.program.recorder import record_to
from butfor.replay.trace import Fidelity, Trace


class Checked(NamedTuple):
    """What a replay with no edits came to."""

    again: Trace
    calls: int
    differences: tuple[str, ...]
    """What differs from the recorded run, a sentence each."""

    @property
    def same(self) -> bool:
        """Whether it was the same run."""
        return not self.differences

    def as_json(self, fidelity: Fidelity) -> dict[str, object]:
        """The same as JSON."""
        return {
            "identical": self.same,
            "calls": self.calls,
            "hits": self.calls,
            "sha256": self.again.digest,
            "fidelity": fidelity,
            "differences": self.differences,
        }

    def sentence(self, name: str) -> str:
        """The same in words."""
        verdict = "reproduced byte for byte" if self.same else f"NOT reproduced: {'; '.join(self.differences)}"
        return (
            f"{name}: {self.calls} calls, each answered from the recording while the program ran again "
            f"offline, 0 live; "
            f"{verdict} (sha256 {self.again.digest})"
        )


def recorded(
    command: Sequence[str], output: Path, *, timeout: float | None, judge: str | None, proxy: bool = False
) -> Trace:
    """Run a command and record it.

    Raises:
        ProgramFailed: it could not be started, or it asked no model.
    """
    return record_to(output, command, timeout=timeout, leavings=leavings(judge or ""), proxy=proxy)


def summary(trace: Trace, output: Path) -> str:
    """What was recorded, in a line."""
    asked = sum(1 for step in trace.steps if step.kind == "llm")
    agents = ", ".join(agent.name for agent in trace.agents if agent.kind == "llm")
    partial = " The recording is partial: the program was cut short." if trace.ended and trace.ended.partial else ""
    status = trace.ended.status if trace.ended else 0
    return f"{output}: {asked} calls of {agents}; exit status {status}.{partial}"


def program(command: Sequence[str], settings: Settings, *, offline: bool = False) -> Program | None:
    """The executor of a command; `None` where there is none, and a run is simulated."""
    if not command:
        return None
    return Program(
        command,
        timeout=settings.time_limit,
        leavings=leavings(settings.judge),
        offline=offline,
        proxy=settings.proxy,
    )


def check(trace: Trace, command: Sequence[str], settings: Settings) -> Checked:
    """Run a command again, offline, and hold it against the recorded run.

    Raises:
        Divergence: it asked something that was not recorded.
    """
    executor = Program(command, timeout=settings.time_limit, proxy=settings.proxy)
    again = executor.check(trace)
    differences = tuple(_differences(trace, again))
    return Checked(again if differences else trace, len(executor.recording(trace).recorded), differences)


def _differences(trace: Trace, again: Trace) -> Iterator[str]:
    if again.steps != trace.steps:
        yield f"{len(trace.steps)} steps were recorded, and {len(again.steps)} came about"
    if trace.ended and again.ended:
        if stable_text(again.ended.output) != stable_text(trace.ended.output):
            yield "it printed something else"
        if again.ended.status != trace.ended.status:
            yield f"it ended with status {again.ended.status}, not {trace.ended.status}"


def leavings(judge: str) -> Leavings:
    """What a judge reads after the run."""
    kind, _, argument = judge.partition(":")
    if kind == "file":
        return Leavings(files=(argument.partition(":")[0],))
    return Leavings(tests=(argument,)) if kind == "pytest" else Leavings()


def allow(name: str, arguments: str) -> bool:
    """Ask on the terminal whether a tool may run for real; no, where there is no terminal."""
    try:
        with open("/dev/tty", "r+", encoding="utf-8") as terminal:
            terminal.write(f"The program wants to run the tool {name} for real, with {arguments[:500]}. Run it? [y/N] ")
            terminal.flush()
            return terminal.readline().strip().lower() in ("y", "yes")
    except OSError:
        print(f"butfor: no terminal to ask on; the tool {name} does not run", file=sys.stderr)
        return False
