"""The parts that a message is made of: texts, calls of tools and their results, in the spellings of all APIs.

Understood are Chat Completions, Anthropic's blocks, OpenAI's Responses items, Gemini's parts, OpenTelemetry's
`parts`, the Vercel AI SDK's parts and LlamaIndex's blocks.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import JsonValue

from butfor.cache.call import ToolCall

from .calling import first, tool_call
from .fields import Field

_CALLS = frozenset(
    {"tool_use", "server_tool_use", "function_call", "custom_tool_call", "tool_call", "tool-call", "toolCall"}
)
_RESULTS = frozenset(
    {
        "tool_result",
        "tool-result",
        "tool_call_response",
        "tool_call_output",
        "function_call_output",
        "custom_tool_call_output",
        "function_response",
        "function_result",
        "toolResult",
    }
)
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "thought", "step-start", "step-finish"})
_ANSWERED = ("call_id", "tool_call_id", "tool_use_id", "toolCallId", "id", "callId")
_RESULT_TEXTS = ("response", "result", "output", "content", "value", "errorText")


class Result(NamedTuple):
    """What a tool gave back, as a message tells it."""

    id: str
    name: str | None
    text: str


class Parts(NamedTuple):
    """What a message is made of."""

    texts: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    results: tuple[Result, ...] = ()
    others: tuple[JsonValue, ...] = ()
    """Parts that are neither (images and the like, or nobody knows what), as they are."""
    silent: bool = False
    """Whether there is a thought among them."""

    @property
    def text(self) -> str:
        """The texts, one after another."""
        return "\n".join(text for text in self.texts if text)

    @property
    def content(self) -> str | tuple[JsonValue, ...]:
        """The texts as one; with anything besides them, all of it as parts."""
        if not self.others:
            return "\n".join(self.texts)
        told: list[JsonValue] = [{"type": "text", "text": text} for text in self.texts]
        return (*told, *self.others)


def parts(items: Iterable[Field]) -> Parts:
    """What a list of parts holds."""
    texts: list[str] = []
    calls: list[ToolCall] = []
    results: list[Result] = []
    others: list[JsonValue] = []
    silent = False
    for item in items:
        found = _part(item)
        if found is None:
            others.append(item.json())
            continue
        texts += found.texts
        calls += found.tool_calls
        results += found.results
        silent = silent or found.silent
    return Parts(tuple(texts), tuple(calls), tuple(results), tuple(others), silent)


def holds_tools(items: Iterable[Field]) -> bool:
    """Whether a tool is called or answered in some parts."""
    found = [part for item in items if item.is_object and (part := _part(item)) is not None]
    return any(part.tool_calls or part.results for part in found)


def _part(item: Field) -> Parts | None:
    if item.is_text:
        return Parts((item.text(),))
    if not item.is_object:
        return None
    kind = item.get("type") or item.get("part_kind") or item.get("block_type")
    named = str(kind.value) if kind is not None else ""
    if named in _THOUGHTS or item.value.get("thought") is True:  # type: ignore[attr-defined]
        return Parts(silent=True)
    tools = _tools(item, named)
    if tools is not None:
        return tools
    text = text_part(item)
    return None if text is None else Parts((text,))


def _tools(item: Field, kind: str) -> Parts | None:
    """A call of a tool, its result, or both where one part holds them."""
    below = first(item, "functionCall", "function_call", "toolUse", "toolInvocation")
    if below is not None and below.is_object:
        return _called(below)
    answered = first(item, "functionResponse", "function_response", "toolResult")
    if answered is not None and answered.is_object:
        return Parts(results=(_result(answered),))
    if kind in _RESULTS:
        return Parts(results=(_result(item),))
    if kind in _CALLS or kind == "dynamic-tool" or (not kind and item.get("arguments") and item.get("name")):
        return _called(item)
    if kind.startswith("tool-") and item.get("toolCallId") is not None:
        fields = {"toolName": kind.removeprefix("tool-"), **{k: f.value for k, f in item.fields().items()}}
        return _called(Field(fields, item.name, item.path))
    return None


def _called(item: Field) -> Parts:
    call = tool_call(item)
    called = item.get("call_id")
    if called is not None:
        call = call.model_copy(update={"id": called.label()})
    done = item.get("state") is not None and first(item, "result", "output") is not None
    return Parts(tool_calls=(call,), results=(_result(item),) if done else ())


def _result(item: Field) -> Result:
    identifier = first(item, *_ANSWERED)
    named = first(item, "name", "toolName", "tool_name")
    given = first(item, *_RESULT_TEXTS)
    if given is not None and given.is_object:  # Gemini's {"result": …}, the AI SDK's {"type": "text", "value": …}
        inner = {k: f for k, f in given.fields().items() if k != "type"}
        given = next(iter(inner.values())) if len(inner) == 1 else given
    name = named.label() if named is not None else None
    return Result(identifier.label() if identifier is not None else "", name, plain(given))


def plain(field: Field | None) -> str:
    """A value as one text: the text of its parts, or its JSON where it is neither text nor parts."""
    if field is None:
        return ""
    if field.is_text:
        return field.text()
    if field.is_list:
        texts = [item.text() if item.is_text else text_part(item) for item in field.items()]
        if all(text is not None for text in texts):
            return "\n".join(text for text in texts if text is not None)
    return json.dumps(field.json(), ensure_ascii=False)


def text_part(part: Field) -> str | None:
    """The text of a content part; `None` where it is an image or the like."""
    if not part.is_object:
        return None
    for key in ("text", "content", "refusal", "output_text"):
        found = part.get(key)
        if found is not None and found.is_object and key == "text":
            found = found.get("value")
        if found is not None and found.is_text:
            return found.text()
        if found is not None and key == "text":
            raise found.wrong("text")
    return None
