"""Calls as rows: each message once, under its digest, however many histories hold it."""

import json
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError

from .call import Call, Completion, Message

Model = TypeVar("Model", bound=BaseModel)
_LIKES = 5
"""Calls that are read whole to explain a miss."""


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


class Reads(ABC):
    """What a store reads, wherever its rows are kept: `answer/KEY`, `call/KEY`, `message/DIGEST`, `note/NAME`."""

    def get(self, key: str) -> Completion | None:
        """The stored answer, checked; `None` only where its call is not there either."""
        text = self._read(f"answer/{key}")
        if text is None and self._read(f"call/{key}") is not None:
            text = self._read(f"answer/{key}") or self._damaged(f"answer/{key} is gone")
        if text is None:
            return None
        try:
            return from_text(Completion, text)
        except ValidationError as error:
            self._damaged(f"answer/{key} is not an answer: {error}")

    def item(self, key: str) -> tuple[Call, Completion]:
        """The call and the answer under one key."""
        return self._call(key), self._found(key)

    def items(self) -> Iterator[tuple[str, Call, Completion]]:
        """Every key with its call and its answer."""
        return ((key, *self.item(key)) for key in self._keys())

    def calls(self) -> Iterator[Call]:
        """Every call that has an answer."""
        return (self._call(key) for key in self._keys())

    def noted(self, name: str) -> str | None:
        """The text kept under a name."""
        return self._read(f"note/{name}")

    @abstractmethod
    def _keys(self) -> Iterator[str]:
        """The keys of all answers."""

    @abstractmethod
    def _read(self, name: str) -> str | None:
        """The text of a row, its checksum verified."""

    @abstractmethod
    def _damaged(self, what: str) -> NoReturn:
        """Say what is wrong with the store, as a `StoreDamaged`."""

    def _likest(self, call: Call, keys: Iterable[str]) -> Iterator[Call]:
        """The calls under these keys that have most messages in common with one, the likest first."""
        wanted = {message._digest.hex() for message in call.messages}
        scored = []
        for key in keys:
            text = self._read(f"call/{key}")
            digests = digests_of(json.loads(text)) if text else []
            scored.append((3 * sum(digest in wanted for digest in digests) - len(digests), key))
        for _, key in sorted(scored, key=lambda pair: -pair[0])[:_LIKES]:
            yield self._call(key)

    def _found(self, key: str) -> Completion:
        return self.get(key) or self._damaged(f"answer/{key} is gone")

    def _call(self, key: str) -> Call:
        text = self._read(f"call/{key}") or self._damaged(f"call/{key} is missing beside its answer")
        try:
            row = json.loads(text)
            digests = digests_of(row)
            return from_row({**row, "messages": digests}, {digest: self._message(digest) for digest in digests})
        except (ValueError, AttributeError) as error:
            self._damaged(f"call/{key} is not a call: {error}")

    def _message(self, digest: str) -> Message:
        name = f"message/{digest}"
        return from_text(Message, self._read(name) or self._damaged(f"{name} is missing"))
