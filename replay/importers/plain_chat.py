"""Lists of chat messages in JSON, JSONL or YAML, each with a `role`, a `content` and perhaps a `name`.

They stand alone, or under `messages`, `history`, `trajectory` and the like beside a task and an answer, one
run or many in a file. Every message is a step, but for the system messages before the first other one, which
are the prompt. Nothing says what each speaker was given, so everybody hears everything said before; tool
results are tied to calls by their ids. Chats of an orchestrator are read as Who&When's are.
"""

import importlib
import re
from collections.abc import Mapping, Sequence

from butfor.cache.call import Message, ToolCall
from butfor.cache.errors import LogFormatError
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.calling import question_to_tool
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import is_message, tool_calls, usage
from butfor.replay.reading.messages import messages as decoded
from butfor.replay.reading.named import all_named as are_named
from butfor.replay.reading.named import failure, kinds
from butfor.replay.reading.parts import holds_tools, plain
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import all_named, keys
from butfor.replay.reading.wrapper import LISTS, Wrapped, is_spoken, unfolded, unwrap
from butfor.replay.trace import Agent, Kind, Step, Trace

from . import who_and_when

FORMAT = "plain-chat"
_YAML = re.compile(r"(?:---[^\n]*\n\s*+)?(?:#[^\n]*\n\s*+)*+(?:\w+:[ \t]*\n\s*+)?-[ \t]+(?:role|name|content)[ \t]*:")
_KINDS: dict[str, Kind] = {
    "user": "human",
    "human": "human",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "environment": "tool",
    "ipython": "tool",
}
_PROMPTS = ("system", "developer")
_ELSEWHERE = frozenset({"agent_id", "event_id", "ns", "inputs", "events", "response", "stop_reason", "mas_name"})
_AROUND = "info|data|result|run|output|log|trace"
_SPEAKING = "role|from|speaker|sender|action"
_WRAPPED = re.compile(rf"^(?:(?:{_AROUND})/)?(?:{'|'.join(LISTS)})/(?:{_SPEAKING})$")
_SPEAKERS = ("from", "speaker", "sender", "source", "author")
_TEXTS = ("value", "text", "message", "response")


def sniff(head: str) -> bool:
    """Messages with a `role` and `content`, not all of them with a `name`; or any under a name for a list of them."""
    found = keys(head)
    if not found:
        return _YAML.match(head.lstrip()) is not None
    if _ELSEWHERE & found.keys() or "type" in found or who_and_when.sniff(head):
        return False
    if {"messages/type", "messages/models_usage", "parts/part_kind"} & found.keys():
        return False
    if any(_WRAPPED.search(path) for path in found):
        return True
    return {"role", "content"} <= found.keys() and not all_named(head)


