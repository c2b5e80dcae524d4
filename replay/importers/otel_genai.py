"""OpenTelemetry spans of generative AI (`gen_ai.*`), both generations of the conventions.

Inputs and outputs are taken from span attributes (`gen_ai.input.messages`), from the older events, one
for each message (`gen_ai.user.message`, `gen_ai.choice`), or from numbered ones
(`gen_ai.prompt.0.content`). The Microsoft Agent Framework, pydantic-ai and many others write their logs
so. AutoGen's spans hold no inputs; the messages that its agents sent each other are read instead.
"""

import json
from collections.abc import Mapping

from pydantic import JsonValue

from butfor.cache.call import Call, Message, Tool, ToolCall, Usage
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field
from butfor.replay.reading.messages import (
    Answer,
    answer,
    arguments,
    message,
    messages,
    plain,
    question_to_tool,
    role,
    tool_calls,
    tools,
)
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.spans import Span, trace_of_spans
from butfor.replay.trace import Agent, Step, Trace

from . import autogen
from .otel import OtelSpan, begins_with_spans, indexed, read_spans

FORMAT = "otel-genai"
_MODELS = frozenset({"chat", "generate_content", "text_completion", "completion"})
_PARAMS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "stop_sequences": "stop",
}
_EVENTS = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def sniff(head: str) -> bool:
    """Spans, with no attribute of OpenInference's."""
    return begins_with_spans(head, openinference=False)


def load(text: str, *, name: str) -> Trace:
    """The trace of the only run in a file of spans.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several runs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The runs in a file of spans, by their trace ids."""
    traces = read_spans(text, name=name)
    everything = [span for spans in traces.values() for span in spans]
    if any(span.text("gen_ai.system") == "autogen" for span in everything):
        return {everything[0].trace: lambda: _autogen(everything, name)}
    acting = {trace: spans for trace, spans in traces.items() if any(map(_operation, spans))}
    return {trace: _run(spans, name_of(name, trace, len(acting))) for trace, spans in acting.items()}


def _run(spans: list[OtelSpan], name: str) -> Run:
    return lambda: _trace(spans, name)


def _trace(spans: list[OtelSpan], name: str) -> Trace:
    responses = {found for span in spans if (found := span.text("gen_ai.response.id"))}
    parents = {span.id: span for span in spans}
    thinking = {span.id for span in spans if _operation(span) in _MODELS}
    asked_within = {above.id for span in spans if span.id in thinking for above in _above(span, parents)}
    acting = [_span(span, parents, responses, lone=span.id not in asked_within) for span in spans]
    return trace_of_spans(_with_results(acting), format=FORMAT, name=name, agents=_described(spans))


def _operation(span: OtelSpan) -> str | None:
    """What a span does, by its operation, or by what only such spans have."""
    named = span.text("gen_ai.operation.name", "llm.request.type")
    if named:
        return named
    if span.attributes.get("gen_ai.tool.name") or span.text("traceloop.span.kind") == "tool":
        return "execute_tool"
    return "chat" if span.attributes.get("gen_ai.request.model") else None


def _above(span: OtelSpan, parents: Mapping[str, OtelSpan]) -> list[OtelSpan]:
    found: list[OtelSpan] = []
    at = parents.get(span.parent or "")
    while at is not None and at not in found:
        found.append(at)
        at = parents.get(at.parent or "")
    return found


def _span(span: OtelSpan, parents: Mapping[str, OtelSpan], responses: set[str], *, lone: bool) -> Span:
    operation = _operation(span)
    step = None
    if operation in _MODELS or (operation == "invoke_agent" and lone):
        step = _asked(span, parents, responses)
    elif operation == "execute_tool":
        step = _tool(span)
    agent = span.text("gen_ai.agent.name", "agent_name")
    if agent is None and span.text("traceloop.span.kind") == "agent":
        agent = span.text("traceloop.entity.name")
    return Span(
        id=span.id,
        parent=span.parent,
        agent=agent,
        step=step,
        response=span.text("gen_ai.response.id") if step else None,
        started=span.started,
        ended=span.ended,
        arguments=span.parsed("gen_ai.tool.call.arguments", "traceloop.entity.input"),
    )


