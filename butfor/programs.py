"""What the command line says of a recording, and asks of whoever sits at it."""

import sys
from pathlib import Path

from butfor.replay.trace import Trace


def summary(trace: Trace, output: Path) -> str:
    """What was recorded, in a line."""
    asked = sum(1 for step in trace.steps if step.kind == "llm")
    agents = ", ".join(agent.name for agent in trace.agents if agent.kind == "llm")
    partial = " The recording is partial: the program was cut short." if trace.ended and trace.ended.partial else ""
    status = trace.ended.status if trace.ended else 0
    return f"{output}: {asked} calls of {agents}; exit status {status}.{partial}"


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
