"""Ollama's own API: `/api/chat`, and `/api/generate` for a bare prompt."""

import re
from collections.abc import Iterable
from typing import Any

from butfor.cache.call import Call, Completion, Message, Usage

from . import chat
from .common import (
    CUT,
    Body,
    arguments_value,
    conversation,
    make_call,
    message,
    text_in,
    text_of,
    tokens,
    tool_call,
    without,
)
from .reply import Reply, json_reply, lines_reply

NAME = "ollama"
PATH = re.compile(r"/api/(?:chat|generate)$")
SERVICE = "http://127.0.0.1:11434"
KEY = "OLLAMA_API_KEY"

_RENAMED = {"num_predict": "max_tokens"}


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return isinstance(body.get("model"), str) and (
        conversation(body.get("messages")) or isinstance(body.get("prompt"), str)
    )


def call(body: Body) -> Call:
    """The call of a request; a bare prompt is a user's message."""
    options = {_RENAMED.get(k, k): v for k, v in (body.get("options") or {}).items()}
    rest = without(body, "messages", "prompt", "system", "images", "model", "tools", "options", "stream", "keep_alive")
    stream = body.get("stream", True)
    rest |= options | {"stream": stream}
    if "prompt" in body:
        system = [message("system", body["system"])] if body.get("system") else []
        said = [*system, _with_images("user", body["prompt"], body)]
        rest["generate"] = True
    else:
        said = [_message(m) for m in body.get("messages") or ()]
    return make_call("ollama", NAME, body, said, chat.tools(body.get("tools")), rest)


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the lines of a stream."""
    error = next((v["error"] for v in values if v.get("error")), None)
    if error is not None:
        raise ValueError(f"an error in the answer: {error}")
    last = values[-1]
    said = [v.get("message") or {"content": v.get("response")} for v in values]
    text = "".join(text_in(m.get("content")) for m in said)
    functions = [c.get("function") or {} for m in said for c in m.get("tool_calls") or ()]
    calls = tuple(tool_call(f"call_{n}", f.get("name"), f.get("arguments")) for n, f in enumerate(functions))
    return Completion(
        message=message("assistant", text or (None if calls else ""), tool_calls=calls),
        usage=tokens(last, ("prompt_eval_count", "eval_count")) or Usage(),
        finish_reason=CUT if last.get("done") is False else last.get("done_reason"),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    return any(v.get("done") for v in values)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; what it thought stays."""
    said = [v.get("message") or v for v in values]
    thought = "".join(str(m.get("thinking") or "") for m in said)
    old = without(values[-1], "message", "response", "thinking", "done", "done_reason")
    return _sent(answer, body, thought, old)


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    del seed  # the API has no ids
    return _sent(answer, body, "", {})


def _sent(answer: Completion, body: Body, thought: str, old: Body) -> Reply:
    """The response that holds an answer, its counts and its times those of a recorded one."""
    m, used = answer.message, answer.usage or Usage()
    head = {"model": body.get("model", ""), "created_at": "1970-01-01T00:00:00Z"}
    head |= {k: old[k] for k in head if k in old}
    counts = {"prompt_eval_count": used.input_tokens, "eval_count": used.output_tokens}
    times = dict.fromkeys(("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"), 0)
    end = {**head, "done": True, "done_reason": "stop", **counts, **times, **old}
    thinking = {"thinking": thought} if thought else {}
    if "prompt" in body:
        said: dict[str, Any] = {"response": text_of(m), **thinking}
        nothing: dict[str, Any] = {"response": ""}
    else:
        calls = [{"function": {"name": c.name, "arguments": arguments_value(c)}} for c in m.tool_calls]
        spoken = {"role": "assistant", "content": text_of(m), **thinking, **({"tool_calls": calls} if calls else {})}
        said = {"message": spoken}
        nothing = {"message": {"role": "assistant", "content": ""}}
    if body.get("stream", True):
        return lines_reply([{**head, **said, "done": False}, {**end, **nothing}])
    return json_reply({**end, **said})


def _message(m: Body) -> Message:
    calls = tuple(_numbered(m.get("tool_calls") or ()))
    if calls or m.get("tool_name") or m.get("tool_call_id"):
        name = m.get("tool_name") or m.get("name")
        return message(m.get("role"), m.get("content"), name=name, tool_calls=calls)
    return _with_images(m.get("role"), m.get("content"), m)


def _numbered(listed: Iterable[Body]) -> Iterable[Any]:
    functions = (c.get("function") or {} for c in listed)
    return (tool_call(f"call_{n}", f.get("name"), f.get("arguments")) for n, f in enumerate(functions))


def _with_images(role: object, text: object, m: Body) -> Message:
    if not m.get("images"):
        return message(role, text)
    urls = ({"url": f"data:image;base64,{image}"} for image in m["images"])
    return message(role, [{"type": "text", "text": text}, *({"type": "image_url", "image_url": u} for u in urls)])
