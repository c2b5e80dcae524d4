"""LangGraph's stream (`tasks` or `updates`, with subgraphs) and the messages that a run ends with.

A task of the stream is one node at work, with the state that it was given and what it made of it; the
prompt that a node puts before the state is not in the log. The final messages tell only what was said.
"""

from collections.abc import Iterator, Mapping

from butfor.cache.call import Call, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL, assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import plain, question_to_tool
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Agent, Step, Trace

from . import langchain

FORMAT = "langgraph"


def sniff(head: str) -> bool:
    """A stream by its namespaces and modes; final messages by what LangChain adds to a message."""
    found = keys(head).keys()
    if {"ns", "mode", "data"} <= found:
        return True
    alone = {"additional_kwargs", "type"} <= found
    return alone or ({"messages/additional_kwargs", "messages/type"} <= found and "run_type" not in found)


def load(text: str, *, name: str) -> Trace:
    """The trace in a stream or a list of final messages.

    Raises:
        LogFormatError: a field is missing or wrong, or the stream has no tasks.
    """
    records = parse_records(text, name=name)
    if records and all(record.is_object and record.get("ns") is not None for record in records):
        return _Stream(records).trace(name)
    if len(records) == 1 and records[0].is_object and records[0].get("messages") is not None:
        records = records[0].listed("messages")
    return _from_messages(records, name)


class _Stream:
    """The tasks of a stream: what each node was given, and what it made of it."""

    def __init__(self, records: list[Field]) -> None:
        self._records = [record for record in records if record.text("mode") in ("tasks", "debug")]
        self._updates = [record for record in records if record.text("mode") == "updates"]
        self._given: dict[str, Field] = {}
        self._asked: dict[str, ToolCall] = {}
        self._seen: set[str] = set()
        self._inside = {part for record in records for part in _namespace(record)}
        """The tasks that are graphs themselves: their own tasks tell more."""

    def trace(self, name: str) -> Trace:
        """The trace of the whole stream."""
        steps = [step for record in self._records for step in self._steps(record)]
        if not self._records:
            steps = [step for record in self._updates for step in self._said(record)]
        return assemble(steps, format=FORMAT, name=name)

    def _steps(self, record: Field) -> Iterator[Step]:
        data = record.need("data")
        if record.text("mode") == "debug":
            if data.maybe_text("type") not in ("task", "task_result"):
                return
            data = data.need("payload")
        task = data.text("id")
        if data.get("result") is None and data.get("error") is None:
            self._given[task] = data
            self._seen.update(found for m in _messages(data.get("input")) if (found := _identity(m)))
            return
        given = self._given.pop(task, data)
        if f"{data.text('name')}:{task}" in self._inside:
            return
        yield from self._done(data, given)

    def _said(self, record: Field) -> Iterator[Step]:
        """What the nodes of an update said; a stream of updates alone holds no inputs."""
        for node, update in record.need("data").fields().items():
            for message in _messages(update):
                identity = _identity(message)
                if identity is None or identity not in self._seen:
                    self._seen.add(identity or "")
                    step = _step(message, langchain.body(message).maybe_text("name") or node, None, self._asked)
                    if step.kind != "human":  # a subgraph's last update gives back what it was asked
                        yield step.model_copy(update={"audience": None})

    def _done(self, data: Field, given: Field) -> Iterator[Step]:
        named = given.dig("metadata", "lc_agent_name")
        agent = named.text() if named is not None else data.text("name")
        error = data.maybe_text("error")
        made = [m for m in _messages(data.get("result")) if _identity(m) not in self._seen]
        self._seen.update(found for m in made if (found := _identity(m)))
        for message in made:
            yield _step(message, agent, given.get("input"), self._asked)
        if not made and (error or data.get("result") is not None):
            asked = _call(None, given.get("input"), agent)
            yield Step(index=0, agent=agent, output=plain(data.get("result")), call=asked, error=error)


def _namespace(record: Field) -> list[str]:
    found = record.need("ns")
    return [part.text() for part in found.items()] if found.is_list else found.text().split("|")


def _messages(state: Field | None) -> list[Field]:
    """The messages in a node's state or result, which may be a list of updates."""
    if state is None:
        return []
    if state.is_list:
        return [m for item in state.items() if item.is_object for m in _messages(item)]
    if not state.is_object:
        return []
    found = state.get("messages")
    if found is None:
        found = state.dig("update", "messages")
    return [item for item in found.items() if item.is_object] if found is not None and found.is_list else []


def _identity(message: Field) -> str | None:
    return langchain.body(message).maybe_text("id")


def _step(message: Field, agent: str, given: Field | None, asked: dict[str, ToolCall]) -> Step:
    said, own = langchain.message(message), langchain.body(message)
    if said.role == "tool":
        return _result(message, agent, asked)
    asked.update({call.id: call for call in said.tool_calls})
    return Step(
        index=0,
        agent=agent,
        kind="human" if said.role == "user" else "llm",
        output=said.text,
        tool_calls=said.tool_calls,
        call=_call(own, given, agent),
        usage=langchain.message_usage(own),
        logprobs=langchain.message_logprobs(own),
    )


def _call(own: Field | None, given: Field | None, agent: str) -> Call | None:
    messages = tuple(langchain.message(item) for item in _messages(given))
    if not messages:
        return None
    model = langchain.message_model(own) if own is not None else None
    return Call(model=model or UNKNOWN_MODEL, messages=messages, agent=agent)


def _result(message: Field, agent: str, asked: Mapping[str, ToolCall]) -> Step:
    said, own = langchain.message(message), langchain.body(message)
    call = asked.get(said.tool_call_id or "")
    failed = own.maybe_text("status") == "error"
    return Step(
        index=0,
        agent=said.name or (call.name if call else "tool"),
        kind="tool",
        output=said.text,
        audience=(agent,),
        call=question_to_tool(call) if call else None,
        error=said.text if failed else None,
    )


def _from_messages(messages: list[Field], name: str) -> Trace:
    steps: list[Step] = []
    asked: dict[str, ToolCall] = {}
    prompts: list[str] = []
    models: dict[str, str | None] = {}
    for item in messages:
        said = langchain.message(item)
        if said.role == "system" and not steps:
            prompts.append(said.text)
            continue
        agent = said.name or ("user" if said.role in ("user", "system") else "assistant")
        step = _step(item, agent, None, asked)
        if step.kind == "tool":
            step = step.model_copy(update={"audience": None})
        elif step.kind == "llm":
            models.setdefault(agent, langchain.message_model(langchain.body(item)))
        steps.append(step)
    prompt = "\n\n".join(prompts) or None
    agents = [Agent(name=agent, system_prompt=prompt, model=model) for agent, model in models.items()]
    return assemble(steps, format=FORMAT, name=name, agents=agents)
