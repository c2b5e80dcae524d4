"""CrewAI's event bus, one event a line: model calls with their inputs, tools, and their tasks."""

import ast
import json
import re
from collections.abc import Mapping

from pydantic import JsonValue

from butfor.cache.call import Call, Message, Tool, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, content, plain, question_to_tool, role, tool_call, usage
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.spans import Span, trace_of_spans
from butfor.replay.trace import Step, Trace

FORMAT = "crewai"
_PARAMS = (
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "n",
)
_LONGEST_REPR = 200_000
_EVENT = re.compile(
    r'"type"\s*:\s*"(?:crew_kickoff|crew_test|task|agent_execution|llm_call|tool_usage)_(?:started|completed)"'
)
_ENDS = {"completed": "started", "failed": "started", "finished": "started", "error": "started"}


def sniff(head: str) -> bool:
    """Events with their place in the order of emission, or by the kinds that they name."""
    found = keys(head).keys()
    return {"emission_sequence", "type"} <= found or (
        bool({"type", "events/type"} & found) and bool(_EVENT.search(head))
    )


def load(text: str, *, name: str) -> Trace:
    """The trace of the only kickoff in a file of events.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several kickoffs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The kickoffs in a file of events, by their event ids."""
    events = _events(parse_records(text, name=name))
    by_id = {found: event for event in events if (found := event.maybe_text("event_id"))}
    kickoffs: dict[str, list[Field]] = {}
    for event in events:
        root = _root(event, by_id)
        if root.text("type") == "crew_kickoff_started":
            kickoffs.setdefault(root.text("event_id"), []).append(event)
    if len(kickoffs) <= 1:
        return {next(iter(kickoffs), "run"): lambda: _trace(events, name)}
    return {found: _run(own, name_of(name, found, len(kickoffs))) for found, own in kickoffs.items()}


def _events(records: list[Field]) -> list[Field]:
    """The events, each with an id; where none has a place in the order, what ends something goes to what began it."""
    events = [event for record in records for event in _listed(record)]
    if all(event.get("event_id") is not None for event in events):
        return events
    open_: dict[str, list[str]] = {}
    found: list[Field] = []
    for index, event in enumerate(events):
        values = {key: field.value for key, field in event.fields().items()}
        values.setdefault("event_id", f"event-{index}")
        what, _, phase = event.text("type").rpartition("_")
        if phase == "started":
            open_.setdefault(what, []).append(str(values["event_id"]))
        elif phase in _ENDS and open_.get(what):
            values.setdefault("started_event_id", open_[what].pop())
        found.append(Field(values, event.name, event.path))
    return found


def _listed(record: Field) -> list[Field]:
    listed = record.get("events")
    return listed.items() if listed is not None and listed.is_list else [record]


def _run(events: list[Field], name: str) -> Run:
    return lambda: _trace(events, name)


def _root(event: Field, by_id: Mapping[str, Field]) -> Field:
    """The event that an event is part of; one that ends something is part of what began it."""
    seen = {id(event)}
    while True:
        above = event.maybe_text("parent_event_id") or event.maybe_text("started_event_id")
        found = by_id.get(above or "")
        if found is None or id(found) in seen:
            return event
        event = found
        seen.add(id(event))


def _trace(events: list[Field], name: str) -> Trace:
    started = {event.text("event_id"): event for event in events if event.text("type").endswith("_started")}
    asked = (event for event in events if event.text("type") == "llm_call_started")
    calls = {found: event for event in asked if (found := event.maybe_text("call_id"))}
    spans = [_span(event, started, calls) for event in events]
    role = next((found for event in events if (found := _spoken(event))), None)
    if role and not any(event.maybe_text("agent_role") for event in events):
        spans = [span._replace(agent=span.agent or role) for span in spans]
    tasks = dict.fromkeys(_task(event) for event in events if event.text("type") == "task_started")
    task = "\n".join(found for found in tasks if found) or None
    return trace_of_spans(spans, format=FORMAT, name=name, task=task)


_ROLE = re.compile(r"\s*You are (?P<role>[^\n.]{1,80})\.")


def _spoken(event: Field) -> str | None:
    """The agent's role as its prompt says it, where no event names the agent."""
    asked = event.get("messages") if event.text("type") == "llm_call_started" else None
    for item in asked.items() if asked is not None and asked.is_list else ():
        text = plain(item.get("content")) if item.is_object else ""
        if match := _ROLE.match(text):
            return match["role"].strip()
    return None


