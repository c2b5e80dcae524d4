"""Cohere's Chat, version 2."""

import re
from collections.abc import Iterable
from typing import Any

from butfor.cache.call import Call, Completion, Message, Usage

from . import chat
from .common import (
    Body,
    conversation,
    made_in,
    make_call,
    message,
    own_params,
    portable_params,
    renamed,
    settings_of,
    text_in,
    text_of,
    tokens,
    tool_call,
    tool_settings,
    without,
)
from .reply import Reply, events_reply, json_reply

NAME = "cohere"
PATH = re.compile(r"/v2/chat$")
SERVICE = "https://api.cohere.com"
KEY = "CO_API_KEY"

_PARAMS = {"p": "top_p", "stop_sequences": "stop"}
_SHARED = ("temperature", "max_tokens", "seed", "frequency_penalty", "presence_penalty")


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return isinstance(body.get("model"), str) and conversation(body.get("messages"))


def call(body: Body) -> Call:
    """The call of a request."""
    listed = [t for t in body.get("tools") or () if isinstance(t, dict)]
    rest = without(body, "messages", "model", "tools")
    rest = {_PARAMS.get(k, k): v for k, v in rest.items()}
    settings = tool_settings([{**without(t, "function"), **(t.get("function") or {})} for t in listed], "parameters")
    said = chat.messages((m for m in body["messages"] if isinstance(m, dict)), api=NAME)
    return make_call("cohere", NAME, body, said, chat.tools(listed), {**rest, **settings})


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    del model, stream
    return "/v2/chat"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model; an answer is never streamed."""
    given = portable_params(asked)
    params: dict[str, Any] = {k: given[k] for k in _SHARED if k in given}
    params |= renamed(given, _PARAMS)
    choice = {"required": "REQUIRED", "none": "NONE"}.get(str(given.get("tool_choice", "")).casefold())
    listed = {"tools": [chat.written_tool(t, s) for t, s in settings_of(asked, NAME)]} if asked.tools else {}
    mine = made_in(asked, NAME)
    if mine:  # what only some models of the service take
        params |= {k: v for k, v in given.items() if k not in (*_SHARED, *_PARAMS.values(), "tool_choice")}
    messages = [without(chat.written(m, own=mine, api=NAME), "name") for m in asked.messages]
    own = own_params(asked, NAME)
    return {
        "model": model,
        "messages": messages,
        **params,
        **own,
        **listed,
        **({"tool_choice": choice} if choice else {}),
    }


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the events of a stream."""
    body = whole(values)
    said = body["message"]
    calls = tuple(
        tool_call(c.get("id"), (c.get("function") or {}).get("name"), (c.get("function") or {}).get("arguments"))
        for c in said.get("tool_calls") or ()
    )
    text = text_in(said.get("content"))
    usage = (body.get("usage") or {}).get("tokens")
    return Completion(
        message=message("assistant", text or (None if calls else ""), tool_calls=calls),
        usage=tokens(usage, ("input_tokens", "output_tokens")),
        finish_reason=body.get("finish_reason"),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    return any(v.get("type") == "message-end" for v in values)


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    return _sent({"id": seed, "message": _message(answer.message)}, answer, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; its plan and its thoughts stay."""
    old = whole(values)
    kept = without(old["message"], "content", "tool_calls", "citations")
    given = old["message"].get("content")
    thoughts = [p for p in given if isinstance(p, dict) and p.get("type") != "text"] if isinstance(given, list) else []
    spoken = _message(answer.message)
    said = {**kept, **spoken, "content": [*thoughts, *spoken["content"]]}
    return _sent({**old, "message": said}, answer, body)


def whole(values: list[Any]) -> dict[str, Any]:
    """The body of a response: itself, or what a stream's events add up to.

    Raises:
        ValueError: it is nothing that this API answers.
    """
    found = [v for v in values if isinstance(v, dict)]
    if len(found) == 1 and isinstance(found[0].get("message"), dict):
        return found[0]
    parts: dict[int, dict[str, Any]] = {}
    calls: dict[int, dict[str, Any]] = {}
    body: dict[str, Any] = {}
    plan = ""
    for event in found:
        kind, index = str(event.get("type")), event.get("index") or 0
        delta = event.get("delta") or {}
        said = delta.get("message") or {}
        if kind == "content-delta":
            _add(parts.setdefault(index, {}), said.get("content"))
        elif kind == "tool-plan-delta":
            plan += text_in(said.get("tool_plan"))
        elif kind == "tool-call-start":
            calls[index] = {**(said.get("tool_calls") or {})}
        elif kind == "tool-call-delta" and index in calls:
            more = ((said.get("tool_calls") or {}).get("function") or {}).get("arguments") or ""
            function = calls[index].setdefault("function", {})
            calls[index]["function"] = {**function, "arguments": f"{function.get('arguments') or ''}{more}"}
        elif kind == "message-end":
            body |= {"finish_reason": delta.get("finish_reason"), "usage": delta.get("usage")}
        elif kind == "message-start":
            body["id"] = event.get("id")
    if not parts and not calls and "finish_reason" not in body:
        raise ValueError("no message")
    content = [part for _, part in sorted(parts.items())]
    planned = {"tool_plan": plan} if plan else {}
    said = {"role": "assistant", "content": content, **planned, "tool_calls": list(calls.values())}
    return {**body, "message": said}


def _add(part: dict[str, Any], delta: object) -> None:
    """Add a piece of a part: of its text, or of what was thought."""
    kind = "thinking" if isinstance(delta, dict) and "thinking" in delta else "text"
    more = delta[kind] if isinstance(delta, dict) and kind == "thinking" else text_in(delta)
    part |= {"type": kind, kind: f"{part.get(kind) or ''}{more or ''}"}


def _message(m: Message) -> dict[str, Any]:
    content = [{"type": "text", "text": text_of(m)}] if text_of(m) or not m.tool_calls else []
    called = {"tool_calls": chat.written_calls(m.tool_calls)} if m.tool_calls else {}
    return {"role": "assistant", "content": content, **called}


def _sent(body: Body, answer: Completion, asked: Body) -> Reply:
    """A whole body in the form that a request asks for."""
    used = answer.usage or Usage()
    counts = {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
    reason = "TOOL_CALL" if answer.message.tool_calls else "COMPLETE"
    whole_ = {"usage": {"tokens": counts, "billed_units": counts}, **body, "finish_reason": reason}
    if not asked.get("stream"):
        return json_reply(whole_)
    return events_reply(list(_events(whole_)), named=True)


def _events(body: Body) -> Iterable[dict[str, Any]]:
    said = body["message"]
    yield {"type": "message-start", "id": body.get("id"), "delta": {"message": {"role": "assistant"}}}
    if said.get("tool_plan"):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": said["tool_plan"]}}}
    for n, part in enumerate(said.get("content") or ()):
        kind = part["type"]
        if kind not in part:  # nothing that comes in pieces
            yield {"type": "content-start", "index": n, "delta": {"message": {"content": part}}}
        else:
            yield {"type": "content-start", "index": n, "delta": {"message": {"content": {"type": kind, kind: ""}}}}
            yield {"type": "content-delta", "index": n, "delta": {"message": {"content": {kind: part[kind]}}}}
        yield {"type": "content-end", "index": n}
    for n, c in enumerate(said.get("tool_calls") or ()):
        begun = {**c, "function": {**c["function"], "arguments": ""}}
        given = {"function": {"arguments": c["function"]["arguments"]}}
        yield {"type": "tool-call-start", "index": n, "delta": {"message": {"tool_calls": begun}}}
        yield {"type": "tool-call-delta", "index": n, "delta": {"message": {"tool_calls": given}}}
        yield {"type": "tool-call-end", "index": n}
    yield {"type": "message-end", "delta": {"finish_reason": body["finish_reason"], "usage": body.get("usage")}}
