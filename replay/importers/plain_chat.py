"""Plain lists of chat messages in JSON, JSONL or YAML, each with a `role`, a `content` and perhaps a `name`.

Every message is a step, but for the system messages before the first other one, which are the prompt.
Nothing says what each speaker was given, so everybody hears everything said before; tool results are tied
to calls by their ids.
"""

import importlib
import re
from collections.abc import Mapping, Sequence

from butfor.cache.call import ToolCall
from butfor.cache.errors import LogFormatError
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import plain, question_to_tool, tool_calls, usage
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import all_named, keys
from butfor.replay.trace import Agent, Kind, Step, Trace

FORMAT = "plain-chat"
_YAML = re.compile(
    r"(?:---[^\n]*\n\s*+)?(?:#[^\n]*\n\s*+)*+(?:messages:[ \t]*\n\s*+)?-[ \t]+(?:role|name|content)[ \t]*:"
)
_KINDS: dict[str, Kind] = {"user": "human", "human": "human", "tool": "tool", "function": "tool"}
_PROMPTS = ("system", "developer")
_ELSEWHERE = frozenset({"agent_id", "event_id", "ns", "inputs", "events", "response", "history", "stop_reason"})


def sniff(head: str) -> bool:
    """Messages with a `role` and `content`, not all of them with a `name`; alone or under `messages`."""
    found = keys(head)
    if not found:
        return _YAML.match(head.lstrip()) is not None
    if _ELSEWHERE & found.keys() or "type" in found:
        return False
    if "messages" in found:
        return {"messages/role", "messages/content"} <= found.keys()
    return {"role", "content"} <= found.keys() and not all_named(head)


def load(text: str, *, name: str) -> Trace:
    """The trace of the only conversation in a file.

    Raises:
        LogFormatError: a message has no role or no content that can be read, or there are several
        conversations.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The conversations in a file, by their position."""
    records = parse_records(text, name=name) if text.lstrip()[:1] in ("{", "[") else _yaml(text, name)
    if not any(record.is_object and record.get("messages") for record in records):
        return {"0": lambda: conversation(records, format=FORMAT, name=name)}
    chats = [record.need("messages", "a list of messages").items() for record in records]
    return {str(index): _run(chat, name_of(name, str(index), len(chats))) for index, chat in enumerate(chats)}


def _run(messages: Sequence[Field], name: str) -> Run:
    return lambda: conversation(messages, format=FORMAT, name=name)


def conversation(messages: Sequence[Field], *, format: str, name: str) -> Trace:  # noqa: A002
    """The trace of a list of messages.

    Raises:
        LogFormatError: a message has no role, or content that can be read.
    """
    steps: list[Step] = []
    prompts: list[str] = []
    asked: dict[str, ToolCall] = {}
    for message in messages:
        if not steps and message.text("role") in _PROMPTS:
            prompts.append(plain(message.get("content")))
            continue
        steps.extend(_steps(message, asked))
        asked.update({call.id: call for step in steps[-1:] for call in step.tool_calls})
    prompt = "\n\n".join(prompts) or None
    speakers = dict.fromkeys(step.agent for step in steps if step.kind == "llm")
    agents = [Agent(name=speaker, system_prompt=prompt) for speaker in speakers]
    return assemble(steps, format=format, name=name, agents=agents)


def _steps(message: Field, asked: Mapping[str, ToolCall]) -> list[Step]:
    role = message.text("role")
    kind = _KINDS.get(role, "human" if role in _PROMPTS else "llm")
    if kind == "tool":
        return _results(message, asked)
    return [
        Step(
            index=0,
            agent=message.maybe_text("name") or role,
            kind=kind,
            output=plain(message.get("content")),
            tool_calls=tool_calls(message),
            usage=usage(message.get("usage")),
            started=message.time("timestamp") or message.time("created_at"),
        )
    ]


def _results(message: Field, asked: Mapping[str, ToolCall]) -> list[Step]:
    """A tool's result, or one step for each result where one message holds several (`tool_responses`)."""
    return [_result(item, message, asked) for item in message.listed("tool_responses") or [message]]


def _result(result: Field, message: Field, asked: Mapping[str, ToolCall]) -> Step:
    call = asked.get(result.maybe_text("tool_call_id") or "")
    named = call.name if call else result.maybe_text("name") or message.maybe_text("name")
    return Step(
        index=0,
        agent=named or "tool",
        kind="tool",
        output=plain(result.get("content")),
        call=question_to_tool(call) if call else None,
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