def recognised(text: str, *, name: str) -> bool:
    """Whether the whole of a log holds messages in some spelling, where its beginning does not tell.

    Raises:
        LogFormatError: it is not JSON.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return False
    records = [one for record in parse_records(text, name=name) for one in unfolded(record)]
    return bool(records) and (
        all(unwrap(record) is not None for record in records)
        or all(is_message(record) or is_spoken(record) for record in records)
    )


def load(text: str, *, name: str) -> Trace:
    """The trace of the only conversation in a file.

    Raises:
        LogFormatError: a message has no role or no content that can be read, or there are several
        conversations.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The conversations in a file, by their ids where they have some, else by their position."""
    records = parse_records(text, name=name) if text.lstrip()[:1] in ("{", "[") else _yaml(text, name)
    records = [one for record in records for one in unfolded(record)]
    wrapped = [unwrap(record) for record in records]
    if all(found is None for found in wrapped):
        return {"0": lambda: conversation(records, format=FORMAT, name=name)}
    chats = [found or _missing(record) for found, record in zip(wrapped, records, strict=True)]
    ids = [found.id or "" for found in chats]
    if not all(ids) or len(set(ids)) < len(ids):
        ids = [str(index) for index in range(len(chats))]
    return {own: _run(chat, name_of(name, own, len(chats))) for own, chat in zip(ids, chats, strict=True)}


def _missing(record: Field) -> Wrapped:
    return Wrapped(record.need("messages", "a list of messages").items(), "messages")


def _run(chat: Wrapped, name: str) -> Run:
    return lambda: conversation(chat.messages, format=FORMAT, name=name, about=chat)


def conversation(messages: Sequence[Field], *, format: str, name: str, about: Wrapped | None = None) -> Trace:  # noqa: A002
    """The trace of a list of messages.

    Raises:
        LogFormatError: a message has no role, or content that can be read.
    """
    told = about or Wrapped(list(messages), "")
    if who_and_when.orchestrated([message.value for message in messages]):
        return who_and_when.trace_of_chat(
            [message.value for message in messages],
            name=name,
            format=format,
            task=told.task,
            expected=told.expected,
            outcome=told.outcome,
        )
    said = _asked_first([one for message in messages for one in _acted(_usual(message))])
    steps: list[Step] = []
    prompts: list[str] = []
    asked: dict[str, ToolCall] = {}
    known = kinds(said) if are_named(said) else [None] * len(said)
    for message, kind in zip(said, known, strict=True):
        if not steps and message.text("role") in _PROMPTS and kind in (None, "control"):
            prompts.append(plain(message.get("content")))
            continue
        found = _steps(message, asked, kind)
        steps.extend(found)
        asked.update({call.id: call for step in found for call in step.tool_calls})
    prompt = "\n\n".join(prompts) or None
    speakers = dict.fromkeys(step.agent for step in steps if step.kind == "llm")
    agents = [Agent(name=speaker, system_prompt=prompt) for speaker in speakers]
    return assemble(
        steps,
        format=format,
        name=name,
        task=told.task,
        agents=agents,
        expected=told.expected,
        outcome=told.outcome,
    )


def _usual(message: Field) -> Field:
    """A message with a `role` and a `content`, where other names stand for them; one without a role is an agent's."""
    given = message.value
    if isinstance(given, dict) and "role" in given and given["role"] is None:
        return _usual(Field({**given, "role": "assistant"}, message.name, message.path))
    if not isinstance(given, dict) or ("role" in given and "content" in given and "message_type" not in given):
        return message
    values = {key: field.value for key, field in message.fields().items()}
    speaker = next((values[key] for key in _SPEAKERS if isinstance(values.get(key), str)), None)
    if "role" not in values and speaker is not None:
        person = str(speaker).lower() in ("user", "human", "user_proxy", "userproxy")
        values.update({"role": "user" if person else "assistant", "name": values.get("name", speaker)})
        if str(speaker).lower() in ("system", "gpt", "assistant", "user", "human", "tool", "observation"):
            values["role"] = {"gpt": "assistant", "human": "user"}.get(str(speaker).lower(), str(speaker).lower())
            del values["name"]
    if values.get("content") is None and "parts" not in values and "blocks" not in values:
        text = next((values[key] for key in _TEXTS if values.get(key) is not None), None)
        values.update({} if text is None else {"content": text})
    if values.get("message_type") == "observation" and values.get("role") == "user":
        values["role"] = "tool"
    return Field(values, message.name, message.path)


def _asked_first(said: list[Field]) -> list[Field]:
    """The messages; what comes first is no tool's answer, whatever it is called, but what was asked."""
    first = next((i for i, m in enumerate(said) if m.is_object and _role_of(m) not in _PROMPTS), None)
    if first is None or said[first].maybe_text("message_type") != "observation":
        return said
    values = {**{key: field.value for key, field in said[first].fields().items()}, "role": "user"}
    return [*said[:first], Field(values, said[first].name, said[first].path), *said[first + 1 :]]


def _role_of(message: Field) -> object:
    role = message.get("role")
    return role.value if role is not None and role.is_text else None


def _written(said: Message, message: Field) -> Field:
    """A message that was decoded, in the spelling of the Chat Completions API."""
    calls = [call.model_dump() for call in said.tool_calls]
    values = {"role": said.role, "content": said.text, "name": said.name, "tool_call_id": said.tool_call_id}
    return Field({**values, "tool_calls": calls}, message.name, message.path)


