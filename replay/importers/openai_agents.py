"""The OpenAI Agents SDK's traces, as a tracing processor exports them.

On the Responses API an exported span holds neither prompt nor answer, only which tools were run next and
to whom the run was handed over; then the rules of the SDK say who heard what: the agents of one run share
its history, and a run inside a tool is its own. Where a processor kept input and output, they are read.
"""

import re
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from butfor.cache.call import Call, Message, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import Answer, answer, arguments, message, plain, question_to_tool, tools, usage
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.spans import Span, trace_of_spans
from butfor.replay.trace import Step, Trace

FORMAT = "openai-agents"


def sniff(head: str) -> bool:
    """Spans with the SDK's own data."""
    found = keys(head).keys()
    return "span_data" in found or {"object", "workflow_name"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace of the only run in a file of spans.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several runs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The runs in a file of spans, by their trace ids."""
    traces: dict[str, list[Field]] = {}
    for record in parse_records(text, name=name):
        if record.get("span_data") is not None:
            traces.setdefault(record.text("trace_id"), []).append(record)
    return {trace: _run(spans, name_of(name, trace, len(traces))) for trace, spans in traces.items()}


def _run(spans: list[Field], name: str) -> Run:
    return lambda: trace_of_spans(_Spans(spans).all(), format=FORMAT, name=name)


class _Spans:
    """The spans of a run, and what each one's surroundings say of it."""

    def __init__(self, records: Sequence[Field]) -> None:
        self._records = sorted(records, key=lambda record: record.time("started_at") or 0.0)
        self._by_id = {record.text("id"): record for record in records}
        self._members: dict[str, dict[str, None]] = {}
        for record in self._records:
            if _kind(record) in ("response", "generation", "function", "handoff"):
                heard = self._members.setdefault(self._room(record), {})
                heard[_tool_name(record) or self._agent(record)] = None

    def all(self) -> list[Span]:
        """The spans as steps and agents."""
        return [self._span(record) for record in self._records]

    def _span(self, record: Field) -> Span:
        kind, data = _kind(record), record.need("span_data")
        step = None
        if kind in ("response", "generation"):
            step = self._asked(record, data)
        elif kind in ("function", "handoff"):
            step = self._tool(record, data)
        response = data.maybe_text("response_id") if kind == "response" else None
        return Span(
            id=record.text("id"),
            parent=record.maybe_text("parent_id"),
            agent=self._agent(record) if step else data.maybe_text("name") if kind == "agent" else None,
            step=step,
            response=response,
            started=record.time("started_at"),
            ended=record.time("ended_at"),
        )

    def _above(self, record: Field) -> list[Field]:
        found: list[Field] = []
        at = self._by_id.get(record.maybe_text("parent_id") or "")
        while at is not None and at not in found:
            found.append(at)
            at = self._by_id.get(at.maybe_text("parent_id") or "")
        return found

    def _agent(self, record: Field) -> str:
        for above in self._above(record):
            data = above.need("span_data")
            turn = data.dig("data", "agent_name")
            if turn is not None:
                return turn.text()
            if _kind(above) == "agent":
                return data.text("name")
        return "agent"

    def _room(self, record: Field) -> str:
        """The tool inside which a span happened: those in the same room share one history."""
        return next((above.text("id") for above in self._above(record) if _kind(above) == "function"), "")

    def _heard_by(self, record: Field) -> tuple[str, ...] | None:
        room = self._room(record)
        outside = self._by_id.get(room)
        asked_by = (_tool_name(outside),) if outside is not None else ()
        return (*self._members.get(room, {}), *(found for found in asked_by if found)) if self._rooms else None

    @property
    def _rooms(self) -> bool:
        return len(self._members) > 1

    def _asked(self, record: Field, data: Field) -> Step:
        said = _said(data)
        calls = said.tool_calls or self._calls_after(record)
        given = _input(data)
        return Step(
            index=0,
            agent="",
            output=said.text,
            tool_calls=calls,
            audience=self._heard_by(record),
            call=_call(data, given) if given else None,
            usage=usage(data.get("usage")),
            error=_error(record),
        )

    def _calls_after(self, record: Field) -> tuple[ToolCall, ...]:
        """The tools that ran in the same turn, next: they are what the model asked for."""
        parent, began = record.maybe_text("parent_id"), record.time("started_at") or 0.0
        siblings = [r for r in self._records if parent and r.maybe_text("parent_id") == parent]
        models = (r.time("started_at") or 0.0 for r in siblings if _kind(r) in ("response", "generation"))
        until = min((time for time in models if time > began), default=float("inf"))
        return tuple(
            _question(r)
            for r in siblings
            if _kind(r) in ("function", "handoff") and began <= (r.time("started_at") or 0.0) < until
        )

    def _tool(self, record: Field, data: Field) -> Step:
        output = data.get("output") or data.get("to_agent")
        known = {call.id for r in self._records if _kind(r) in ("response", "generation") for call in _said_calls(r)}
        call = _question(record)
        if known:  # real ids are at hand, and the call is found by its name and arguments
            call = call.model_copy(update={"id": ""})
        return Step(
            index=0,
            agent=call.name,
            kind="tool",
            output=plain(output),
            audience=self._heard_by(record),
            call=question_to_tool(call),
            error=_error(record),
        )


def _kind(record: Field) -> str:
    return record.need("span_data").text("type")


def _tool_name(record: Field) -> str | None:
    data = record.need("span_data")
    if _kind(record) == "handoff":  # the SDK's own name for the tool by which a run is handed over
        return "transfer_to_" + re.sub(r"\W", "_", (data.maybe_text("to_agent") or "agent").lower())
    return data.text("name") if _kind(record) == "function" else None


def _question(record: Field) -> ToolCall:
    """A tool's call; its span's id stands for the call's, which is not exported."""
    given = record.need("span_data").get("input")
    return ToolCall(id=record.text("id"), name=_tool_name(record) or "tool", arguments=arguments(given))


def _said(data: Field) -> Answer:
    found = data.get("response") or data.get("output")
    return answer(found.parsed()) if found is not None else Answer("")


def _said_calls(record: Field) -> tuple[ToolCall, ...]:
    return _said(record.need("span_data")).tool_calls


def _input(data: Field) -> tuple[Message, ...]:
    found = data.get("input")
    if found is None:
        return ()
    instructions = data.dig("response", "instructions")
    system = (Message(role="system", content=plain(instructions)),) if instructions is not None else ()
    found = found.parsed()
    if not found.is_list:
        return (*system, Message(role="user", content=plain(found)))
    return (*system, *(_item(item) for item in found.items()))


def _item(item: Field) -> Message:
    """A message, or one of the other items in the input of the Responses API."""
    kind = item.maybe_text("type")
    if kind == "function_call":
        named, given = item.text("name"), arguments(item.get("arguments"))
        call = ToolCall(id=item.maybe_text("call_id") or "", name=named, arguments=given)
        return Message(role="assistant", tool_calls=(call,))
    if kind == "function_call_output":
        return Message(role="tool", content=plain(item.get("output")), tool_call_id=item.text("call_id"))
    if item.get("role") is None:
        return Message(role="assistant", content=(item.json(),))
    return message(item)


def _call(data: Field, given: tuple[Message, ...]) -> Call:
    config = data.get("model_config")
    params: dict[str, JsonValue] = {}
    for key, value in (config.fields() if config is not None and config.is_object else {}).items():
        params[key] = value.json()
    model = data.maybe_text("model") or data.dig("response", "model")
    before = data.dig("response", "previous_response_id")
    if before is not None:
        params["previous_response_id"] = before.json()
    return Call(
        model=plain(model) if isinstance(model, Field) else model or UNKNOWN_MODEL,
        messages=given,
        tools=tools(data.dig("response", "tools")),
        params=params,
    )


def _error(record: Field) -> str | None:
    found = record.get("error")
    if found is None:
        return None
    return found.maybe_text("message") or plain(found) if found.is_object else plain(found)
