"""AutoGen 0.4 and later: the events of its logger (JSONL), and the messages of a `TaskResult` (JSON).

The events hold every model call with its input, so they tell who read what. A task result holds messages
only: chat messages are heard by all, tool calls and their results by the agent and the tool alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from butfor.cache.call import Call, ToolCall, Usage
from butfor.replay.reading.assemble import UNKNOWN_MODEL, assemble
from butfor.replay.reading.fields import Field, parse_json, parse_records
from butfor.replay.reading.messages import (
    Answer,
    answer,
    logprobs,
    message,
    plain,
    question_to_tool,
    same_arguments,
    tool_call,
    tools,
    usage,
)
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Agent, Kind, Step, Team, Trace

FORMAT = "autogen"
_TEAM_ID = re.compile(r"_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_STOP_WORD = re.compile(r"Text '(.+?)' mentioned")
_SELECTORS = {"SelectorGroupChatManager": "chat", "MagenticOneOrchestrator": "orchestrator"}
_SILENT = frozenset({"ModelClientStreamingChunkEvent", "UserInputRequestedEvent", "CodeGenerationEvent"})


def sniff(head: str) -> bool:
    """Logger events by their delivery or by whose calls they are; a task result by its messages' usage."""
    found = keys(head).keys()
    if "emission_sequence" in found:
        return False
    events = "delivery_stage" in found or {"agent_id", "prompt_tokens"} <= found or {"agent_id", "tool_name"} <= found
    result = {"source", "models_usage"} <= found or {"messages/source", "messages/models_usage"} <= found
    return events or result


def load(text: str, *, name: str) -> Trace:
    """The trace in a log of events or a task result.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    records = parse_records(text, name=name)
    if len(records) == 1 and records[0].is_object and records[0].get("messages") and records[0].get("type") is None:
        stop = records[0].maybe_text("stop_reason")
        return from_messages(records[0].listed("messages"), name=name, stop_reason=stop)
    if all(record.is_object and record.get("source") for record in records):
        return from_messages(records, name=name)
    return _Events(records).trace(name)


def agent_name(identifier: str) -> str:
    """An agent's name in its id, `NAME_<team uuid>/<team uuid>`."""
    return _TEAM_ID.sub("", identifier.partition("/")[0])


class _Published(NamedTuple):
    """A message that an agent sent to the team."""

    source: str
    kind: str
    content: Field
    time: float | None


