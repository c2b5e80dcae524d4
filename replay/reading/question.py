"""What a model was asked, out of a request's body in any API's spelling, or the messages alone."""

from collections.abc import Iterable
from typing import NamedTuple

from butfor.cache.call import Message, Tool

from .calling import tool, tools
from .fields import Field
from .messages import content, is_message, is_schema, messages
from .parts import plain

_MESSAGES = ("messages", "contents", "input", "prompt", "chat_history", "history")
_INSTRUCTIONS = ("system", "instructions", "systemInstruction", "system_instruction", "system_prompt")


class Question(NamedTuple):
    """The messages that a model was given, and the tools that it was offered."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()


def question(given: Field) -> Question:
    """What a model was asked; what holds no messages is one message of a user, as it is.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    listed = given
    offered: tuple[Tool, ...] = ()
    system: tuple[Message, ...] = ()
    if given.is_object and not is_message(given):
        found = next((f for key in _MESSAGES if (f := given.get(key)) is not None), None)
        if found is not None:
            listed = found
            system = _system(given)
            named = given.get("tools")
            offered = _offered(named) if named is not None else ()
    items = _flat(listed.items()) if listed.is_list else [listed]
    schemas = [item for item in items if is_schema(item)]
    said = [item for item in items if not is_schema(item)]
    if not said or not all(_speaks(item) for item in said):
        return Question((*system, Message(role="user", content=plain(listed))), offered)
    told = (tool(item.need("content")) for item in schemas)
    return Question((*system, *conversed(said)), (*offered, *told))


def conversed(items: Iterable[Field]) -> tuple[Message, ...]:
    """Messages that follow each other; a result under its tool's name in place of a role goes to that tool's call.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    found: list[Message] = []
    waiting: list[tuple[str, str]] = []
    for item in items:
        for said in messages(item):
            waiting.extend((call.name, call.id) for call in said.tool_calls)
            if said.role == "tool" and said.tool_call_id:
                waiting = [pair for pair in waiting if pair[1] != said.tool_call_id]
            elif said.name and not said.tool_calls and (said.role == "tool" or _odd(item, said.name)):
                answered = next((pair for pair in waiting if pair[0] == said.name), None)
                if answered is not None:
                    waiting.remove(answered)
                    said = said.model_copy(update={"role": "tool", "tool_call_id": answered[1] or None})
            found.append(said)
    return tuple(found)


def _odd(item: Field, name: str) -> bool:
    """Whether a message's name is what stands as its role."""
    spoken = item.get("role") if item.is_object else None
    return spoken is not None and spoken.value == name


def _flat(items: list[Field]) -> list[Field]:
    """LangChain writes a batch of prompts: a list of lists of messages, mostly one."""
    if len(items) == 1 and items[0].is_list:
        return items[0].items()
    return items


def _speaks(item: Field) -> bool:
    return item.is_object and is_message(item)


def _system(given: Field) -> tuple[Message, ...]:
    found = next((f for key in _INSTRUCTIONS if (f := given.get(key)) is not None), None)
    if found is None:
        return ()
    if found.is_object and (below := found.get("parts")) is not None:
        found = below
    text = content(found) if not found.is_list else plain(found)
    return (Message(role="system", content=text),)


def _offered(named: Field) -> tuple[Tool, ...]:
    return tools(named) if named.is_list else ()
