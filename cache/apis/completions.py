"""OpenAI's legacy Completions: a bare prompt, and the text that follows it."""

import json
import re
from typing import Any

from butfor.cache.call import Call, Completion, Usage

from .common import (
    Body,
    made_in,
    make_call,
    message,
    own_params,
    portable_params,
    prompted,
    text_in,
    text_of,
    tokens,
    wire_of,
    without,
)
from .reply import Reply, events_reply, json_reply

NAME = "completions"
PATH = re.compile(r"(?<!/chat)/completions$")
SERVICE = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return isinstance(body.get("model"), str) and prompted(body.get("prompt"))


def call(body: Body) -> Call:
    """The call of a request: a user's message for each prompt."""
    given = body["prompt"]
    prompts = given if isinstance(given, list) and isinstance(given[0], str | list) else [given]
    said = [
        message("user", prompt) if isinstance(prompt, str)
        # the same numbers as a text would be another question
        else message("user", json.dumps(prompt), wire={"api": NAME, "tokens": prompt})
        for prompt in prompts
    ]  # fmt: skip
    return make_call("openai", NAME, body, said, (), without(body, "prompt", "model"))


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    del model, stream
    return "/completions"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model; an answer is never streamed."""
    given = [wire_of(m).get("tokens") or text_of(m) for m in asked.messages] if made_in(asked, NAME) else []
    joined = "\n\n".join(text_of(m) for m in asked.messages)
    prompt = given if len(given) > 1 else given[0] if given else joined
    return {
        "model": model,
        "prompt": prompt,
        **portable_params(asked),
        **own_params(asked, NAME),
    }


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the chunks of a stream."""
    found = [v for v in values if isinstance(v, dict)]
    error = next((v["error"] for v in found if v.get("error")), None)
    chosen = [c for v in found for c in v.get("choices") or () if not c.get("index")]
    if error is not None or not chosen:
        raise ValueError(f"an error in the answer: {error}")
    usage = next((v["usage"] for v in reversed(found) if v.get("usage")), None)
    return Completion(
        message=message("assistant", "".join(text_in(c.get("text")) for c in chosen)),
        usage=tokens(usage, ("prompt_tokens", "completion_tokens")),
        finish_reason=next((c["finish_reason"] for c in reversed(chosen) if c.get("finish_reason")), None),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    return any(c.get("finish_reason") for v in values for c in v.get("choices") or ())


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    used = answer.usage or Usage()
    total = used.input_tokens + used.output_tokens
    usage = {"prompt_tokens": used.input_tokens, "completion_tokens": used.output_tokens, "total_tokens": total}
    choice = {"index": 0, "text": text_of(answer.message), "finish_reason": "stop", "logprobs": None}
    head = {"id": f"cmpl-{seed}", "object": "text_completion", "created": 0, "model": body.get("model", "")}
    return _sent({**head, "choices": [choice], "usage": usage}, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text; what it cost and when it was made stay."""
    found = [v for v in values if isinstance(v, dict)]
    first = next(v for v in found if v.get("choices"))
    usage = next((v["usage"] for v in reversed(found) if v.get("usage")), None)
    # log-probabilities were of the old text
    choice = {**first["choices"][0], "text": text_of(answer.message), "finish_reason": "stop", "logprobs": None}
    return _sent({**first, "choices": [choice], **({"usage": usage} if usage else {})}, body)


def _sent(whole: Body, asked: Body) -> Reply:
    """A whole body in the form that a request asks for."""
    return (
        events_reply([dict(whole)], named=False, end="data: [DONE]\n\n") if asked.get("stream") else json_reply(whole)
    )
