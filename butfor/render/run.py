"""A run as a table on a terminal."""

import time
from collections.abc import Callable, Collection, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.cache.errors import ButforError
from butfor.replay.summary import account, contexts, ending
from butfor.replay.text import excerpt, printable
from butfor.replay.trace import Step, Trace, answering_step, final_answer

_SECONDS = 2.0
"""That a pattern may take, over all steps."""
_MARKS = {"edited": "✎ ", "live": "● ", "cached": "○ ", "simulated": "◌ "}


def as_terminal(trace: Trace) -> RenderableType:
    """A line per step: who, to whom, what was read, and how it begins."""
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", expand=True)
    table.add_column("step", justify="right")
    longest = max(len(word) for s in trace.steps for word in _speaker(s).split())
    table.add_column("agent", overflow="fold", min_width=min(40, longest))
    table.add_column("kind")
    table.add_column("reads", overflow="fold", max_width=14)
    table.add_column("says", ratio=1, overflow="fold")
    ends = answering_step(trace)
    for step, read in zip(trace.steps, contexts(trace.steps), strict=True):
        reads = joined(read)
        said = Text(_MARKS.get(step.origin, ""), style="magenta")
        said.append(excerpt(step.output, limit=140), style="red" if step.error else "default")
        if trace.culprit and trace.culprit.step == step.index:
            said.append("  ◀ label", style="bold red")
        if step.index == ends:
            said.append(f"  ◀ answer{_judged(trace)}", style="bold")
        table.add_row(str(step.index), Text(_speaker(step)), step.kind, reads, said)
    task = Text(f"  task: {excerpt(trace.task, limit=400)}", style="bold")
    facts = f"  {len(trace.steps)} steps, {len(trace.agents)} agents, {trace.fidelity}; {ending(trace)}"
    expected = f"; expected {excerpt(trace.expected, limit=80)!r}" if trace.expected is not None else ""
    label = (
        [Text(f"  labelled: step {trace.culprit.step} ({excerpt(trace.culprit.agent, limit=40)})")]
        if trace.culprit
        else []
    )
    told = [
        f"{mark.strip()} {origin}" for origin, mark in _MARKS.items() if any(s.origin == origin for s in trace.steps)
    ]
    legend = [Text(f"  {', '.join(told)}; unmarked: recorded", style="dim")] if told else []
    return Group(task, Text(facts + expected), Text(f"  {account(trace)}"), *label, *legend, Text(""), table)


def chosen(
    trace: Trace, *, step: int | None = None, agent: str | None = None, grep: str | None = None
) -> frozenset[int]:
    """The steps that are asked for; `grep` is a text, whatever its case, or `re:PATTERN`.

    Raises:
        ButforError: the run has no such step or agent, the pattern is none, or it takes longer than two seconds.
    """
    if step is not None and not 0 <= step < len(trace.steps):
        raise ButforError(f"there is no step {step}; the run has steps 0 to {len(trace.steps) - 1}")
    acting = dict.fromkeys(s.agent for s in trace.steps)
    if agent is not None and agent not in acting:
        raise ButforError(f"no agent {agent!r} acts in the run; these do: {', '.join(acting)}")
    holds = _holding(grep)
    return frozenset(
        s.index
        for s in trace.steps
        if (step is None or s.index == step) and (agent is None or s.agent == agent) and holds(s.output)
    )


def whole(trace: Trace, wanted: Collection[int]) -> RenderableType:
    """Whole messages, one under the other, with what is known of each."""
    parts: list[RenderableType] = []
    ends = answering_step(trace)
    for step in trace.steps:
        if step.index not in wanted:
            continue
        facts = [step.kind, f"reads {ranges(trace.context(step.index))}"]
        facts += [f"[{step.origin}]"] if step.origin != "recorded" else []
        name = _speaker(step)
        parts.append(Text(f"step {step.index}  {name}  ({', '.join(facts)})", style="bold"))
        if trace.culprit and trace.culprit.step == step.index:
            reason = f": {printable(trace.culprit.reason)}" if trace.culprit.reason else ""
            parts.append(Text(f"label: the decisive error{reason}", style="red"))
        if step.error:
            parts.append(Text(f"error: {printable(step.error)}", style="red"))
        parts.append(Text(printable(step.output)))
        parts += [Text(f"calls {printable(call.name)}({printable(call.arguments)})") for call in step.tool_calls]
        if step.index == ends:
            parts.append(Text(f"answer: {excerpt(final_answer(trace), limit=300)}{_judged(trace)}", style="bold"))
        parts.append(Text(""))
    return Group(*parts or [Text("no step is like that")])


def _judged(trace: Trace) -> str:
    """How the run's answer is judged, where there is something to judge it by without asking anybody."""
    outcome = trace.outcome
    if outcome is None and trace.expected:
        from butfor.counterfactual.judge import JUDGES

        outcome = JUDGES[trace.judge if trace.judge in JUDGES else "exact"](trace)
    if outcome is None:
        return ""
    return f" ({'right' if outcome.success else 'wrong'}{f'; {printable(e)}' if (e := outcome.explanation) else ''})"


def _holding(grep: str | None) -> Callable[[str], bool]:
    if grep is None:
        return lambda text: True
    if not grep.startswith("re:"):
        return lambda text: grep.casefold() in text.casefold()
    import regex

    try:
        pattern = regex.compile(grep[3:])
    except regex.error as error:
        raise ButforError(f"--grep {grep!r} is not a regular expression: {error}") from None
    end = time.monotonic() + _SECONDS

    def found(text: str) -> bool:
        try:
            return pattern.search(text, timeout=max(0.01, end - time.monotonic())) is not None
        except TimeoutError:
            raise ButforError(f"--grep {grep!r} takes longer than {_SECONDS:g} seconds; give a simpler one") from None

    return found


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
