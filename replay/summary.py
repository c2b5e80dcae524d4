"""A run for a reader: as a table on a terminal, and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.cache.call import Frozen

from .text import excerpt
from .trace import Basis, Culprit, Fidelity, Kind, Source, Step, Trace


class Player(Frozen):
    """A member of the team, and where it acts."""

    name: str
    kind: Kind
    steps: tuple[int, ...]


class Shown(Frozen):
    """A step, and everything that was in its input."""

    index: int
    agent: str
    kind: Kind
    audience: tuple[str, ...] | None
    """Who hears it: `null` everybody, empty nobody else."""
    reads: tuple[int, ...]
    """Every step that was in its input, in order."""
    basis: Mapping[int, Basis | Literal["memory"]]
    """What the direct edges rest on, by the step read."""
    error: str | None
    output: str


class Ending(Frozen):
    """Where and why the run ended."""

    step: int
    agent: str
    why: str


class Summary(Frozen):
    """A run as `butfor show --json` prints it."""

    task: str
    expected: str | None
    fidelity: Fidelity
    source: Source
    agents: tuple[Player, ...]
    steps: tuple[Shown, ...]
    ends: Ending
    label: Culprit | None


def summary(trace: Trace) -> Summary:
    """The run's agents, and each step with everything that was in its input."""
    last = trace.steps[-1]
    return Summary(
        task=trace.task,
        expected=trace.expected,
        fidelity=trace.fidelity,
        source=trace.source,
        agents=tuple(
            Player(name=a.name, kind=a.kind, steps=tuple(s.index for s in trace.steps if s.agent == a.name))
            for a in trace.agents
        ),
        steps=tuple(_shown(trace, step) for step in trace.steps),
        ends=Ending(step=last.index, agent=last.agent, why=ending(trace)),
        label=trace.culprit,
    )


def ending(trace: Trace) -> str:
    """Why the run ended, in a few words."""
    last = trace.steps[-1]
    if trace.team.stop_word and trace.team.stop_word in last.output:
        return f"{last.agent} said {trace.team.stop_word}"
    if last.error:
        return f"{last.agent} failed: {excerpt(last.error, limit=80)}"
    if "FINAL ANSWER" in last.output:
        return f"{last.agent} gave the final answer"
    return f"the log ends after {last.agent}"


def as_terminal(trace: Trace) -> RenderableType:
    """A line per step: who, to whom, what was read, and how it begins."""
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", expand=True)
    table.add_column("step", justify="right")
    table.add_column("agent", overflow="fold")
    table.add_column("kind")
    table.add_column("reads", overflow="fold", max_width=14)
    table.add_column("says", ratio=1, overflow="fold")
    for step in trace.steps:
        reads = ranges(trace.context(step.index))
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
    return Group(task, Text(facts + expected), *label, Text(""), table)


def ranges(steps: Sequence[int]) -> str:
    """Ascending numbers with runs joined: 0–3, 5."""
    parts: list[list[int]] = []
    for step in steps:
        if parts and step == parts[-1][-1] + 1:
            parts[-1].append(step)
        else:
            parts.append([step])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}–{p[-1]}" for p in parts) or "–"


def _speaker(step: Step) -> str:
    name = excerpt(step.agent, limit=40)
    if step.audience is None:
        return name
    return f"{name} → {excerpt(', '.join(step.audience), limit=40)}" if step.audience else f"{name} (thought)"


def _shown(trace: Trace, step: Step) -> Shown:
    memory: dict[int, Basis | Literal["memory"]] = {} if step.continues is None else {step.continues: "memory"}
    return Shown(
        index=step.index,
        agent=step.agent,
        kind=step.kind,
        audience=step.audience,
        reads=trace.context(step.index),
        basis={**memory, **{read.step: read.basis for read in step.reads}},
        error=step.error,
        output=step.output,
    )