def _task(event: Field) -> str:
    described = event.dig("task", "description") or event.get("description")
    return described.text() if described is not None else event.maybe_text("task_name") or ""


def _span(event: Field, started: Mapping[str, Field], calls: Mapping[str, Field]) -> Span:
    kind = event.text("type")
    begun = started.get(event.maybe_text("started_event_id") or "", event)
    step = None
    if kind in ("llm_call_completed", "llm_call_failed"):
        begun = calls.get(event.maybe_text("call_id") or "", begun)
        step = _asked(event, begun)
    elif kind in ("tool_usage_finished", "tool_usage_error"):
        step = _tool(event)
    elif kind in ("crew_kickoff_failed", "task_failed"):
        step = Step(index=0, agent="crew", kind="control", output="", error=event.maybe_text("error") or kind)
    role_of = event.maybe_text("agent_role") or (begun.maybe_text("agent_role") if step else None)
    acts = step is not None
    return Span(
        id=begun.text("event_id") if acts else event.text("event_id"),
        parent=event.maybe_text("parent_event_id"),
        agent=role_of.strip() if role_of else None,
        step=step,
        response=event.maybe_text("response_id") if acts else None,
        started=begun.time("timestamp"),
        ended=event.time("timestamp"),
        arguments=event.get("tool_args"),
    )


def _asked(event: Field, begun: Field) -> Step:
    response = event.get("response")
    calls: tuple[ToolCall, ...] = ()
    if response is not None and response.is_list:
        calls = tuple(_call(item) for item in response.items())
    asked = begun.get("messages") or event.get("messages")
    return Step(
        index=0,
        agent="",
        output="" if calls else plain(response),
        tool_calls=calls,
        call=_question(begun, asked) if asked is not None else None,
        usage=usage(event.get("usage")),
        error=event.maybe_text("error"),
    )


def _question(begun: Field, asked: Field) -> Call:
    params: dict[str, JsonValue] = {key: value.json() for key in _PARAMS if (value := begun.get(key)) is not None}
    if stops := begun.listed("stop_sequences"):
        params["stop"] = [plain(stop) for stop in stops]
    given = asked.items() if asked.is_list else [Field({"role": "user", "content": asked.text()}, asked.name)]
    return Call(
        model=begun.maybe_text("model") or UNKNOWN_MODEL,
        messages=tuple(_message(item) for item in given),
        tools=tuple(_described(item) for item in begun.listed("tools")),
        params=params,
    )


def _message(item: Field) -> Message:
    return Message(
        role=role(item.need("role")),
        content=content(item.get("content")),
        name=item.maybe_text("name"),
        tool_calls=tuple(_call(call) for call in item.listed("tool_calls")),
        tool_call_id=item.maybe_text("tool_call_id"),
    )


def _tool(event: Field) -> Step:
    named = event.text("tool_name")
    failure = event.maybe_text("error") or (plain(event.get("failure")) if event.get("failure") else None)
    call = ToolCall(id="", name=named, arguments=arguments(event.get("tool_args")))
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=plain(event.get("output")),
        call=question_to_tool(call),
        error=failure,
    )


def _call(item: Field) -> ToolCall:
    return tool_call(_unquoted(item))


def _described(item: Field) -> Tool:
    function = _unquoted(item.get("function") or item)
    found = function.get("parameters")
    schema = found.fields() if found is not None and found.is_object else {}
    return Tool(
        name=function.text("name"),
        description=function.maybe_text("description") or "",
        parameters={key: value.json() for key, value in schema.items()},
    )


def _unquoted(field: Field) -> Field:
    """A value without the `repr` that CrewAI writes in place of whatever is nested deeply."""
    if field.is_object:
        return Field({key: _unquoted(value).value for key, value in field.fields().items()}, field.name, field.path)
    if not field.is_text or field.text()[:1] not in ("'", '"', "{", "["):
        return field
    text = field.text()
    try:
        value = ast.literal_eval(text) if len(text) <= _LONGEST_REPR else text
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return field
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return _unquoted(Field(value, field.name, field.path))
    return Field(value if isinstance(value, str) else field.value, field.name, field.path)
