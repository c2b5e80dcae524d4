"""A run as a table on a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.replay.summary import account, contexts, ending
from butfor.replay.text import excerpt
from butfor.replay.trace import Step, Trace


def as_terminal(trace: Trace) -> RenderableType:
    """A line per step: who, to whom, what was read, and how it begins."""
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", expand=True)
    table.add_column("step", justify="right")
    table.add_column("agent", overflow="fold")
    table.add_column("kind")
    table.add_column("reads", overflow="fold", max_width=14)
    table.add_column("says", ratio=1, overflow="fold")
    for step, read in zip(trace.steps, contexts(trace.steps), strict=True):
        reads = joined(read)
        said = Text(excerpt(step.output, limit=140), style="red" if step.error else "")
        table.add_row(str(step.index), Text(_speaker(step)), step.kind, reads, said)
    task = Text(f"  task: {excerpt(trace.task, limit=400)}", style="bold")
    facts = f"  {len(trace.steps)} steps, {len(trace.agents)} agents, {trace.fidelity}; {ending(trace)}"
    expected = f"; expected {excerpt(trace.expected, limit=80)!r}" if trace.expected is not None else ""
    label = (
        [Text(f"  labelled: step {trace.culprit.step} ({excerpt(trace.culprit.agent, limit=40)})")]
        if trace.culprit
        else []
    )
    return Group(task, Text(facts + expected), Text(f"  {account(trace)}"), *label, Text(""), table)


def ranges(steps: Sequence[int]) -> str:
    """Ascending numbers with runs joined: 0–3, 5."""
    parts: list[tuple[int, int]] = []
    for step in steps:
        if parts and step == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], step)
        else:
            parts.append((step, step))
    return joined(parts)


def joined(parts: Sequence[tuple[int, int]]) -> str:
    """Ranges as a reader has them: 0–3, 5."""
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in parts) or "–"


def _speaker(step: Step) -> str:
    name = excerpt(step.agent, limit=40)
    if step.audience is None:
        return name
    return f"{name} → {excerpt(', '.join(step.audience), limit=40)}" if step.audience else f"{name} (thought)"
