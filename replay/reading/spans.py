"""Logs that are trees of spans: who acts in each, in which order, and what the nesting tells of reading."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from butfor.cache.call import ToolCall
from butfor.replay.trace import Agent, Outcome, Read, Step, Trace

from .assemble import assemble
from .fields import Field
from .messages import question_to_tool, same_arguments

_LONGEST_PATH = 10_000
_TOOL = re.compile(r"(?:execute_tool|running tool|tool[ _]?call|call_tool|invoke_tool|tool)(?::\s*|\s+)(?=\S)", re.I)
_AGENT = re.compile(r"(?:invoke_agent|create_agent|running agent|agent run|agent)(?::\s*|\s+)(?=\S)", re.I)
_RUN = re.compile(r"(?<=[\w)])\s+(?:agent )?run$", re.I)


def tool_name(name: str) -> str:
    """A tool's own name in the name of a span (`execute_tool search`, `running tool: search`)."""
    return _TOOL.sub("", name.strip(), count=1) if _TOOL.match(name.strip()) else name


def names_tool(name: str) -> bool:
    """Whether the name of a span says that a tool works in it."""
    return _TOOL.match(name.strip()) is not None


def agent_name(name: str) -> str:
    """An agent's own name in the name of a span (`invoke_agent Writer`, `writer_agent run`)."""
    found = name.strip()
    if match := _AGENT.match(found):
        found = found[match.end() :]
    return _RUN.sub("", found).strip("'\"") or name


def names_agent(name: str) -> bool:
    """Whether the name of a span says that an agent works in it."""
    return agent_name(name) != name


class Span(NamedTuple):
    """A piece of work that began, ended, and may be part of another one."""

    id: str
    parent: str | None = None
    agent: str | None = None
    """The agent whose work it is, where the span itself says so; else it is that of a span above it."""
    step: Step | None = None
    """What a model or a tool did in it; the agent of a model's step is filled in later."""
    response: str | None = None
    """The provider's id of the answer."""
    started: float | None = None
    ended: float | None = None
    arguments: Field | None = None
    """What a tool was given, to find the call that asked for it where the span has no id of it."""


def trace_of_spans(
    spans: Sequence[Span],
    *,
    format: str,  # noqa: A002
    name: str,
    task: str | None = None,
    agents: Iterable[Agent] = (),
    expected: str | None = None,
    outcome: Outcome | None = None,
) -> Trace:
    """The trace of a run's spans, in any order.

    Models' steps stand where they began and tools' where they ended: a tool that starts agents comes after
    them. The first model's step inside a tool read the call of the tool, and the tool read the last one.

    Raises:
        LogFormatError: nobody acts in the spans.
    """
    tree = _Tree(spans)
    acting = sorted((span for span in spans if span.step and not tree.seen_twice(span)), key=_place)
    steps = [_named(span, tree) for span in acting]
    steps = _asked_for(steps, acting, tree)
    place = {span.id: index for index, span in enumerate(acting)}
    return assemble(
        steps,
        format=format,
        name=name,
        task=task,
        agents=agents,
        expected=expected,
        outcome=outcome,
        responses={span.response: place[span.id] for span in acting if span.response},
        known=_nested(steps, acting, place, tree),
    )


