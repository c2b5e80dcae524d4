"""Spans by the OpenInference conventions (`openinference.span.kind`), as Phoenix collects them."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from butfor.cache.call import Call, Message, Tool, ToolCall, Usage
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field
from butfor.replay.reading.messages import Answer, answer, arguments, plain, question_to_tool, role, tool
from butfor.replay.reading.question import question
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.spans import Span, agent_name, names_agent, tool_name, trace_of_spans
from butfor.replay.trace import Step, Trace

from .otel import OtelSpan, begins_with_spans, indexed, read_spans

FORMAT = "openinference"
_HANDOFF = re.compile(r"handoff to (.+)")
_RESPONSE_PARTS = frozenset(
    {"id", "created_at", "instructions", "metadata", "model", "output", "usage", "status", "error"}
)
"""What some instrumentations copy among the parameters from the answer."""


def sniff(head: str) -> bool:
    """Spans with an attribute of OpenInference's."""
    return begins_with_spans(head, openinference=True)


def load(text: str, *, name: str) -> Trace:
    """The trace of the only run in a file of spans.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several runs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The runs in a file of spans, by their trace ids."""
    traces = read_spans(text, name=name)
    acting = {trace: spans for trace, spans in traces.items() if any(_kind(s) in _ACTS for s in spans)}
    return {trace: _run(spans, name_of(name, trace, len(acting))) for trace, spans in acting.items()}


_ACTS = ("LLM", "TOOL", "RETRIEVER")


def _run(spans: list[OtelSpan], name: str) -> Run:
    return lambda: trace_of_spans([_span(span) for span in spans], format=FORMAT, name=name)


def _kind(span: OtelSpan) -> str:
    return (span.text("openinference.span.kind") or "").upper()


def _span(span: OtelSpan) -> Span:
    kind = _kind(span)
    named = agent_name(span.name) if names_agent(span.name) else None
    agent = span.text("agent.name", "graph.node.id") or named if kind in ("AGENT", "CHAIN", "") else None
    tool = kind in ("TOOL", "RETRIEVER")
    body = span.parsed("output.value")
    response = body.get("id") if kind == "LLM" and body is not None and body.is_object else None
    return Span(
        id=span.id,
        parent=span.parent,
        agent=agent,
        step=_asked(span) if kind == "LLM" else _tool(span) if tool else None,
        response=plain(response) if response is not None else None,
        started=span.started,
        ended=span.ended,
        arguments=span.parsed("input.value", "tool.parameters") if tool else None,
    )


def _asked(span: OtelSpan) -> Step:
    attributes = span.attributes.fields()
    given = tuple(_message(item) for item in indexed(attributes, "llm.input_messages"))
    said = [_message(item) for item in indexed(attributes, "llm.output_messages")]
    if said:
        calls = tuple(call for m in said for call in m.tool_calls)
        found = Answer("\n".join(m.text for m in said if m.text), calls)
    else:
        body = span.parsed("output.value")
        found = answer(body) if body is not None else Answer("")
    tools = _tools(attributes)
    if not given and (asked := span.parsed("input.value")) is not None:
        given, offered = question(asked)
        tools = tools or offered
    provider, model = span.text("llm.provider", "llm.system"), span.text("llm.model_name")
    named = f"{provider}:{model}" if provider and model else model or UNKNOWN_MODEL
    call = Call(model=named, messages=given, tools=tools, params=_params(span)) if given else None
    return Step(
        index=0,
        agent="",
        output=found.text,
        tool_calls=found.tool_calls,
        call=call,
        usage=_usage(span),
        error=span.error,
    )


def _message(item: Mapping[str, Field]) -> Message:
    calls = tuple(_call(call) for call in indexed(item, "message.tool_calls"))
    parts = [part.get("message_content.text") for part in indexed(item, "message.contents")]
    texts = [plain(part) for part in parts if part is not None]
    content = item.get("message.content")
    called, named = item.get("message.tool_call_id"), item.get("message.name")
    return Message(
        role=role(item["message.role"]) if "message.role" in item else "user",
        content=plain(content) if content is not None else "\n".join(texts) or None,
        name=plain(named) if named is not None else None,
        tool_calls=calls,
        tool_call_id=plain(called) if called is not None else None,
    )


def _call(item: Mapping[str, Field]) -> ToolCall:
    return ToolCall(
        id=plain(item.get("tool_call.id")),
        name=plain(item.get("tool_call.function.name")),
        arguments=arguments(item.get("tool_call.function.arguments")),
    )


def _tools(attributes: Mapping[str, Field]) -> tuple[Tool, ...]:
    schemas = (item.get("tool.json_schema") for item in indexed(attributes, "llm.tools"))
    return tuple(tool(schema.parsed()) for schema in schemas if schema is not None)


def _params(span: OtelSpan) -> dict[str, JsonValue]:
    given = span.parsed("llm.invocation_parameters")
    if given is None or not given.is_object:
        return {}
    return {key: value.json() for key, value in given.fields().items() if key not in _RESPONSE_PARTS}


def _usage(span: OtelSpan) -> Usage | None:
    read = span.attributes.get("llm.token_count.prompt")
    wrote = span.attributes.get("llm.token_count.completion")
    if read is None and wrote is None:
        return None
    return Usage(input_tokens=read.integer() if read else 0, output_tokens=wrote.integer() if wrote else 0)


def _tool(span: OtelSpan) -> Step:
    handed = _HANDOFF.fullmatch(span.name)
    named = span.text("tool.name") or tool_name(span.name)
    if handed:  # the name that the framework gives the tool by which it hands over
        named = "transfer_to_" + re.sub(r"\W", "_", handed[1].lower())
    given = None if handed else span.attributes.get("input.value")
    call = ToolCall(id=span.text("tool_call.id", "tool.id") or "", name=named, arguments=arguments(given))
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=span.text("output.value") or _documents(span),
        call=question_to_tool(call),
        error=span.error,
    )


def _documents(span: OtelSpan) -> str:
    """What a retriever found, where its output is kept as documents."""
    found = indexed(span.attributes.fields(), "retrieval.documents")
    return "\n\n".join(plain(item["document.content"]) for item in found if "document.content" in item)
