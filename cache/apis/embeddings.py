"""Embeddings, of OpenAI's API and of Ollama's: replayed, and never edited."""

import json
import re
from typing import Any

from butfor.cache.call import Call, Completion, Message, answer
from butfor.cache.errors import ReplayError

from .common import Body, make_call, message, without
from .reply import Reply

NAME = "embeddings"
PATH = re.compile(r"/(?:embeddings|api/embed)$")
SERVICE = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return isinstance(body.get("model"), str) and ("input" in body or "prompt" in body)


def call(body: Body) -> Call:
    """The call of a request: a message for each text."""
    given = body.get("input", body.get("prompt"))
    texts = given if isinstance(given, list) and not all(isinstance(t, int) for t in given) else [given]
    said: list[Message] = [message("user", t if isinstance(t, str) else json.dumps(t)) for t in texts]
    return make_call("embedder", NAME, body, said, (), without(body, "input", "prompt", "model"))


def completion(values: list[Any]) -> Completion:
    """A note in place of the vectors, which nobody reads."""
    body = values[0]
    if body.get("error"):
        raise ValueError(f"an error in the answer: {body['error']}")
    found = body.get("data") or body.get("embeddings") or [body.get("embedding")]
    return answer(f"[{len(found)} embeddings]")


def finished(values: list[Any]) -> bool:
    """Whether the answer is whole; it never comes as a stream."""
    return bool(values)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """Refuse: vectors cannot be made of text.

    Raises:
        ReplayError: always.
    """
    del values
    return reply(answer, body, seed="")


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """Refuse: vectors cannot be made of text.

    Raises:
        ReplayError: always.
    """
    del answer, seed
    raise ReplayError(f"an embedding of {body.get('model')} cannot be edited or given by another model")
