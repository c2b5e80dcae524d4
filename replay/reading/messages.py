"""Chat messages and answers as APIs and frameworks write them, in the spellings they share."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import JsonValue

from butfor.cache.call import Message, Role, TokenLogprob, ToolCall, Usage

from .calling import arguments, first, question_to_tool, same_arguments, tool, tool_call, tools
from .fields import Field
from .parts import Parts, holds_tools, parts, plain, text_part

__all__ = [
    "Answer",
    "answer",
    "arguments",
    "content",
    "is_message",
    "is_schema",
    "logprobs",
    "message",
    "messages",
    "plain",
    "question_to_tool",
    "role",
    "same_arguments",
    "text_part",
    "tool",
    "tool_call",
    "tool_calls",
    "tools",
    "usage",
]

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "systemmessage": "system",
    "instructions": "system",
    "user": "user",
    "human": "user",
    "humanmessage": "user",
    "chatmessage": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "aimessage": "assistant",
    "model": "assistant",
    "assistantmessage": "assistant",
    "bot": "assistant",
    "agent": "assistant",
    "tool": "tool",
    "toolmessage": "tool",
    "function": "tool",
    "functionmessage": "tool",
    "observation": "tool",
    "ipython": "tool",
    "tool-call": "assistant",
    "tool_call": "assistant",
    "tool-response": "tool",
    "tool_response": "tool",
}
_KNOWN_LISTS = ("parts", "blocks")
_TEXTS = ("content", "parts", "blocks", "text", "completion", "output_text", "generated_text", "answer")


def role(field: Field) -> Role:
    """A speaker's role under any of its names (`developer`, `human`, `ai`, `function` …).

    One that no API has is a user's where it says so, else an assistant's.

    Raises:
        LogFormatError: it is no text.
    """
    named = field.text().lower().removesuffix("chunk").rpartition(".")[2]
    found = _ROLES.get(named)
    if found is None:
        found = "user" if "user" in named or "human" in named else "assistant"
    return found


def message(field: Field) -> Message:
    """A message in any of the spellings; the first of them where one object holds several.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    return messages(field)[0]


def messages(field: Field) -> tuple[Message, ...]:
    """The messages that one message of a log stands for: each result of a tool in it is one of its own.

    Understood are text, a pair of role and text, Chat Completions, Anthropic's, Gemini's, Responses' items,
    OpenTelemetry's `parts`, LangChain's serialised messages, LlamaIndex's blocks and the Vercel AI SDK's.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    if field.is_text:
        return (Message(role="user", content=field.text()),)
    if field.is_list and len(pair := field.items()) == 2 and pair[0].is_text:
        return (Message(role=role(pair[0]), content=content(pair[1])),)
    found = _body(field)
    listed = _parted(found)
    held = parts(listed) if listed is not None else Parts()
    if found.get("role") is None and _is_item(found):
        held = parts([found])
        return (*_results(held), *((_item(held),) if held.tool_calls or held.silent else ()))
    said = Message(
        role=role(_role(field, found)),
        content=held.content if listed is not None else content(first(found, "content", "text")),
        name=_name(field, found),
        tool_calls=_together(tool_calls(found), held.tool_calls),
        tool_call_id=_called(found),
    )
    results = _results(held)
    return results if results and not (held.texts or held.others or said.tool_calls) else (*results, said)


def is_message(field: Field) -> bool:
    """Whether a value is a message as some API or framework writes it."""
    if not field.is_object:
        return False
    found = _body(field)
    spoken = any(found.get(key) is not None for key in ("role", "tool_calls", "tool_call_id"))
    typed = found.get("type") is not None and any(found.get(key) is not None for key in _TEXTS)
    return spoken or typed or _is_item(found) or found is not field


def is_schema(field: Field) -> bool:
    """Whether a message holds a tool's schema in place of something said, as Langfuse keeps what was offered."""
    held = field.get("content") if field.is_object else None
    if held is None or not held.is_object:
        return False
    function = held.get("function") or held
    described = ("parameters", "description", "input_schema")
    return function.is_object and function.get("name") is not None and any(function.get(k) for k in described)


def _body(field: Field) -> Field:
    wrapped = first(field, "kwargs", "data") if field.is_object else None
    return wrapped if wrapped is not None and wrapped.is_object else field


def _is_item(found: Field) -> bool:
    """Whether a value is one of Responses' items that are no messages, but act."""
    return found.is_object and found.get("type") is not None and found.get("content") is None and holds_tools([found])


def _parted(found: Field) -> list[Field] | None:
    """The parts of a message that have to be taken apart; `None` where its content can stay as it is."""
    for key in _KNOWN_LISTS:
        listed = found.get(key)
        if listed is not None and listed.is_list:
            return listed.items()
    listed = found.get("content")
    if listed is None or not listed.is_list:
        return None
    return listed.items() if holds_tools(listed.items()) else None


def _results(held: Parts) -> tuple[Message, ...]:
    return tuple(
        Message(role="tool", content=result.text, name=result.name, tool_call_id=result.id or None)
        for result in held.results
    )


def _item(held: Parts) -> Message:
    return Message(role="assistant", content=None, tool_calls=held.tool_calls)


def _role(field: Field, found: Field) -> Field:
    if (named := found.get("role")) is not None:
        return named
    kind = first(found, "type", "author", "source", "sender") or field.get("type")
    if kind is not None and kind.value not in ("constructor", "message"):
        return kind
    path = field.listed("id") if (identifier := field.get("id")) is not None and identifier.is_list else []
    return path[-1] if path else field.need("role", "a role")