class _Events:
    """The steps in a log of events, and what its messages tell of their times and results."""

    def __init__(self, records: list[Field]) -> None:
        self._records = records
        self._published = [found for record in records for found in _published(record)]
        self._times = {key: p.time for p in self._published for key in _keys_of(p)}
        self._thinkers = {_acting(r) for r in records if r.maybe_text("type") in ("LLMCall", "LLMStreamEnd")}
        self._seen: set[tuple[str, str]] = set()
        self._streams: dict[str, Field] = {}
        self._pending: dict[str, list[ToolCall]] = {}
        self._failed = {
            result.text("call_id"): plain(result.get("content"))
            for p in self._published
            if p.kind == "ToolCallExecutionEvent"
            for result in p.content.items()
            if (failed := result.get("is_error")) is not None and failed.value is True
        }

    def trace(self, name: str) -> Trace:
        """The trace of the whole log."""
        steps = [step for record in self._records for step in self._steps(record)]
        return assemble(steps, format=FORMAT, name=name, task=self._task(), team=self._team(steps))

    def _task(self) -> str | None:
        first = next((p for p in self._published if p.source == "user"), None)
        return plain(first.content) if first else None

    def _team(self, steps: list[Step]) -> Team:
        ids = (record.maybe_text(key) for record in self._records for key in ("sender", "receiver"))
        names = {agent_name(found) for found in ids if found}
        return _team(names, steps)

    def _steps(self, record: Field) -> Iterator[Step]:
        kind = record.maybe_text("type")
        if kind == "LLMCall":
            yield self._asked(record, record)
        elif kind == "LLMStreamStart":
            self._streams[_acting(record)] = record
        elif kind == "LLMStreamEnd":
            yield self._asked(self._streams.pop(_acting(record), record), record)
        elif kind == "ToolCall":
            yield self._tool(record)
        elif kind == "MessageHandlerException":
            who = agent_name(record.maybe_text("handling_agent") or "runtime")
            yield Step(index=0, agent=who, kind="control", output="", error=plain(record.get("exception")))
        elif kind == "Message":
            yield from self._said(record)

    def _asked(self, question: Field, answered: Field) -> Step:
        agent = _acting(answered)
        body = answered.need("response", "the model's response")
        said = answer(body)
        self._pending.setdefault(agent, []).extend(said.tool_calls)
        choice = next(iter(body.listed("choices")), body)
        return Step(
            index=0,
            agent=agent,
            output=said.text,
            tool_calls=said.tool_calls,
            call=_call(question, body, agent),
            usage=usage(answered),
            logprobs=logprobs(choice.get("logprobs")),
            ended=next((t for key in _keys_of_answer(agent, said) if (t := self._times.get(key))), None),
        )

    def _tool(self, record: Field) -> Step:
        named, given = record.text("tool_name"), record.get("arguments")
        waiting = self._pending.get(_acting(record), [])
        alike = [call for call in waiting if call.name == named]
        same = [call for call in alike if same_arguments(call, given)]
        call = next(iter(same or alike), None)
        if call:
            waiting.remove(call)
        return Step(
            index=0,
            agent=named,
            kind="tool",
            output=plain(record.get("result")),
            audience=(_acting(record),),
            call=question_to_tool(call or tool_call(Field({"name": named, "arguments": given and given.value}, named))),
            error=self._failed.get(call.id) if call else None,
            ended=self._times.get(("", call.id)) if call else None,
        )

    def _said(self, record: Field) -> Iterator[Step]:
        """What members of the team said without a model: people, and agents that only run code."""
        for said in _published(record):
            text = plain(said.content)
            if said.source in self._thinkers or said.source == "user" or (said.source, text) in self._seen:
                continue
            self._seen.add((said.source, text))
            if said.kind.endswith("Message"):
                person = any(p.kind == "UserInputRequestedEvent" for p in self._published if p.source == said.source)
                kind: Kind = "control" if said.kind == "StopMessage" else "human" if person else "tool"
                yield Step(index=0, agent=said.source, kind=kind, output=text, ended=said.time)


def _published(record: Field) -> list[_Published]:
    payload = record.get("payload")
    return [
        _Published(item.text("source"), item.text("type"), content, item.time("created_at"))
        for item in (sent(payload) if payload is not None else ())
        if (content := item.get("content")) is not None
    ]


def sent(payload: Field) -> list[Field]:
    """The messages in what one agent sent others, as the runtime writes it: JSON text, or a remark."""
    if not payload.is_text or not payload.text().startswith("{"):
        return []
    body = Field(parse_json(payload.text(), name=payload.where), payload.name, payload.path)
    below = body.dig("response", "chat_message")
    single = [found for found in (body.get("message"), below) if found is not None]
    found = [*body.listed("messages"), *single, *(body.dig("response") or body).listed("inner_messages")]
    return [item for item in found if item.is_object and item.get("source") and item.get("type")]


def _keys_of(published: _Published) -> Iterator[tuple[str, str]]:
    """What the message of a step is found by: its author and text, or the ids of its calls and results."""
    if published.kind == "ToolCallRequestEvent":
        yield from ((published.source, item.text("id")) for item in published.content.items())
    elif published.kind == "ToolCallExecutionEvent":
        yield from (("", item.text("call_id")) for item in published.content.items())
    else:
        yield published.source, plain(published.content)


def _keys_of_answer(agent: str, said: Answer) -> list[tuple[str, str]]:
    return [(agent, call.id) for call in said.tool_calls] + [(agent, said.text)]


