"""The wire protocols of the usual APIs, one codec a file: requests, answers and streams, read and written.

A protocol is recognised by a request's path *and* the shape of its body: `/messages` of a chat service is no model's.
"""

import json
from re import Pattern
from typing import Any, Protocol, cast

from butfor.cache.call import Call, Completion

from . import anthropic, bedrock, chat, cohere, completions, embeddings, gemini, ollama, responses
from .common import CUT, GARBAGE, Body, empty, listed
from .ending import is_fault
from .reply import Reply
from .stable import stable_call

__all__ = [
    "CODECS",
    "CUT",
    "GARBAGE",
    "UNREADABLE",
    "Body",
    "Codec",
    "asking",
    "codec_at",
    "heard",
    "parsed",
    "recognise",
    "rewritten",
    "spoken_in",
    "stable_call",
]

UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration, RecursionError)
"""What a reader may raise of a body that is not what its API says."""


class Codec(Protocol):
    """One wire protocol; a module with these names."""

    NAME: str
    PATH: Pattern[str]
    """How the path of its requests ends."""
    SERVICE: str
    """The address of the service, before a request's path."""
    KEY: str
    """The environment variable that holds the key for it."""

    def asks(self, body: Body) -> bool:
        """Whether a body is a request of this API."""
        ...

    def call(self, body: Body) -> Call:
        """The call of a request."""
        ...

    def completion(self, values: list[Any]) -> Completion:
        """The answer in the JSON values of a response: one body, or the events of a stream."""
        ...

    def finished(self, values: list[Any]) -> bool:
        """Whether the events of a stream came to their end."""
        ...

    def reply(self, answer: Completion, body: Body, *, seed: str) -> Reply:
        """The response that holds an answer; equal seeds give equal ids."""
        ...

    def rewritten(self, values: list[Any], answer: Completion, body: Body) -> Reply:
        """The response with these values, its text or its calls those of another answer; everything else stays."""
        ...


class Asking(Codec, Protocol):
    """A codec in which a question can be written too."""

    def path(self, model: str, *, stream: bool = False) -> str:
        """Where a request is sent, below the service's address."""
        ...

    def request(self, asked: Call, model: str) -> dict[str, Any]:
        """The request that asks a model."""
        ...


CODECS: tuple[Codec, ...] = (
    chat, completions, responses, anthropic, ollama, gemini, bedrock, cohere, embeddings,
)  # fmt: skip


def recognise(path: str, body: object) -> tuple[Codec, Body] | None:
    """The protocol that a request is in, and its body with what the path says; `None` where no model is asked."""
    if not isinstance(body, dict):
        return None
    for codec in CODECS:
        if codec.PATH.search(path) and codec.asks(body):
            located = getattr(codec, "located", None)
            return codec, {**body, **located(path)} if located else body
    return None


def codec_at(path: str) -> Codec | None:
    """The protocol whose requests go to a path, whatever their bodies; `None` where no model is asked there."""
    return next((codec for codec in CODECS if codec.PATH.search(path)), None)


def spoken_in(call: Call) -> Codec:
    """The protocol that a recorded call was made in.

    Raises:
        KeyError: it was not recorded on the wire.
    """
    wire = call.params["wire"]
    api = wire.get("api") if isinstance(wire, dict) else None
    return {codec.NAME: codec for codec in CODECS}[str(api)]


def parsed(text: str) -> dict[str, Any]:
    """A request's body.

    Raises:
        ValueError: it is no JSON object.
    """
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("the request is no JSON object")
    return body


def heard(codec: Codec, reply: Reply) -> Completion:
    """The answer in a response, which it keeps as `raw`.

    It ends in `GARBAGE` where the response is an error, or says that it failed, or cannot be read, and in `CUT` where a
    stream broke off: neither is ever stored.
    """
    raw = reply.model_dump_json(exclude_defaults=True)
    try:
        values = [] if reply.failed else reply.values()
        found = codec.completion(values) if values else empty()
    except UNREADABLE:
        found = empty()  # the program saw the same garbage, and is shown it again
    else:
        if values and reply.streamed and not reply.closed and not codec.finished(listed(values)):
            found = found.model_copy(update={"finish_reason": CUT})
        elif is_fault(found.finish_reason):
            found = found.model_copy(update={"finish_reason": GARBAGE})
    return found.model_copy(update={"raw": raw})


def rewritten(codec: Codec, recorded: Reply, answer: Completion, body: Body, *, seed: str) -> Reply:
    """The recorded response with another answer in it, so that a provider accepts what is built on it.

    Where the recorded one cannot be read, a response of its own.
    """
    try:
        return codec.rewritten(recorded.values(), answer, body)
    except UNREADABLE:
        return codec.reply(answer, body, seed=seed)


def asking(name: str) -> Asking:
    """The codec of a name, to ask in.

    Raises:
        KeyError: there is none.
    """
    return cast(Asking, {codec.NAME: codec for codec in CODECS}[name])
