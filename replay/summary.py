"""A run for a reader: its agents, and each step with everything that was in its input."""

from collections.abc import Mapping
from typing import Literal

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
