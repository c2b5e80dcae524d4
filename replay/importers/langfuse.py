"""Langfuse's observations, as its API and its export give them: generations, tools, and agents.

Accepted are a trace with its `observations`, a page of them under `data`, a list, and lines; keys in camel or
snake case. Inputs and outputs are whatever a program sent: messages are read where there are some, else text.
"""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from butfor.cache.call import Call, ToolCall, Usage
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.calling import arguments, question_to_tool
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import Answer, answer, usage
from butfor.replay.reading.parts import plain
from butfor.replay.reading.question import Question, question
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.spans import Span, agent_name, names_agent, names_tool, tool_name, trace_of_spans
from butfor.replay.trace import Step, Trace

FORMAT = "langfuse"
_PARENTS = ("parentObservationId", "parent_observation_id")
_AGENTS = ("AGENT",)


def sniff(head: str) -> bool:
    """Observations by the key that leads to their parent."""
    found = keys(head)
    return any(f"{place}{parent}" in found for place in ("", "data/", "observations/") for parent in _PARENTS)


def load(text: str, *, name: str) -> Trace:
    """The trace of the only run in an export.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several runs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The runs in an export, by their trace ids."""
    traces: dict[str, list[Field]] = {}
    for record in parse_records(text, name=name):
        for observation in _observations(record):
            found = _either(observation, "traceId", "trace_id")
            traces.setdefault(plain(found) if found is not None else "run", []).append(observation)
    acting = {trace: found for trace, found in traces.items() if any(_kind(o) in (*_ACTS, "RETRIEVER") for o in found)}
    return {trace: _run(found, name_of(name, trace, len(acting))) for trace, found in acting.items()}


_ACTS = ("GENERATION", "TOOL")


def _observations(record: Field) -> Iterator[Field]:
    nested = record.get("observations") or record.get("data")
    if nested is None or not nested.is_list:
        yield record
        return
    for item in nested.items():
        yield from _observations(item) if item.get("observations") is not None else (item,)


def _run(observations: list[Field], name: str) -> Run:
    def trace() -> Trace:
        top, asked = _top(observations), _tools_asked_for(observations)
        spans = [_span(observation, top, asked) for observation in observations]
        return trace_of_spans(spans, format=FORMAT, name=name)

    return trace


def _top(observations: list[Field]) -> str:
    """The name of the outermost observation, for work that no agent's observation is around."""
    roots = (o for o in observations if not any(o.get(parent) for parent in _PARENTS))
    named = next((found for o in roots if _kind(o) not in _ACTS and (found := o.maybe_text("name"))), "agent")
    return agent_name(named)


def _tools_asked_for(observations: list[Field]) -> frozenset[str]:
    """The tools that models asked for: a plain span of such a name is the tool at work."""
    given = [output for o in observations if _kind(o) == "GENERATION" and (output := o.get("output")) is not None]
    return frozenset(call.name for output in given for call in answer(output.parsed()).tool_calls)


def _either(field: Field, *names: str) -> Field | None:
    return next((found for name in names if (found := field.get(name)) is not None), None)


def _kind(observation: Field) -> str:
    return (observation.maybe_text("type") or "SPAN").upper()


def _acting(observation: Field, asked: frozenset[str]) -> str:
    """What an observation is: its type, or that of a plain span that is a tool's or an agent's work."""
    kind, named = _kind(observation), observation.maybe_text("name") or ""
    if kind not in ("SPAN", "EVENT", "CHAIN"):
        return "TOOL" if kind == "RETRIEVER" else kind
    output = observation.get("output")
    result = output.parsed() if output is not None else None
    returned = result is not None and result.is_object and result.get("tool_call_id") is not None
    if returned or tool_name(named) in asked or names_tool(named):
        return "TOOL"
    return "AGENT" if names_agent(named) else kind


def _span(observation: Field, top: str, asked: frozenset[str]) -> Span:
    kind = _acting(observation, asked)
    parent = _either(observation, *_PARENTS)
    step = None
    if kind == "GENERATION":
        step = _asked(observation)
    elif kind == "TOOL":
        step = _tool(observation)
    outermost = parent is None and kind not in _ACTS
    node = _node(observation) if kind == "GENERATION" else None
    named = observation.maybe_text("name") if kind in _AGENTS else top if outermost else node
    given = observation.get("input")
    return Span(
        id=observation.text("id"),
        parent=plain(parent) if parent is not None else None,
        agent=agent_name(named) if named else (top if parent is None else None),
        step=step,
        started=observation.time("startTime") or observation.time("start_time"),
        ended=observation.time("endTime") or observation.time("end_time"),
        arguments=given.parsed() if given is not None and kind == "TOOL" else None,
    )


def _node(observation: Field) -> str | None:
    """LangGraph's node or OpenTelemetry's agent that a call belongs to, as its metadata tell."""
    metadata = observation.get("metadata")
    found = metadata.parsed() if metadata is not None else None
    if found is None or not found.is_object:
        return None
    named = found.get("langgraph_node") or found.dig("attributes", "gen_ai.agent.name")
    return named.text() if named is not None and named.is_text else None


def _asked(observation: Field) -> Step:
    given, output = observation.get("input"), observation.get("output")
    said = answer(output.parsed()) if output is not None else Answer("")
    asked = question(given.parsed()) if given is not None else Question()
    return Step(
        index=0,
        agent="",
        output=said.text,
        tool_calls=said.tool_calls,
        call=_call(observation, asked) if asked.messages else None,
        usage=_usage(observation),
        error=_error(observation),
    )


def _call(observation: Field, asked: Question) -> Call:
    parameters = _either(observation, "modelParameters", "model_parameters")
    parameters = parameters.parsed() if parameters is not None else None
    params: dict[str, JsonValue] = {}
    for key, value in (parameters.fields() if parameters is not None and parameters.is_object else {}).items():
        params[key] = value.json()
    model = _either(observation, "model", "providedModelName", "provided_model_name")
    return Call(
        model=plain(model) if model is not None else UNKNOWN_MODEL,
        messages=asked.messages,
        tools=asked.tools,
        params=params,
    )


def _usage(observation: Field) -> Usage | None:
    counted = _either(observation, "usageDetails", "usage_details", "usage")
    if counted is not None and counted.is_object and (found := usage(counted)) is not None:
        return found
    read, wrote = observation.maybe_integer("promptTokens"), observation.maybe_integer("completionTokens")
    return Usage(input_tokens=read or 0, output_tokens=wrote or 0) if read or wrote else None


def _error(observation: Field) -> str | None:
    if (observation.maybe_text("level") or "").upper() != "ERROR":
        return None
    return plain(_either(observation, "statusMessage", "status_message")) or "error"


def _tool(observation: Field) -> Step:
    given, output = observation.get("input"), observation.get("output")
    result = output.parsed() if output is not None else None
    if result is not None and result.is_object:
        inner = result.get("kwargs")
        result = inner if inner is not None and inner.is_object else result
    identifier = result.get("tool_call_id") if result is not None and result.is_object else None
    whole = result.get("content") if identifier is not None and result is not None else output
    named = tool_name(observation.maybe_text("name") or "tool")
    call = ToolCall(id=plain(identifier), name=named, arguments=arguments(given))
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=plain(whole),
        call=question_to_tool(call),
        error=_error(observation),
    )
