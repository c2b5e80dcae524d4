"""Calls as rows: each message once, under its digest, however many histories hold it."""

from collections.abc import Mapping

from pydantic import JsonValue

from .call import Call, Message


def to_row(call: Call) -> tuple[dict[str, JsonValue], dict[str, Message]]:
    """The call with its messages by digest, and those messages."""
    messages = {message._digest.hex(): message for message in call.messages}
    fields = call.model_copy(update={"messages": ()}).model_dump(mode="json", exclude_defaults=True)
    return {**fields, "messages": [message._digest.hex() for message in call.messages]}, messages


def from_row(row: Mapping[str, object], messages: Mapping[str, Message]) -> Call:
    """The call again.

    Raises:
        ValueError: the row is no call, or names a message that is not among `messages`.
    """
    digests = row.get("messages")
    if not isinstance(digests, list) or not all(digest in messages for digest in digests):
        raise ValueError("a message of the call is missing")
    return Call.model_validate({**row, "messages": tuple(messages[digest] for digest in digests)})
