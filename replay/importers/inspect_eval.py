"""Inspect's logs, `.eval` archives and their JSON form: one run for each sample and epoch.

Messages that several events share are kept once, in a pool that events point into, and long texts once
more, as attachments; both are put back. Scores become the outcome, and the target the expected answer.
"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from butfor.cache.call import Call, Message, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field, parse_json
from butfor.replay.reading.messages import (
    arguments,
    logprobs,
    message,
    plain,
    question_to_tool,
    tool_calls,
    tools,
    usage,
)
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.spans import Span, trace_of_spans
from butfor.replay.trace import Outcome, Step, Trace

FORMAT = "inspect"
_ATTACHED = "attachment://"
_RIGHT: dict[JsonValue, bool] = {"C": True, "I": False, "P": False, "N": False, 1: True, 0: False}


def sniff(head: str) -> bool:
    """A log with the evaluation's description in it, alone or as an archive's header."""
    found = keys(head).keys()
    return {"eval/task", "eval/model"} <= found or {"header/eval/task", "header/eval/model"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace of the only sample in a log.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several samples.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The samples of a log, as `ID_epoch_N`."""
    log = Field(parse_json(text, name=name), name)
    samples = {
        f"{plain(sample.need('id'))}_epoch_{plain(sample.get('epoch')) or 1}": sample
        for sample in log.listed("samples")
    }
    return {found: _run(sample, name_of(name, found, len(samples))) for found, sample in samples.items()}


def _run(sample: Field, name: str) -> Run:
    return lambda: _Sample(sample).trace(name)