class _Tree:
    """Spans by their ids, and the way up from each."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = {span.id: span for span in spans}
        self._within = {above.id: span for span in spans if _asks(span) for above in self._around(span)}

    def above(self, span: Span) -> list[Span]:
        """The spans that this one is part of, from the inside out."""
        found: list[Span] = []
        seen = {span.id}
        at = self._spans.get(span.parent or "")
        while at is not None and at.id not in seen and len(found) < _LONGEST_PATH:
            found.append(at)
            seen.add(at.id)
            at = self._spans.get(at.parent or "")
        return found

    def _around(self, span: Span) -> list[Span]:
        return [above for above in self.above(span) if _asks(above)]

    def seen_twice(self, span: Span) -> bool:
        """Whether a model's call was recorded again around it or inside it, and better there.

        A framework and the client below it may both be instrumented. The outer span stays, unless only the inner
        one knows what was asked.
        """
        if not _asks(span):
            return False
        inner = self._within.get(span.id)
        if inner is not None:
            return not _knows(span) and _knows(inner)
        return any(_knows(above) or not _knows(span) for above in self._around(span))

    def agent(self, span: Span) -> str | None:
        """Whose work a span is."""
        return next((s.agent for s in (span, *self.above(span)) if s.agent), None)


def _asks(span: Span) -> bool:
    return span.step is not None and span.step.kind == "llm"


def _knows(span: Span) -> bool:
    return span.step is not None and span.step.call is not None


def _place(span: Span) -> tuple[float, float]:
    tool = span.step is not None and span.step.kind == "tool"
    started, ended = span.started or span.ended or 0.0, span.ended or span.started or 0.0
    return (ended, ended) if tool else (started, ended)


def _named(span: Span, tree: _Tree) -> Step:
    assert span.step is not None  # noqa: S101
    agent = tree.agent(span) or span.step.agent or "agent"
    times = {"started": span.started, "ended": span.ended}
    if span.step.kind == "tool":
        audience = (agent,) if span.step.audience is None else span.step.audience
        return span.step.model_copy(update={"audience": audience, **times})
    call = span.step.call and span.step.call.model_copy(update={"agent": agent})
    return span.step.model_copy(update={"agent": agent, "call": call, **times})


def _asked_for(steps: list[Step], acting: Sequence[Span], tree: _Tree) -> list[Step]:
    """Tools whose span names no call get one: by the same agent, of this tool, not yet answered."""
    answered = {call.id for step in steps if step.kind == "tool" for call in _question(step)}
    waiting: list[tuple[str, ToolCall]] = []
    found: dict[int, Step] = {}
    for index in sorted(range(len(steps)), key=lambda i: acting[i].started or 0.0):
        step, span = steps[index], acting[index]
        if step.kind != "tool":
            waiting.extend((step.agent, call) for call in step.tool_calls if call.id and call.id not in answered)
            continue
        if any(call.id for call in _question(step)):
            continue
        alike = [(who, call) for who, call in waiting if call.name == step.agent]
        own = [pair for pair in alike if pair[0] == tree.agent(span)] or alike
        same = [pair for pair in own if same_arguments(pair[1], span.arguments)] or own
        if same:
            waiting.remove(same[0])
            found[index] = step.model_copy(update={"call": question_to_tool(same[0][1])})
    return [found.get(index, step) for index, step in enumerate(steps)]


def _question(step: Step) -> tuple[ToolCall, ...]:
    return tuple(call for message in (step.call.messages if step.call else ()) for call in message.tool_calls)


def _nested(
    steps: Sequence[Step], acting: Sequence[Span], place: Mapping[str, int], tree: _Tree
) -> dict[int, list[Read]]:
    inside: dict[int, list[int]] = {}
    for index, span in enumerate(acting):
        tool = next((place[s.id] for s in tree.above(span) if s.step and s.step.kind == "tool"), None)
        if tool is not None and steps[index].kind == "llm":
            inside.setdefault(tool, []).append(index)
    asking = {call.id: i for i, step in enumerate(steps) for call in step.tool_calls if call.id}
    known: dict[int, list[Read]] = {}
    for tool, within in inside.items():
        asked = next((asking[call.id] for call in _question(steps[tool]) if call.id in asking), None)
        if asked is not None:
            known.setdefault(within[0], []).append(Read(asked, "tool call"))
        said = steps[within[-1]].output.strip()
        relayed = bool(said) and said in steps[tool].output
        known.setdefault(tool, []).append(Read(within[-1], "verbatim" if relayed else "order"))
    return known
