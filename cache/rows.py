"""Calls as rows: each message once, under its digest, however many histories hold it."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticSerializationError

from .call import Call, Message

Model = TypeVar("Model", bound=BaseModel)


def as_text(model: BaseModel) -> str:
    """The data as JSON; lone surrogates (half an emoji) as escapes."""
    try:
        return model.model_dump_json(exclude_defaults=isinstance(model, Message), exclude_none=True)
    except PydanticSerializationError:
        return json.dumps(model.model_dump(exclude_defaults=isinstance(model, Message), exclude_none=True))


def from_text(kind: type[Model], text: str) -> Model:
    """The data again.

    Raises:
        ValidationError: the text is no such data.
    """
    if "\\ud" not in text:
        return kind.model_validate_json(text)
    try:
        return kind.model_validate(json.loads(text))
    except (ValueError, RecursionError):
        return kind.model_validate_json(text)


def to_row(call: Call) -> tuple[dict[str, JsonValue], dict[str, Message]]:
    """The call with its messages by digest, and those messages."""
    messages = {message._digest.hex(): message for message in call.messages}
    fields = call.model_dump(mode="json", exclude_defaults=True, exclude={"messages"})
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


def packed(digests: Sequence[str]) -> str:
    """Digests as one short text: half the length of their list."""
    return b64encode(bytes.fromhex("".join(digests))).decode()


def digests_of(row: Mapping[str, object]) -> list[str]:
    """The digests of a row's messages, packed or listed as stores once did.

    Raises:
        ValueError: there are none.
    """
    found = row.get("messages")
    if isinstance(found, str):
        together = b64decode(found, validate=True).hex()
        return [together[start : start + 64] for start in range(0, len(together), 64)]
    if not isinstance(found, list):
        raise ValueError("the call names no messages")
    return [str(digest) for digest in found]