def _asked(span: OtelSpan, parents: Mapping[str, OtelSpan], responses: set[str]) -> Step:
    given, said = _input(span), _output(span)
    params: dict[str, JsonValue] = {}
    for attribute, param in _PARAMS.items():
        if value := span.attributes.get(f"gen_ai.request.{attribute}"):
            params[param] = value.json()
    before = span.text("gen_ai.conversation.id")
    if before in responses:
        params["previous_response_id"] = before
    provider = span.text("gen_ai.provider.name", "gen_ai.system")
    model = span.text("gen_ai.request.model", "gen_ai.response.model")
    named = f"{provider}:{model}" if provider and model else model or UNKNOWN_MODEL
    call = Call(model=named, messages=given, tools=_tools(span, parents), params=params) if given else None
    return Step(
        index=0,
        agent="",
        output=said.text,
        tool_calls=said.tool_calls,
        call=call,
        usage=_usage(span),
        error=span.error,
    )


def _tools(span: OtelSpan, parents: Mapping[str, OtelSpan]) -> tuple[Tool, ...]:
    for at in (span, *_above(span, parents)):
        if (found := at.parsed("gen_ai.tool.definitions")) is not None:
            return tools(found)
        if _operation(at) == "invoke_agent":
            break
    return ()


def _tool(span: OtelSpan) -> Step:
    named = span.text("gen_ai.tool.name", "traceloop.entity.name") or span.name
    given = span.attributes.get("gen_ai.tool.call.arguments") or span.attributes.get("tool_arguments")
    call = ToolCall(id=span.text("gen_ai.tool.call.id") or "", name=named, arguments=arguments(given))
    output = span.text("gen_ai.tool.call.result", "tool_response", "traceloop.entity.output")
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=output or "",
        call=question_to_tool(call),
        error=span.error,
    )


def _input(span: OtelSpan) -> tuple[Message, ...]:
    found: list[Message] = []
    instructions = span.parsed("gen_ai.system_instructions")
    if instructions is not None:
        found.append(Message(role="system", content=plain(instructions)))
    given = span.parsed("gen_ai.input.messages", "gen_ai.prompt")
    if given is not None and given.is_list:
        found += [part for item in given.items() for part in messages(item)]
    elif given is not None:
        found.append(Message(role="user", content=plain(given)))
    found += [_numbered(item) for item in indexed(span.attributes.fields(), "gen_ai.prompt")]
    for name, event in span.events:
        if name in _EVENTS:
            found.append(_event(event, _EVENTS[name]))
        elif name == "gen_ai.content.prompt" and (body := event.get("gen_ai.prompt")) is not None:
            found += [message(item) for item in body.parsed().items()]
        elif name == "gen_ai.client.inference.operation.details":
            found += [part for item in _listed(event, "gen_ai.input.messages") for part in messages(item)]
    return tuple(found)


def _output(span: OtelSpan) -> Answer:
    said: list[Message] = []
    given = span.parsed("gen_ai.output.messages", "gen_ai.completion")
    if given is not None and given.is_list:
        said += [part for item in given.items() for part in messages(item)]
    elif given is not None:
        said.append(Message(role="assistant", content=plain(given)))
    said += [_numbered(item) for item in indexed(span.attributes.fields(), "gen_ai.completion")]
    for name, event in span.events:
        if name == "gen_ai.choice":
            body = _event_body(event)
            found = answer((body.get("message") or body).parsed())
            said.append(Message(role="assistant", content=found.text, tool_calls=found.tool_calls))
        elif name == "gen_ai.content.completion" and (text := event.get("gen_ai.completion")) is not None:
            found = answer(text.parsed())
            said.append(Message(role="assistant", content=found.text, tool_calls=found.tool_calls))
        elif name == "gen_ai.client.inference.operation.details":
            said += [part for item in _listed(event, "gen_ai.output.messages") for part in messages(item)]
    last = [m for m in said if m.role == "assistant"]
    if span.text("gen_ai.operation.name") == "invoke_agent":
        last = last[-1:]
    whole = "\n".join(m.text for m in last if m.text)
    return Answer(whole, tuple(call for m in last for call in m.tool_calls))


