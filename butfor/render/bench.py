"""Scores against known causes, as a table on a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.scenarios.bench import Row, totals


def as_terminal(rows: Sequence[Row]) -> RenderableType:
    """A table, and a line with the totals."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "case", "verdict", "step", "agent", "should be"):
        table.add_column(name, overflow="fold")
    for name in ("live calls", "again", "naive", "seconds"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            "✓" if row.right else "✗",
            row.name,
            row.verdict,
            _listed(row.steps),
            _listed(row.agents),
            _listed(row.true_steps) or "no flip",
            str(row.live_calls),
            str(row.again_live_calls),
            str(row.naive_calls),
            f"{row.seconds:.2f}",
        )
    found = totals(rows)
    line = (
        f"verdict and step right {found['right']}/{len(rows)}, agent right {found['agent_right']}/{len(rows)}; "
        f"{found['live_calls']} live calls ({found['naive_calls']} by re-running everything downstream of every step)"
    )
    return Group(table, Text(""), Text(line))


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
