"""Chat messages, tools and usage as APIs and frameworks write them, in the spellings they share."""

import json
from typing import NamedTuple

from pydantic import JsonValue

from butfor.cache.call import Call, Message, Role, TokenLogprob, Tool, ToolCall, Usage

from .fields import Field

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "tool-call": "assistant",
    "tool-response": "tool",
}


def role(field: Field) -> Role:
    """A speaker's role under any of its names (`developer`, `human`, `ai`, `function` …).

    Raises:
        LogFormatError: no API has such a role.
    """
    found = _ROLES.get(field.text())
    if found is None:
        raise field.wrong(f"a role: {', '.join(_ROLES)}")
    return found


def message(field: Field) -> Message:
    """A message in the spelling of the Chat Completions API, which most logs use.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    return Message(
        role=role(field.need("role", "a role")),
        content=content(field.get("content")),
        name=field.maybe_text("name"),
        tool_calls=tool_calls(field),
        tool_call_id=field.maybe_text("tool_call_id"),
    )


def content(field: Field | None) -> str | tuple[JsonValue, ...] | None:
    """Text, or the content parts as they are.

    Raises:
        LogFormatError: the content is neither.
    """
    if field is None or field.is_text:
        return None if field is None else field.text()
    if field.is_list:
        return tuple(item.json() for item in field.items())
    raise field.wrong("text or a list of parts")


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
    if (text := part.get("text")) is not None:
        return text.text()
    found = part.get("content")
    return found.text() if found is not None and found.is_text else None


def tool_calls(field: Field) -> tuple[ToolCall, ...]:
    """The calls under `tool_calls`, in order."""
    return tuple(tool_call(item) for item in field.listed("tool_calls"))


def tool_call(field: Field) -> ToolCall:
    """A call of a tool, its name and arguments beside its id or in a `function` below it.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    function = field.get("function") or field
    if function.is_text:
        function = field
    named = function.get("name") or function.need("function", "the tool's name")
    given = next((f for key in ("arguments", "args", "input", "parameters") if (f := function.get(key))), None)
    identifier = field.get("id") or field.get("call_id") or field.get("tool_call_id")
    return ToolCall(id=identifier.text() if identifier else "", name=named.text(), arguments=arguments(given))


def arguments(field: Field | None) -> str:
    """A tool call's arguments as JSON text; text is kept as the model wrote it."""
    if field is None:
        return "{}"
    return field.text() if field.is_text else json.dumps(field.json(), ensure_ascii=False)


def same_arguments(call: ToolCall, given: Field | None) -> bool:
    """Whether a tool was given these arguments, as a value or as JSON text."""
    if given is None:
        return False
    if given.value == call.arguments:
        return True
    try:
        value = given.value if not given.is_text else json.loads(given.text())
        return bool(json.loads(call.arguments) == value)
    except (ValueError, RecursionError):
        return False


def tool(field: Field) -> Tool:
    """A tool that a model may call, in the spelling of any API.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    function = field.get("function") or field
    spellings = ("parameters", "parameters_json_schema", "input_schema")
    schema = next((f for key in spellings if (f := function.get(key))), None)
    given = schema.fields() if schema is not None and schema.is_object else {}
    return Tool(
        name=function.text("name"),
        description=function.maybe_text("description") or "",
        parameters={key: value.json() for key, value in given.items()},
    )


class Answer(NamedTuple):
    """What a model answered."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()


def answer(field: Field) -> Answer:
    """The answer in a response body of any of the usual APIs, in a message, or in bare text.

    Understood are Chat Completions (`choices`), Responses (`output`), Anthropic's Messages (`content` in
    blocks), Ollama (`message`), one message, and a list of messages, which all count.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    if field.is_text:
        return Answer(field.text())
    if field.is_list:
        parts = [_block(item) for item in field.items()]
        text = "\n".join(part.text for part in parts if part.text)
        return Answer(text, tuple(call for part in parts for call in part.tool_calls))
    if choices := field.listed("choices"):
        return answer(choices[0].get("message") or choices[0].need("text", "a message or text"))
    below = field.get("message") or field.get("output")
    if below is not None:
        return answer(below)
    return _message_answer(field)


def _message_answer(field: Field) -> Answer:
    found = field.get("content")
    blocks = answer(found) if found is not None and found.is_list else Answer(plain(found))
    return Answer(blocks.text, blocks.tool_calls + tool_calls(field))


def _block(item: Field) -> Answer:
    """One part of an answer: a content part, a call of a tool, or a whole message."""
    if item.is_text:
        return Answer(item.text())
    kind = item.get("type")
    named = kind.value if kind is not None else None
    if named in ("tool_use", "function_call", "tool_call") or (named is None and item.get("arguments")):
        call = tool_call(item)
        called = item.maybe_text("call_id")
        return Answer("", (call.model_copy(update={"id": called}) if called else call,))
    if item.get("content") is not None or item.get("tool_calls") is not None:
        return _message_answer(item)
    return Answer(text_part(item) or "")


def tools(field: Field | None) -> tuple[Tool, ...]:
    """The tools of a list, in order; what is no function (a hosted tool without a name) is left out."""
    listed = field.items() if field is not None else []
    return tuple(tool(item) for item in listed if item.get("name") or item.dig("function", "name"))


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


def question_to_tool(call: ToolCall) -> Call:
    """The call of a tool as a `Call`: the tool's name and arguments as text, and the call itself."""
    asked = Message(role="assistant", content=f"{call.name}({call.arguments})", tool_calls=(call,))
    return Call(model=f"tool:{call.name}", messages=(asked,))


def _first(counts: tuple[int | None, ...]) -> int:
    return next((count for count in counts if count is not None), 0)