def _listed(event: Field, key: str) -> list[Field]:
    found = event.get(key)
    return found.parsed().items() if found is not None else []


def _numbered(item: Mapping[str, Field]) -> Message:
    calls = tuple(
        ToolCall(
            id=plain(call.get("id")),
            name=plain(call.get("name") or call.get("function.name")),
            arguments=arguments(call.get("arguments") or call.get("function.arguments")),
        )
        for call in indexed(item, "tool_calls")
    )
    called = item.get("tool_call_id")
    return Message(
        role=role(item["role"]) if "role" in item else "assistant",
        content=plain(item.get("content")),
        tool_calls=calls,
        tool_call_id=plain(called) if called else None,
    )


def _event(event: Field, speaker: str) -> Message:
    body = _event_body(event)
    identifier = body.maybe_text("id") or body.maybe_text("tool_call_id")
    calls = body.get("tool_calls")
    return Message(
        role=role(Field(speaker, event.name, event.path)),
        content=plain(body.get("content")),
        tool_calls=tool_calls(Field({"tool_calls": calls.parsed().value}, calls.name, calls.path)) if calls else (),
        tool_call_id=identifier if speaker == "tool" else None,
    )


def _event_body(event: Field) -> Field:
    """An event's content: one JSON attribute in some SDKs, attributes of their own in others."""
    whole = event.get("gen_ai.event.content") or event.get("event_body")
    return whole.parsed() if whole is not None else event


def _usage(span: OtelSpan) -> Usage | None:
    read = span.attributes.get("gen_ai.usage.input_tokens") or span.attributes.get("gen_ai.usage.prompt_tokens")
    wrote = span.attributes.get("gen_ai.usage.output_tokens")
    wrote = wrote or span.attributes.get("gen_ai.usage.completion_tokens")
    if read is None and wrote is None:
        return None
    return Usage(input_tokens=read.integer() if read else 0, output_tokens=wrote.integer() if wrote else 0)


def _described(spans: list[OtelSpan]) -> list[Agent]:
    told = {span.text("gen_ai.agent.name"): span.text("gen_ai.agent.description") for span in spans}
    return [Agent(name=name, description=text) for name, text in told.items() if name and text]


def _with_results(spans: list[Span]) -> list[Span]:
    """Tools whose result was not recorded with them have it from the prompt that it went into."""
    results: dict[str, str] = {}
    for span in spans:
        for given in span.step.call.messages if span.step and span.step.call else ():
            if given.tool_call_id:
                results.setdefault(given.tool_call_id, given.text)
    found: list[Span] = []
    for span in spans:
        step = span.step
        if step is not None and step.kind == "tool" and not step.output and step.call:
            output = results.get(step.call.messages[0].tool_calls[0].id, "")
            step = step.model_copy(update={"output": output})
        found.append(span._replace(step=step))
    return found


def _autogen(spans: list[OtelSpan], name: str) -> Trace:
    """The messages that AutoGen's agents sent, as its runtime's spans hold them."""
    sent = [found for span in spans if (body := span.attributes.get("message")) for found in autogen.sent(body)]
    unique = {json.dumps(item.value, sort_keys=True): item for item in sent}
    ordered = sorted(unique.values(), key=lambda item: item.time("created_at") or 0.0)
    if not ordered:
        return trace_of_spans(
            [_span(span, {}, set(), lone=True) for span in spans],
            format=FORMAT,
            name=name,
            agents=_described(spans),
        )
    trace = autogen.from_messages(ordered, name=name, format=FORMAT)
    told = {agent.name: agent.description for agent in _described(spans)}
    described = tuple(agent.model_copy(update={"description": told.get(agent.name)}) for agent in trace.agents)
    return trace.model_copy(update={"agents": described})