class _Sample:
    """One sample's events, with its pool of messages and its attachments."""

    def __init__(self, sample: Field) -> None:
        self._sample = sample
        attached = sample.get("attachments")
        self._attached = {key: found.text() for key, found in (attached.fields() if attached else {}).items()}
        pool = sample.dig("events_data", "messages")
        self._pool = pool.items() if pool is not None else []
        self._events = [Field(self._whole(e.value), e.name, e.path) for e in sample.listed("events")]
        self._begun = {event.text("id"): event for event in self._events if event.maybe_text("event") == "span_begin"}
        self._taken: set[str] = set()

    def trace(self, name: str) -> Trace:
        """The trace of the sample."""
        acts = [span for event in self._events if (span := self._act(event)) is not None]
        spans = [self._span(event) for key, event in self._begun.items() if key not in self._taken]
        return trace_of_spans(
            [*spans, *acts, *self._ends()],
            format=FORMAT,
            name=name,
            task=self._task(),
            expected=self._target(),
            outcome=self._outcome(),
        )

    def _whole(self, value: object, depth: int = 0) -> object:
        """A value with its attachments put back."""
        if isinstance(value, str) and value.startswith(_ATTACHED):
            return self._attached.get(value.removeprefix(_ATTACHED), value)
        if depth > 100:
            return value
        if isinstance(value, list):
            return [self._whole(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: self._whole(item, depth + 1) for key, item in value.items()}
        return value

    def _span(self, event: Field) -> Span:
        kind = event.maybe_text("type")
        agent = event.maybe_text("name") if kind in ("agent", "solver") else None
        return Span(id=event.text("id"), parent=event.maybe_text("parent_id"), agent=agent)

    def _act(self, event: Field) -> Span | None:
        kind = event.maybe_text("event")
        if kind not in ("model", "tool") or (event.get("pending") is not None and event.get("completed") is None):
            return None
        identifier, parent = event.maybe_text("uuid") or event.where, event.maybe_text("span_id")
        started, ended = event.time("timestamp"), event.time("completed")
        if kind == "model":
            step = self._asked(event)
            response = event.dig("output", "response_id")
            found = plain(response) if response is not None else None
            return Span(identifier, parent, None, step, found, started, ended)
        if event.get("agent") is not None:  # a handover is done when the other agent begins, not when it ends
            return Span(identifier, parent, None, _tool(event), None, started, started)
        own = self._begun_for(event)
        if own is not None:
            self._taken.add(own.text("id"))
            identifier, parent = own.text("id"), own.maybe_text("parent_id")
        return Span(identifier, parent, None, _tool(event), None, started, ended)

    def _begun_for(self, event: Field) -> Field | None:
        """The span of a tool's own work, which its event stands beside."""
        named, outside = event.text("function"), event.maybe_text("span_id")
        return next(
            (
                span
                for key, span in self._begun.items()
                if key not in self._taken
                and span.maybe_text("type") == "tool"
                and span.maybe_text("name") == named
                and span.maybe_text("parent_id") == outside
            ),
            None,
        )

    def _asked(self, event: Field) -> Step:
        output = event.get("output")
        choices = output.listed("choices") if output is not None else []
        said = choices[0].get("message") if choices else None
        given = self._input(event)
        error = event.maybe_text("error") or (output.maybe_text("error") if output is not None else None)
        return Step(
            index=0,
            agent="",
            output=message(said).text if said is not None else "",
            tool_calls=tool_calls(said) if said is not None else (),
            call=_call(event, given) if given else None,
            usage=usage(output.get("usage")) if output is not None else None,
            logprobs=logprobs(choices[0].get("logprobs")) if choices else None,
            error=error,
        )

    def _input(self, event: Field) -> tuple[Message, ...]:
        given = event.listed("input")
        for reference in event.listed("input_refs"):
            bounds = reference.items()
            if len(bounds) != 2:
                raise reference.wrong("the two ends of a range of messages")
            first, end = bounds[0].integer(), bounds[1].integer()
            if not 0 <= first <= end <= len(self._pool):
                raise reference.wrong(f"a range within the {len(self._pool)} messages of the pool")
            pooled = self._pool[first:end]
            given = given + [Field(self._whole(item.value), item.name, item.path) for item in pooled]
        return tuple(message(item) for item in given)

    def _task(self) -> str | None:
        given = self._sample.get("input")
        if given is None or given.is_text:
            return None if given is None else str(self._whole(given.text()))
        asked = [message(item) for item in given.items()]
        return next((m.text for m in reversed(asked) if m.role == "user"), None)

    def _target(self) -> str | None:
        target = self._sample.get("target")
        return plain(target) or None if target is not None else None

    def _outcome(self) -> Outcome | None:
        scores = self._sample.get("scores")
        found = list((scores.fields() if scores is not None else {}).values())
        values = [_right(score.get("value")) for score in found]
        if not values or any(value is None for value in values):
            return None
        told = [plain(score.get("explanation")) for score in found]
        answers = [plain(score.get("answer")) for score in found if score.get("answer") is not None]
        return Outcome(
            success=all(values),
            answer=answers[0] if answers else None,
            explanation="\n".join(text for text in told if text),
        )

    def _ends(self) -> list[Span]:
        """What stopped the sample before it was done."""
        found: list[Span] = []
        for key in ("error", "limit"):
            stopped = self._sample.get(key)
            if stopped is not None:
                kind = stopped.maybe_text("type") if stopped.is_object else None
                text = (stopped.maybe_text("message") if stopped.is_object else None) or f"{kind or 'a'} {key}"
                end = self._sample.time("completed_at") or 1e12
                step = Step(index=0, agent="inspect", kind="control", output="", error=text)
                found.append(Span(f"{key} of the sample", None, "inspect", step, None, end, end))
        return found


def _call(event: Field, given: Sequence[Message]) -> Call:
    params: dict[str, JsonValue] = {}
    config = event.get("config")
    for key, value in (config.fields() if config is not None else {}).items():
        params[key] = value.json()
    if (choice := event.get("tool_choice")) is not None:
        params["tool_choice"] = choice.json()
    model = event.maybe_text("model")
    return Call(
        model=model.replace("/", ":", 1) if model else UNKNOWN_MODEL,
        messages=tuple(given),
        tools=tools(event.get("tools")),
        params=params,
    )


def _tool(event: Field) -> Step:
    named = event.text("function")
    call = ToolCall(id=event.maybe_text("id") or "", name=named, arguments=arguments(event.get("arguments")))
    problem = event.get("error")
    error = problem.maybe_text("message") if problem is not None and problem.is_object else None
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=plain(event.get("result")),
        call=question_to_tool(call),
        error=error or (plain(problem) if problem is not None else None),
    )


def _right(value: Field | None) -> bool | None:
    if value is None or value.is_list or value.is_object:
        return None
    return _RIGHT.get(value.json())
