"""What the command line says of a recording, and asks of whoever sits at it."""

import sys
from pathlib import Path

from butfor.replay.trace import Trace


def summary(trace: Trace, output: Path) -> str:
    """What was recorded, in a line."""
    asked = sum(1 for step in trace.steps if step.kind == "llm")
    agents = ", ".join(agent.name for agent in trace.agents if agent.kind == "llm")
    status = trace.ended.status if trace.ended else 0
    return f"{output}: {asked} calls of {agents}; exit status {status}.{_partial(trace)}"


def _partial(trace: Trace) -> str:
    """What is lacking in a recording, and what went past it."""
    unseen = trace.world.unseen if trace.world else {}
    hosts = ", ".join(f"{host} ({count})" for host, count in unseen.items())
    past = f" Not seen, by host: {hosts}." if hosts else ""
    if trace.ended is None or not trace.ended.partial:
        return past
    why = "some of what went past may have asked a model" if unseen else "the program was cut short"
    return f" The recording is partial: {why}.{past}"


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
