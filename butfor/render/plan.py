"""A plan as a table on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.counterfactual.plan import Plan
from butfor.replay.text import excerpt


def as_terminal(plan: Plan) -> RenderableType:
    """A line per step, and the totals."""
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    table.add_column("step", justify="right")
    table.add_column("agent", overflow="fold")
    for name in ("reaches", "calls if innocent", "if decisive", "at most", "tokens at most"):
        table.add_column(name, justify="right")
    for step in plan.steps:
        numbers = (step.reaches, step.calls_innocent, step.calls_decisive, step.calls_most, step.tokens_most)
        table.add_row(str(step.step), Text(excerpt(step.agent, limit=40)), *(f"{n:,}" for n in numbers))
    lines = (
        f"  expected  about {plan.calls_expected:,} calls, {plan.tokens_expected:,} tokens"
        f"{_price(plan.dollars_expected)} (the middle step decisive, those before it ruled out)",
        f"  at most   {plan.calls_most:,} calls, {plan.tokens_most:,} tokens{_price(plan.dollars_most)}",
        "  Not counted: answers that are stored already, the controls, sets of steps, an llm judge. --max-calls, "
        "--max-cost and --max-time stop the audit; it goes on later where it was.",
    )
    return Group(table, Text(""), *map(Text, lines))


def _price(dollars: float | None) -> str:
    return "" if dollars is None else f", ${dollars:.2f}"