def _name(field: Field, found: Field) -> str | None:
    """The speaker's own name; a role that no API has is one."""
    named = found.get("name")
    if named is not None and (named.is_text or isinstance(named.value, int)):
        return named.label()
    spoken = _role(field, found).text()
    return None if spoken.lower().removesuffix("chunk").rpartition(".")[2] in _ROLES else spoken


def _called(found: Field) -> str | None:
    identifier = first(found, "tool_call_id", "toolCallId", "call_id")
    return identifier.label() if identifier is not None else None


def _together(calls: tuple[ToolCall, ...], more: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """The calls, and those of the others that do not stand among them already."""
    known = {call.id for call in calls if call.id}
    return (*calls, *(call for call in more if call.id not in known and (call.id or call not in calls)))


def tool_calls(field: Field) -> tuple[ToolCall, ...]:
    """The calls of a message's own fields, in order; older versions keep the API's own ones apart."""
    listed = first(field, "tool_calls", "toolCalls")
    own = listed.items() if listed is not None else []
    if not own and (extra := field.dig("additional_kwargs", "tool_calls")) is not None and extra.is_list:
        own = extra.items()
    if not own and (one := field.get("function_call")) is not None and one.is_object and one.get("name"):
        own = [one]
    return tuple(tool_call(item) for item in own)


def content(field: Field | None) -> str | tuple[JsonValue, ...] | None:
    """Text, or the content parts as they are; anything else as its JSON.

    Raises:
        LogFormatError: the content is nested too deeply.
    """
    if field is None or field.is_text:
        return None if field is None else field.text()
    if field.is_list:
        return tuple(item.json() for item in field.items())
    return plain(field)


class Answer(NamedTuple):
    """What a model answered."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()


def answer(field: Field) -> Answer:
    """The answer in a response body of any of the usual APIs, in a message, or in bare text.

    Understood are Chat Completions (`choices`), Responses (`output`), Anthropic's Messages (`content` in
    blocks), Gemini (`candidates`), Ollama (`message`), LangChain (`generations`), one message in any
    spelling, and a list of messages, which all count. What nobody understands is kept as its JSON.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    if field.is_list:
        return _joined([_answered(item) for item in field.items()])
    return _answered(field)


def _joined(found: Iterable[Answer]) -> Answer:
    listed = list(found)
    text = "\n".join(part.text for part in listed if part.text)
    return Answer(text, tuple(call for part in listed for call in part.tool_calls))


def _answered(field: Field) -> Answer:
    if not field.is_object:
        return Answer(plain(field))
    for key in ("choices", "candidates", "generations"):
        listed = field.get(key)
        if listed is not None and listed.is_list and (items := listed.items()):
            return _chosen(items[0])
    below = _below(field)
    return answer(below) if below is not None else _said(field)


def _chosen(item: Field) -> Answer:
    while item.is_list and (items := item.items()):
        item = items[0]
    if not item.is_object:
        return Answer(plain(item))
    found = first(item, "message", "text", "content", "delta")
    return _answered(item) if found is None else answer(found)


def _below(field: Field) -> Field | None:
    """What an answer stands in, where the object is not the answer itself."""
    if isinstance(kind := field.value.get("type") if isinstance(field.value, dict) else None, str) and (
        kind != "message" and holds_tools([field])
    ):
        return None
    found = first(field, "message", "output")
    if found is None and field.get("content") is None:
        found = first(field, "kwargs", "data", "response", "result")
        found = found if found is None or found.is_object or found.is_text or found.is_list else None
    if found is None and (listed := field.get("messages")) is not None and listed.is_list and listed.items():
        found = listed.items()[-1]
    return found


def _said(field: Field) -> Answer:
    """The answer in one message, or in one part of one."""
    calls = tool_calls(field)
    found = first(field, *_TEXTS)
    if _is_item(field) or (found is None and not calls):
        held = parts([field])
    elif found is not None and found.is_list:
        held = parts(found.items())
    elif found is not None and found.is_object:
        inner = _answered(found)
        held = Parts((inner.text,), inner.tool_calls)
    else:
        held = parts([field]) if _thought(field) else Parts((plain(found),))
    calls = _together(calls, held.tool_calls)
    text = held.text
    if not text and not calls and not held.silent and (held.others or held.results):
        text = "\n".join(result.text for result in held.results) or json.dumps(
            list(held.others) if found is not None else field.json(), ensure_ascii=False
        )
        text = "" if found is None and not any(field.fields().keys() - _ASIDE) else text
    return Answer(text, calls)


_ASIDE = frozenset({"type", "role", "id", "name", "finish_reason", "status", "usage", "index"})
"""What stands beside an answer, and is none."""


def _thought(field: Field) -> bool:
    return bool(parts([field]).silent)


def usage(field: Field | None) -> Usage | None:
    """Tokens, in the spelling of any API; `None` where nothing was counted."""
    if field is None:
        return None
    read = (
        field.maybe_integer("input_tokens"),
        field.maybe_integer("prompt_tokens"),
        field.maybe_integer("input"),
    )
    written = (
        field.maybe_integer("output_tokens"),
        field.maybe_integer("completion_tokens"),
        field.maybe_integer("output"),
    )
    if all(count is None for count in (*read, *written)):
        return None
    return Usage(input_tokens=_first(read), output_tokens=_first(written))


def logprobs(field: Field | None) -> tuple[TokenLogprob, ...] | None:
    """The tokens' natural log-probabilities, under `content` as the Chat Completions API gives them."""
    if field is None or not field.is_object:
        return None
    found = [TokenLogprob(item.text("token"), item.need("logprob").number()) for item in field.listed("content")]
    return tuple(found) or None


def _first(counts: tuple[int | None, ...]) -> int:
    return next((count for count in counts if count is not None), 0)
