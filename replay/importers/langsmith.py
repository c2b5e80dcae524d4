"""LangSmith's runs, as its tracer and its export write them: a tree of chains, model calls and tools.

An agent is named by LangChain (`lc_agent_name`), else it is the graph's node, else the outermost chain.
"""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from butfor.cache.call import Call, Message, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import answer, arguments, logprobs, plain, question_to_tool, tools, usage
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.spans import Span, trace_of_spans
from butfor.replay.trace import Step, Trace

from . import langchain

FORMAT = "langsmith"
_MODELS = ("llm", "chat_model")
_NO_PARAMS = frozenset({"model", "model_name", "_type", "tools", "functions", "messages", "prompt"})


def sniff(head: str) -> bool:
    """Runs with a type and their inputs."""
    return {"run_type", "inputs"} <= keys(head).keys()


def load(text: str, *, name: str) -> Trace:
    """The trace of the only tree of runs in a file.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several trees.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The trees of runs in a file, by their trace ids."""
    trees: dict[str, list[Field]] = {}
    for record in (found for top in parse_records(text, name=name) for found in _flat(top)):
        trees.setdefault(record.maybe_text("trace_id") or "run", []).append(record)
    acting = {tree: records for tree, records in trees.items() if any(map(_acts, records))}
    return {tree: _run(records, name_of(name, tree, len(acting))) for tree, records in acting.items()}


def _flat(record: Field) -> Iterator[Field]:
    yield record
    for below in record.listed("child_runs"):
        yield from _flat(below)


def _acts(record: Field) -> bool:
    return record.text("run_type") in (*_MODELS, "tool")


def _run(records: list[Field], name: str) -> Run:
    return lambda: _trace(records, name)


def _trace(records: list[Field], name: str) -> Trace:
    by_id = {record.text("id"): record for record in records}
    spans = [_span(record, by_id) for record in records]
    return trace_of_spans(spans, format=FORMAT, name=name)


def _span(record: Field, by_id: Mapping[str, Field]) -> Span:
    kind = record.text("run_type")
    step = _asked(record) if kind in _MODELS else _tool(record) if kind == "tool" else None
    metadata = _message(record)
    response = metadata.dig("response_metadata", "id") if kind in _MODELS and metadata is not None else None
    return Span(
        id=record.text("id"),
        parent=record.maybe_text("parent_run_id"),
        agent=_agent(record, by_id) if step else None,
        step=step,
        response=plain(response) if response is not None else None,
        started=record.time("start_time"),
        ended=record.time("end_time"),
        arguments=record.get("inputs") if kind == "tool" else None,
    )


def _agent(record: Field, by_id: Mapping[str, Field]) -> str:
    path = [record]
    while (above := by_id.get(path[-1].maybe_text("parent_run_id") or "")) is not None and above not in path:
        path.append(above)
    for key in ("lc_agent_name", "langgraph_node"):
        for run in path:
            if (found := run.dig("extra", "metadata", key)) is not None:
                return found.text()
    return path[-1].maybe_text("name") or "agent"


def _message(record: Field) -> Field | None:
    """The own fields of the message that a model answered with, where LangChain wrote it."""
    generation = _generation(record)
    found = generation.get("message") if generation is not None else None
    return langchain.body(found) if found is not None and found.is_object else None


def _generation(record: Field) -> Field | None:
    found = record.dig("outputs", "generations")
    while found is not None and found.is_list:
        items = found.items()
        found = items[0] if items else None
    return found


def _asked(record: Field) -> Step:
    generation, said = _generation(record), _message(record)
    outputs = record.get("outputs")
    given = _input(record)
    if said is not None:
        answered = langchain.message(said)
    elif generation is not None:
        answered = Message(role="assistant", content=plain(generation.get("text")))
    else:
        found = answer(outputs) if outputs is not None and outputs.is_object else None
        answered = Message(
            role="assistant",
            content=found.text if found else "",
            tool_calls=found.tool_calls if found else (),
        )
    body = generation.dig("generation_info", "logprobs") if generation is not None else None
    counted = record.dig("outputs", "llm_output", "token_usage") or record.dig("outputs", "usage")
    return Step(
        index=0,
        agent="",
        output=answered.text,
        tool_calls=answered.tool_calls,
        call=_call(record, given) if given else None,
        usage=(langchain.message_usage(said) if said is not None else None) or usage(counted),
        logprobs=logprobs(body),
        error=record.maybe_text("error"),
    )


def _input(record: Field) -> tuple[Message, ...]:
    inputs = record.need("inputs", "the run's inputs")
    if not inputs.is_object:
        return ()
    prompts = inputs.listed("prompts")
    if prompts:
        return tuple(Message(role="user", content=plain(prompt)) for prompt in prompts)
    given = inputs.listed("messages")
    if len(given) == 1 and given[0].is_list and all(item.is_object for item in given[0].items()):
        given = given[0].items()
    return tuple(langchain.message(item) for item in given)


def _call(record: Field, messages: tuple[Message, ...]) -> Call:
    given = record.dig("extra", "invocation_params") or Field({}, record.name, record.path)
    inputs = record.get("inputs")
    provider = record.dig("extra", "metadata", "ls_provider")
    named = record.dig("extra", "metadata", "ls_model_name") or given.get("model") or given.get("model_name")
    named = named or (inputs.get("model") if inputs is not None else None)
    model = plain(named) if named is not None else UNKNOWN_MODEL
    params: dict[str, JsonValue] = {}
    for key, value in given.fields().items():
        if key not in _NO_PARAMS:
            params[key] = value.json()
    return Call(
        model=f"{plain(provider)}:{model}" if provider is not None and named is not None else model,
        messages=messages,
        tools=tools(given.get("tools") or (inputs.get("tools") if inputs is not None else None)),
        params=params,
    )


def _tool(record: Field) -> Step:
    inputs, outputs = record.get("inputs"), record.get("outputs")
    given = inputs.get("input") if inputs is not None and inputs.is_object and inputs.get("input") else inputs
    found = outputs.get("output") if outputs is not None and outputs.is_object else outputs
    result = langchain.body(found) if found is not None and found.is_object else found
    identifier = result.get("tool_call_id") if result is not None and result.is_object else None
    whole = result.get("content") if identifier is not None and result is not None else result
    identifier = identifier or record.dig("extra", "tool_call_id")
    named = record.text("name")
    call = ToolCall(id=plain(identifier), name=named, arguments=arguments(given))
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=plain(whole),
        call=question_to_tool(call),
        error=record.maybe_text("error"),
    )
