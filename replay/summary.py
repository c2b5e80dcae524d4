"""A run for a reader: its agents, and each step with everything that was in its input."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    reads: tuple[tuple[int, int], ...]
    """Every step that was in its input, in order, as ranges: the first and the last of each."""
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

    version: Literal[2] = 2
    """Of this form; since 2, `reads` holds ranges."""
    account: str
    """What was read of the log, in one line."""
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
    acting: dict[str, list[int]] = {agent.name: [] for agent in trace.agents}
    for step in trace.steps:
        acting[step.agent].append(step.index)
    return Summary(
        account=account(trace),
        task=trace.task,
        expected=trace.expected,
        fidelity=trace.fidelity,
        source=trace.source,
        agents=tuple(Player(name=a.name, kind=a.kind, steps=tuple(acting[a.name])) for a in trace.agents),
        steps=tuple(_shown(step, reads) for step, reads in zip(trace.steps, contexts(trace.steps), strict=True)),
        ends=Ending(step=last.index, agent=last.agent, why=ending(trace)),
        label=trace.culprit,
    )


def ending(trace: Trace) -> str:
    """Why the run ended, in a few words."""
    last = trace.steps[-1]
    agent = excerpt(last.agent, limit=40)
    if trace.team.stop_word and trace.team.stop_word in last.output:
        return f"{agent} said {excerpt(trace.team.stop_word, limit=40)}"
    if last.error:
        return f"{agent} failed: {excerpt(last.error, limit=80)}"
    if "FINAL ANSWER" in last.output:
        return f"{agent} gave the final answer"
    return f"the log ends after {agent}"


def account(trace: Trace) -> str:
    """What was read of a log, in one line: its steps, the empty ones, and what its edges rest on."""
    steps = len(trace.steps)
    empty = [step.index for step in trace.steps if step.kind == "llm" and not step.output.strip()]
    silent = [index for index in empty if not trace.steps[index].tool_calls and not trace.steps[index].error]
    asked = sum(step.call is not None for step in trace.steps if step.kind == "llm")
    models = sum(step.kind == "llm" for step in trace.steps)
    rests = Counter[str](read.basis for step in trace.steps for read in step.reads)
    if memory := sum(step.continues is not None for step in trace.steps):
        rests["memory"] = memory
    edges = ", ".join(f"{count} {basis}" for basis, count in rests.most_common()) or "none"
    told = f"{len(silent)} of {models} model steps empty" if silent else "no model step empty"
    return f"read as {trace.source.format}: {steps} steps, {told}, inputs of {asked} known; edges: {edges}"


def contexts(steps: Sequence[Step]) -> Iterator[tuple[tuple[int, int], ...]]:
    """Of each step, everything that was in its input, as ascending ranges; equal to `context`, in one pass."""
    found: list[tuple[tuple[int, int], ...]] = []
    for step in steps:
        own = [(read.step, read.step) for read in step.reads]
        if step.continues is not None:
            own += [*found[step.continues], (step.continues, step.continues)]
        found.append(_merged(own))
        yield found[-1]


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def _shown(step: Step, reads: tuple[tuple[int, int], ...]) -> Shown:
    memory: dict[int, Basis | Literal["memory"]] = {} if step.continues is None else {step.continues: "memory"}
    return Shown(
        index=step.index,
        agent=step.agent,
        kind=step.kind,
        audience=step.audience,
        reads=reads,
        basis={**memory, **{read.step: read.basis for read in step.reads}},
        error=step.error,
        output=step.output,
    )
