"""A call without what differs from run to run by itself: what it is recognised by."""

import re
from functools import lru_cache

from butfor.cache.call import Call, Message

_VOLATILE = re.compile(
    r"(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<datetime>datetime\.datetime\((?:[^()]|\([^()]*\))*\))"
    r"|(?P<temporary>(?<=[/\\])tmp[a-z0-9_]{8}\b)"
    r"|(?P<address>\b0x[0-9a-fA-F]{6,16}\b)"
)


def stable_call(call: Call) -> Call:
    """The call with uuids, timestamps and memory addresses replaced by placeholders; ids are renamed by
    its key.
    """
    messages = tuple(_stable(message) for message in call.messages)
    return call if messages == call.messages else call.model_copy(update={"messages": messages})


def stable_text(text: str) -> str:
    """A text with its volatile parts replaced."""
    return _VOLATILE.sub(lambda match: f"<{match.lastgroup}>", text)


def _stable(message: Message) -> Message:
    return _stable_text_message(message) if isinstance(message.content, str | None) else message


@lru_cache(maxsize=16_384)
def _stable_text_message(message: Message) -> Message:
    text = message.content if isinstance(message.content, str) else ""
    calls = tuple(c.model_copy(update={"arguments": stable_text(c.arguments)}) for c in message.tool_calls)
    stable = stable_text(text)
    if stable == text and calls == message.tool_calls:
        return message
    content = None if message.content is None else stable
    return message.model_copy(update={"content": content, "tool_calls": calls})
