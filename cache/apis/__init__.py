"""Requests and responses of the usual APIs: one dialect a file, each from and to `Call` and `Completion`."""

import json
from re import Pattern
from typing import Any, Protocol

from butfor.cache.call import Call, Completion

from . import anthropic, chat, embeddings, ollama, responses
from .common import GARBAGE, Body, empty
from .reply import Reply
from .stable import stable_call

__all__ = ["DIALECTS", "GARBAGE", "Body", "Dialect", "dialect_of", "heard", "parsed", "spoken_in", "stable_call"]


class Dialect(Protocol):
    """One API; a module with these names."""

    NAME: str
    PATH: Pattern[str]
    """How the path of its requests ends."""

    def call(self, body: Body) -> Call:
        """The call of a request."""
        ...

    def completion(self, values: list[Any]) -> Completion:
        """The answer in the JSON values of a response: one body, or the events of a stream."""
        ...

    def reply(self, answer: Completion, body: Body, *, seed: str) -> Reply:
        """The response that holds an answer; equal seeds give equal ids."""
        ...


DIALECTS: tuple[Dialect, ...] = (chat, responses, anthropic, ollama, embeddings)


def dialect_of(path: str) -> Dialect | None:
    """The API that a URL's path belongs to; `None` where no model is asked."""
    return next((dialect for dialect in DIALECTS if dialect.PATH.search(path)), None)


def spoken_in(call: Call) -> Dialect:
    """The API that a recorded call was made in.

    Raises:
        KeyError: it was not recorded on the wire.
    """
    wire = call.params["wire"]
    api = wire.get("api") if isinstance(wire, dict) else None
    return {dialect.NAME: dialect for dialect in DIALECTS}[str(api)]


def parsed(text: str) -> dict[str, Any]:
    """A request's body.

    Raises:
        ValueError: it is no JSON object.
    """
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("the request is no JSON object")
    return body


def heard(dialect: Dialect, reply: Reply) -> Completion:
    """The answer in a response, which it keeps as `raw`; an empty one where the response is an error or
    garbage.
    """
    raw = reply.model_dump_json(exclude_defaults=True)
    if reply.failed or reply.base64:
        return empty().model_copy(update={"raw": raw})
    try:
        found = dialect.completion(reply.values())
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        return empty().model_copy(update={"raw": raw})  # the program saw the same garbage, and is shown it again
    return found.model_copy(update={"raw": raw})
