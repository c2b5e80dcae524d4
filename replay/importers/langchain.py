"""LangChain's messages in any of the ways in which they are written out."""

from butfor.cache.call import Message, TokenLogprob, ToolCall, Usage
from butfor.replay.reading import messages as reading
from butfor.replay.reading.fields import Field
from butfor.replay.reading.messages import logprobs, usage


def body(field: Field) -> Field:
    """A message's own fields, out of the wrapping that serialisation puts around them (`kwargs`, `data`)."""
    wrapped = field.get("kwargs") or field.get("data")
    return wrapped if wrapped is not None and wrapped.is_object else field


def message(field: Field) -> Message:
    """A message: serialised by LangChain, dumped as a model, a pair of role and text, or as APIs write it.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    return reading.message(field)


def tool_calls(found: Field) -> tuple[ToolCall, ...]:
    """The tool calls of a message's own fields."""
    return reading.tool_calls(found)


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
