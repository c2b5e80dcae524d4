"""Commands on the user's own program: record it, check it, and say how a changed run of it is carried out."""

import sys
from collections.abc import Sequence
from pathlib import Path

from butfor.counterfactual.settings import Settings
from butfor.replay.program.check import Checked
from butfor.replay.program.check import check as checked
from butfor.replay.program.program import Leavings, Program
from butfor.replay.program.recorder import record_to
from butfor.replay.trace import Trace


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
    return checked(trace, command, timeout=settings.time_limit, proxy=settings.proxy)


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