def _acting(record: Field) -> str:
    return agent_name(record.maybe_text("agent_id") or "agent")


def _call(question: Field, body: Field, agent: str) -> Call | None:
    asked = question.get("messages")
    if asked is None:
        return None
    return Call(
        model=body.maybe_text("model") or UNKNOWN_MODEL,
        messages=tuple(message(item) for item in asked.items()),
        tools=tools(question.get("tools")),
        agent=agent,
    )


def _team(names: set[str], steps: list[Step]) -> Team:
    selector = next((kind for name, kind in _SELECTORS.items() if name in names), "fixed")
    stop = "TERMINATE" if steps and "TERMINATE" in steps[-1].output else None
    return Team.model_validate({"selector": selector, "stop_word": stop})


def from_messages(
    messages: Sequence[Field],
    *,
    name: str,
    stop_reason: str | None = None,
    format: str = FORMAT,  # noqa: A002
) -> Trace:
    """The trace of the messages that the members of a team sent, in order.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    kinds = _kinds(messages)
    asked: dict[str, ToolCall] = {}
    steps: list[Step] = []
    for item in messages:
        steps.extend(_message_steps(item, kinds, asked))
        asked.update({call.id: call for step in steps[-1:] for call in step.tool_calls})
    team = _team({item.text("source") for item in messages}, steps)
    word = _STOP_WORD.search(stop_reason or "")
    if word:
        team = team.model_copy(update={"stop_word": word[1]})
    agents = [Agent(name=source, kind=kind) for source, kind in kinds.items()]
    return assemble(steps, format=format, name=name, agents=agents, team=team)


def _kinds(messages: Sequence[Field]) -> dict[str, Kind]:
    """Who is a model, a person, or runs code, by what each one's messages carry."""
    types: dict[str, set[str]] = {}
    for item in messages:
        found = types.setdefault(item.text("source"), set())
        found.add(item.text("type"))
        if item.get("models_usage"):
            found.add("model")
    return {source: _kind(source, found) for source, found in types.items()}


def _kind(source: str, types: set[str]) -> Kind:
    if "model" in types or "ToolCallRequestEvent" in types:
        return "llm"
    if source == "user" or "UserInputRequestedEvent" in types:
        return "human"
    return "tool" if "CodeExecutionEvent" in types else "llm"


def _message_steps(item: Field, kinds: Mapping[str, Kind], asked: Mapping[str, ToolCall]) -> list[Step]:
    source, named = item.text("source"), item.text("type")
    content, time = item.get("content"), item.time("created_at")
    if named in _SILENT:
        return []
    if named == "ToolCallExecutionEvent":
        return [_result(result, source, asked, time) for result in item.listed("content")]
    calls = tuple(tool_call(call) for call in item.listed("content")) if named == "ToolCallRequestEvent" else ()
    return [
        Step(
            index=0,
            agent=source,
            kind=_step_kind(named, kinds[source]),
            output="" if calls else plain(content),
            tool_calls=calls,
            audience=tuple(dict.fromkeys(call.name for call in calls)) if named.endswith("Event") else None,
            usage=_usage(item),
            ended=time,
        )
    ]


def _step_kind(named: str, kind: Kind) -> Kind:
    if named == "StopMessage" or named.startswith("Select"):
        return "control"
    return "tool" if named in ("ToolCallSummaryMessage", "MemoryQueryEvent", "CodeExecutionEvent") else kind


def _result(result: Field, source: str, asked: Mapping[str, ToolCall], time: float | None) -> Step:
    call = asked.get(result.text("call_id"))
    output = plain(result.get("content"))
    failed = result.get("is_error")
    return Step(
        index=0,
        agent=result.maybe_text("name") or (call.name if call else "tool"),
        kind="tool",
        output=output,
        audience=(source,),
        call=question_to_tool(call) if call else None,
        error=output if failed is not None and failed.value is True else None,
        ended=time,
    )


def _usage(item: Field) -> Usage | None:
    return usage(item.get("models_usage"))
