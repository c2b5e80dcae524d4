"""A ranking and a piece of advice on a terminal."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.counterfactual.advice import Advice
from butfor.counterfactual.ranking.suspicion import Suspicion
from butfor.replay.text import excerpt, printable

_SHOWN = 10
_A = {"instruction": "an instruction", "check": "a check", "confirmation step": "a confirmation step"}


def as_terminal(found: Sequence[Suspicion], method: str) -> RenderableType:
    """The ten most suspect steps, and what that rests on."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("step", justify="right")
    table.add_column("suspicion", justify="right")
    table.add_column("agent", overflow="fold")
    table.add_column("why", overflow="fold")
    for entry in found[:_SHOWN]:
        agent, why = excerpt(entry.agent, limit=40), excerpt(entry.reason, limit=200)
        table.add_row(str(entry.step), f"{entry.suspicion:.2f}", Text(agent), Text(why))
    more = f"; {len(found) - _SHOWN} more with --json" if len(found) > _SHOWN else ""
    return Group(table, Text(f"\nread from the log by {printable(method)}; nothing was run again{more}"))


def advice_as_terminal(found: Sequence[Advice], log: Path) -> RenderableType:
    """The likeliest kind of failure, its evidence, and the command that tries the change."""
    first, *others = found
    told = shlex.quote(f"{first.agent}={first.instruction}")
    lines = [f"step {first.step} ({excerpt(first.agent, limit=40)}) looks like a failure of {first.kind}: {first.why}"]
    lines += [f"  step {e.step}: {excerpt(e.text, limit=200)!r}" for e in first.evidence]
    lines += ["", f"try {_A[first.change]}: {first.instruction}", ""]
    lines += [f"  butfor whatif {shlex.quote(str(log))} --instruct {told} --repeats 10 --model provider:model"]
    if others:
        lines += ["", "it may also be: " + "; ".join(f"{advice.kind} ({advice.why})" for advice in others)]
    return Text("\n".join(map(printable, lines)))
