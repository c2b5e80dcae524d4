"""LangChain's messages in any of the ways in which they are written out."""

from butfor.cache.call import Message, TokenLogprob, ToolCall, Usage
from butfor.replay.reading.fields import Field
from butfor.replay.reading.messages import content, logprobs, role, tool_call, usage

_ROLES = {
    "SystemMessage": "system",
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "ToolMessage": "tool",
    "FunctionMessage": "tool",
}


def body(field: Field) -> Field:
    """A message's own fields, out of the wrapping that serialisation puts around them (`kwargs`, `data`)."""
    wrapped = field.get("kwargs") or field.get("data")
    return wrapped if wrapped is not None and wrapped.is_object else field


def message(field: Field) -> Message:
    """A message: serialised by LangChain, dumped as a model, a pair of role and text, or as APIs write it.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    if field.is_text:
        return Message(role="user", content=field.text())
    if field.is_list:
        pair = field.items()
        if len(pair) != 2:
            raise field.wrong("a pair of role and text")
        return Message(role=role(pair[0]), content=content(pair[1]))
    found = body(field)
    return Message(
        role=role(_role(field, found)),
        content=content(found.get("content")),
        name=found.maybe_text("name"),
        tool_calls=tool_calls(found),
        tool_call_id=found.maybe_text("tool_call_id"),
    )


def _role(field: Field, found: Field) -> Field:
    kind = found.get("type") or found.get("role") or field.get("type")
    if kind is not None and kind.value != "constructor":
        return Field(_ROLES.get(kind.text().removesuffix("Chunk"), kind.value), kind.name, kind.path)
    path = field.listed("id")
    named = path[-1] if path else field.need("type", "the message's type")
    return Field(_ROLES.get(named.text(), named.value), named.name, named.path)


def tool_calls(found: Field) -> tuple[ToolCall, ...]:
    """The tool calls of a message's own fields; older versions keep the API's own ones apart."""
    own = found.listed("tool_calls")
    if not own and (extra := found.dig("additional_kwargs", "tool_calls")) is not None:
        own = extra.items()
    return tuple(tool_call(item) for item in own)


def message_usage(found: Field) -> Usage | None:
    """The tokens of a message's own fields."""
    return usage(found.get("usage_metadata") or found.dig("response_metadata", "token_usage"))


def message_logprobs(found: Field) -> tuple[TokenLogprob, ...] | None:
    """The log-probabilities of a message's own fields."""
    return logprobs(found.dig("response_metadata", "logprobs"))


def message_model(found: Field) -> str | None:
    """`provider:model` of a message's own fields, as far as they tell."""
    provider = found.dig("response_metadata", "model_provider")
    model = found.dig("response_metadata", "model_name")
    if model is None:
        return None
    return f"{provider.text()}:{model.text()}" if provider is not None else model.text()
