"""Many audits on a terminal, as a table of values, and as a page that links each run."""

import csv
import io
from collections.abc import Iterable
from html import escape

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.counterfactual.fleet.fleet import Fleet, RunLine
from butfor.replay.text import excerpt

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{text-align:left;padding:.3rem .6rem;"
    "border-bottom:1px solid #ccc;vertical-align:top}pre{white-space:pre-wrap;margin:0}"
)


def as_terminal(fleet: Fleet) -> RenderableType:
    """The sentence, the agents, what to fix first, the worst edge, and what has no verdict."""
    parts: list[RenderableType] = [Text(fleet.sentence, style="bold"), Text("")]
    if fleet.agents:
        parts.append(_table(("agent", "to blame in", "share", "95 %"), _agents(fleet)))
    for number, group in enumerate(fleet.groups[:5], 1):
        parts.append(Text(f"\n{number}. {group.agent}, {group.kind}: {len(group.runs)} runs, such as {group.example}"))
        parts.append(Text(f"   repaired by: {excerpt(group.correction, limit=160)}"))
    if fleet.edges:
        edge = fleet.edges[0]
        parts.append(Text(f"\nMost damage: {edge.speaker} to {edge.hearer}, in {edge.runs} runs."))
    if fleet.abstentions:
        reasons = ", ".join(f"{reason} {n}" for reason, n in fleet.abstentions.items())
        parts.append(Text(f"\nNo verdict: {reasons}."))
        named = [line for line in fleet.runs if line.state == "abstained"][:5]
        parts += [Text(f"   {line.run}: {excerpt(line.sentence, limit=160)}") for line in named]
    parts.append(Text(f"\n{spent(fleet)}", style="dim"))
    return Group(*parts)


def spent(fleet: Fleet) -> str:
    """What the command cost, in a line."""
    cost = fleet.cost
    money = "" if not cost.dollars else f", ${cost.dollars:.2f}"
    return f"{cost.live_calls:,} live calls, {cost.input_tokens + cost.output_tokens:,} tokens{money}"


def as_csv(fleet: Fleet) -> str:
    """A row for each run."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = ("run", "state", "abstained", "agent", "step", "kind", "effect", "low", "high", "correction", "sentence")
    writer.writerow(names)
    for line in fleet.runs:
        low, high = line.interval or ("", "")
        row = (line.run, line.state, line.abstained, line.agent, line.step, line.kind, line.effect, low, high,
               line.correction, line.sentence)  # fmt: skip
        writer.writerow(_plain(value) for value in row)
    return file.getvalue()


def as_page(fleet: Fleet) -> str:
    """A page that needs nothing else and runs nothing, with a section for each run."""
    groups = [
        (g.agent, g.kind, f"{len(g.runs)} ({g.interval[0]:.0%} to {g.interval[1]:.0%})", g.correction)
        for g in fleet.groups
    ]
    edges = [(edge.speaker, edge.hearer, str(edge.runs), f"{edge.damage:.2f}") for edge in fleet.edges]
    index = "".join(
        f'<tr><td><a href="#run-{n}">{escape(line.run)}</a></td><td>{escape(line.abstained or line.state)}</td>'
        f"<td>{escape(line.agent or '')}</td><td>{'' if line.step is None else line.step}</td></tr>"
        for n, line in enumerate(fleet.runs)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>butfor: many runs</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(fleet.sentence)}</h1><p>{escape(spent(fleet))}</p>"
        f"<h2>Agents</h2>{_html(('agent', 'to blame in', 'share', '95 %'), _agents(fleet))}"
        f"<h2>What to fix first</h2>{_html(('agent', 'kind', 'runs', 'repaired by'), groups)}"
        f"<h2>Who told whom</h2>{_html(('speaker', 'hearer', 'runs', 'sure effect'), edges)}"
        f"<h2>Runs</h2><table><tr><th>run</th><th>found</th><th>agent</th><th>step</th></tr>{index}</table>"
        f"{''.join(_section(n, line) for n, line in enumerate(fleet.runs))}</body></html>\n"
    )


def _section(number: int, line: RunLine) -> str:
    said = [("said", line.recorded or ""), ("repaired by", line.correction or "")] if line.correction else []
    table = _html(("", ""), said) if said else ""
    return f'<section id="run-{number}"><h3>{escape(line.run)}</h3><p>{escape(line.sentence)}</p>{table}</section>'


def _agents(fleet: Fleet) -> list[tuple[str, str, str, str]]:
    return [
        (s.agent, str(s.runs), f"{s.share:.0%}", f"{s.interval[0]:.0%} to {s.interval[1]:.0%}") for s in fleet.agents
    ]


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    return table


def _html(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td><pre>{escape(v)}</pre></td>' for v in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _plain(value: object) -> object:
    """A value that a spreadsheet takes for text even where it begins as a formula does."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