def _acted(message: Field) -> list[Field]:
    """A turn of SWE-agent's, an action and what it brought, as two messages; any other one as it is."""
    if message.is_object and message.get("role") is None and message.get("action") is None and is_message(message):
        return [_written(said, message) for said in decoded(message)]
    if not message.is_object or message.get("action") is None or message.get("role") is not None:
        return [message]
    said = message.get("response") or message.get("thought")
    text = plain(said) if said is not None else ""
    action = plain(message.get("action"))
    whole = text if action.strip() in text else "\n\n".join(part for part in (text, action) if part)
    found = [Field({"role": "assistant", "content": whole}, message.name, message.path)]
    if message.get("observation") is not None:
        result = {"role": "tool", "name": "environment", "content": message.need("observation").value}
        found.append(Field(result, message.name, message.path))
    return found


def _steps(message: Field, asked: Mapping[str, ToolCall], known: Kind | None = None) -> list[Step]:
    role = message.need("role", "text").label()
    kind = known or _KINDS.get(role.lower(), "human" if role in _PROMPTS else "llm")
    if kind == "tool":
        return _results(message, asked)
    results: list[Step] = []
    text, calls = plain(message.get("content")), tool_calls(message)
    if _parted(message):
        answers = decoded(message)
        own_calls = {call.id: call for one in answers for call in one.tool_calls}
        known_calls = {**asked, **own_calls}
        results = [_result(_as_result(one, message), message, known_calls) for one in answers if one.role == "tool"]
        said = [one for one in answers if one.role != "tool"]
        text = "\n".join(one.text for one in said)
        calls = tuple(call for one in said for call in one.tool_calls)
        if not text and not calls:
            return results
    named = message.get("name") or (message.get("agent") if kind == "llm" else None)
    step = Step(
        index=0,
        agent=named.label() if named is not None and not named.is_object else role,
        kind=kind,
        output=text,
        tool_calls=calls,
        usage=usage(message.get("usage")),
        started=message.time("timestamp") or message.time("created_at"),
    )
    own = {call.id for call in calls}
    mine = any(one.id in own for r in results if r.call for m in r.call.messages for one in m.tool_calls)
    return [step, *results] if mine else [*results, step]


def _parted(message: Field) -> bool:
    """Whether a message has to be taken apart: it holds calls of tools or their results among its parts."""
    if message.get("parts") is not None or message.get("blocks") is not None:
        return True
    listed = message.get("content")
    return listed is not None and listed.is_list and holds_tools(listed.items())


def _as_result(answer: Message, message: Field) -> Field:
    values = {"content": answer.text, "tool_call_id": answer.tool_call_id or "", "name": answer.name or "tool"}
    return Field(values, message.name, message.path)


def _results(message: Field, asked: Mapping[str, ToolCall]) -> list[Step]:
    """A tool's result, or one step for each result where one message holds several (`tool_responses`)."""
    if _parted(message):
        answers = [said for said in decoded(message) if said.role == "tool"]
        return [_result(_as_result(answer, message), message, asked) for answer in answers]
    return [_result(item, message, asked) for item in message.listed("tool_responses") or [message]]


def _result(result: Field, message: Field, asked: Mapping[str, ToolCall]) -> Step:
    identifier = result.get("tool_call_id") or result.get("call_id")
    call = asked.get(identifier.label() if identifier is not None else "")
    named = call.name if call else result.maybe_text("name") or message.maybe_text("name")
    return Step(
        index=0,
        agent=named or "tool",
        kind="tool",
        output=plain(result.get("content")),
        call=question_to_tool(call) if call else None,
        error=failure(message, "tool") if message.get("name") is not None else None,
        started=message.time("timestamp") or message.time("created_at"),
    )


def _yaml(text: str, name: str) -> list[Field]:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        raise LogFormatError(f"{name}: reading YAML takes PyYAML; pip install 'butfor[logs]'") from None

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined,misc]
        """Plain data, each key once, and no aliases, which let a small file stand for a huge one."""

        def compose_node(self, parent: object, index: object) -> object:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not read; write the value out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: object, deep: bool = False) -> object:
            found = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[attr-defined]
            if any(not isinstance(key, str) or found.count(key) > 1 for key in found):
                raise yaml.YAMLError("a key is no text, or stands twice in one mapping")
            return super().construct_mapping(node, deep)

    # Times stay the text they are.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in Loader.yaml_implicit_resolvers.items()
    }
    try:
        value = yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())[:200] or "nested too deeply"
        raise LogFormatError(f"{name}: not YAML that butfor reads: {problem}") from None
    log = Field(value, name)
    return log.items() if log.is_list else [log]
