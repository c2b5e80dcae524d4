"""Langfuse's observations, as its API and its export give them: generations, tools, and agents.

Accepted are a trace with its `observations`, a page of them under `data`, a list, and lines; keys in camel or
snake case. Inputs and outputs are whatever a program sent: messages are read where there are some, else text.
"""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from butfor.cache.call import Call, Message, ToolCall, Usage
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import Answer, answer, arguments, plain, question_to_tool, tools, usage
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.spans import Span, trace_of_spans
from butfor.replay.trace import Step, Trace

from . import langchain

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
    acting = {trace: found for trace, found in traces.items() if any(_kind(o) in _ACTS for o in found)}
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
    return lambda: trace_of_spans(
        [_span(observation, _top(observations)) for observation in observations], format=FORMAT, name=name
    )


def _top(observations: list[Field]) -> str:
    """The name of the outermost observation, for work that no agent's observation is around."""
    roots = (o for o in observations if not any(o.get(parent) for parent in _PARENTS))
    return next((found for o in roots if _kind(o) not in _ACTS and (found := o.maybe_text("name"))), "agent")


def _either(field: Field, *names: str) -> Field | None:
    return next((found for name in names if (found := field.get(name)) is not None), None)


def _kind(observation: Field) -> str:
    return (observation.maybe_text("type") or "SPAN").upper()


def _span(observation: Field, top: str) -> Span:
    kind = _kind(observation)
    parent = _either(observation, *_PARENTS)
    step = None
    if kind == "GENERATION":
        step = _asked(observation)
    elif kind == "TOOL":
        step = _tool(observation)
    outermost = parent is None and kind not in _ACTS
    named = observation.maybe_text("name") if kind in _AGENTS else top if outermost else None
    given = observation.get("input")
    return Span(
        id=observation.text("id"),
        parent=plain(parent) if parent is not None else None,
        agent=named or (top if parent is None else None),
        step=step,
        started=observation.time("startTime") or observation.time("start_time"),
        ended=observation.time("endTime") or observation.time("end_time"),
        arguments=given.parsed() if given is not None and kind == "TOOL" else None,
    )


def _asked(observation: Field) -> Step:
    given, output = observation.get("input"), observation.get("output")
    said = _said(output.parsed()) if output is not None else Answer("")
    messages = _messages(given.parsed()) if given is not None else ()
    return Step(
        index=0,
        agent="",
        output=said.text,
        tool_calls=said.tool_calls,
        call=_call(observation, messages) if messages else None,
        usage=_usage(observation),
        error=_error(observation),
    )


def _said(output: Field) -> Answer:
    if output.is_object and output.get("content") is None and output.get("completion") is not None:
        return Answer(plain(output.get("completion")))
    if _is_message(output):
        said = langchain.message(output)
        return Answer(said.text, said.tool_calls)
    shaped = ("choices", "message", "output", "content", "tool_calls")
    if output.is_text or (output.is_object and any(output.get(key) is not None for key in shaped)):
        return answer(output)
    if output.is_list and all(item.is_object for item in output.items()):
        return answer(output)
    return Answer(plain(output))


def _messages(given: Field) -> tuple[Message, ...]:
    if given.is_object and (listed := given.get("messages")) is not None:
        given = listed
    found = given.items() if given.is_list else [given]
    if found and all(_is_message(item) for item in found):
        return tuple(langchain.message(item) for item in found)
    return (Message(role="user", content=plain(given)),)


def _is_message(item: Field) -> bool:
    return item.is_object and (item.get("role") is not None or item.get("kwargs") is not None)


def _call(observation: Field, messages: tuple[Message, ...]) -> Call:
    given = observation.get("input")
    listed = given.parsed() if given is not None else None
    parameters = _either(observation, "modelParameters", "model_parameters")
    parameters = parameters.parsed() if parameters is not None else None
    params: dict[str, JsonValue] = {}
    for key, value in (parameters.fields() if parameters is not None and parameters.is_object else {}).items():
        params[key] = value.json()
    model = _either(observation, "model", "providedModelName", "provided_model_name")
    return Call(
        model=plain(model) if model is not None else UNKNOWN_MODEL,
        messages=messages,
        tools=tools(listed.get("tools") if listed is not None and listed.is_object else None),
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
    identifier = result.get("tool_call_id") if result is not None and result.is_object else None
    whole = result.get("content") if identifier is not None and result is not None else output
    named = observation.maybe_text("name") or "tool"
    call = ToolCall(id=plain(identifier), name=named, arguments=arguments(given))
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=plain(whole),
        call=question_to_tool(call),
        error=_error(observation),
    )
