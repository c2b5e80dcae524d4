"""Commands on the user's own program: record it, check it, and say how a changed run of it is carried out."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from butfor.cache.apis.stable import stable_text
from butfor.replay.executor import rerun
from butfor.replay.program.program import Program
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Fidelity, Trace


class Checked(NamedTuple):
    """What a replay with no edits came to."""

    again: Trace
    calls: int
    differences: tuple[str, ...]
    """What differs from the recorded run, a sentence each."""
    ran: bool
    """Whether the program itself ran again; else only the log was held against itself."""

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
        same = "reproduced byte for byte" if self.same else f"NOT reproduced: {'; '.join(self.differences)}"
        digest = f"(sha256 {self.again.digest})"
        if self.ran:
            return (
                f"{name}: {self.calls} calls, each answered from the recording while the program ran again offline, "
                f"0 live; {same} {digest}"
            )
        state = "the file is consistent" if self.same else f"the file is NOT consistent: {'; '.join(self.differences)}"
        return (
            f"{name}: {state}: {self.calls} calls rebuilt from the log, each answered from it, 0 live; no program ran "
            f"(give it after --) {digest}"
        )


def summary(trace: Trace, output: Path) -> str:
    """What was recorded, in a line."""
    asked = sum(1 for step in trace.steps if step.kind == "llm")
    agents = ", ".join(agent.name for agent in trace.agents if agent.kind == "llm")
    partial = " The recording is partial: the program was cut short." if trace.ended and trace.ended.partial else ""
    status = trace.ended.status if trace.ended else 0
    return f"{output}: {asked} calls of {agents}; exit status {status}.{partial}"


def checked(
    trace: Trace, program: Sequence[str] | Program = (), *, timeout: float = 600.0, proxy: bool = False
) -> Checked:
    """Replay a run offline with no edits, and hold it against what was recorded; with its program, run it again.

    Raises:
        Divergence: it asked something that was not recorded.
    """
    if not program:
        simulator = Simulator()
        recording = simulator.recording(trace)
        again = rerun(trace, executor=simulator, recording=recording)
        return Checked(again, len(recording.recorded), () if again == trace else ("the outputs differ",), False)
    executor = program if isinstance(program, Program) else Program(program, timeout=timeout, proxy=proxy)
    again = executor.check(trace)
    differences = tuple(_differences(trace, again))
    return Checked(again if differences else trace, len(executor.recording(trace).recorded), differences, True)


def _differences(trace: Trace, again: Trace) -> Iterator[str]:
    if again.steps != trace.steps:
        yield f"{len(trace.steps)} steps were recorded, and {len(again.steps)} came about"
    if trace.ended and again.ended:
        if stable_text(again.ended.output) != stable_text(trace.ended.output):
            yield "it printed something else"
        if again.ended.status != trace.ended.status:
            yield f"it ended with status {again.ended.status}, not {trace.ended.status}"


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
