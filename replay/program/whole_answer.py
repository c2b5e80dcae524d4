"""Whether an answer came to its end: what a stream lacks, or an error that came inside of it."""

from typing import Any

from butfor.cache.apis.reply import Reply

_ENDS = frozenset({"message_stop", "response.completed", "response.incomplete"})
_ERRORS = frozenset({"error", "response.failed"})


def lacking(reply: Reply) -> str | None:
    """What is wrong with a response that a client took for a good one; `None` where nothing is."""
    if not reply.streamed or reply.base64:
        return None
    try:
        values = [value for value in reply.values() if isinstance(value, dict)]
    except ValueError:
        return "a stream that cannot be read"
    for value in values:
        if value.get("error") or value.get("type") in _ERRORS or "error" in _reasons(value):
            return f"an error inside of its stream: {_told(value)}"
    ended = reply.closed or any(_ends(value) for value in values)
    return None if ended else "a stream that was cut short"


def _ends(value: dict[str, Any]) -> bool:
    return value.get("type") in _ENDS or value.get("done") is True or any(_reasons(value))


def _reasons(value: dict[str, Any]) -> list[Any]:
    choices = [*(value.get("choices") or ()), *(value.get("candidates") or ())]
    return [c.get("finish_reason") or c.get("finishReason") for c in choices if isinstance(c, dict)]


def _told(value: dict[str, Any]) -> str:
    error = value.get("error") or (value.get("response") or {}).get("error") or value
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
