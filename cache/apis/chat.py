"""OpenAI's Chat Completions, as many other servers speak it too."""

import json
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from butfor.cache.call import Call, Completion, Message, TokenLogprob, Tool, ToolCall, Usage

from .common import (
    Body,
    conversation,
    hosted,
    made_in,
    make_call,
    message,
    own_params,
    parts_of,
    portable_params,
    settings_of,
    text_in,
    text_of,
    tokens,
    tool,
    tool_call,
    tool_settings,
    wire_of,
    without,
)
from .reply import Reply, events_reply, json_reply

NAME = "chat"
PATH = re.compile(r"/chat/completions$")
SERVICE = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"

_KNOWN = ("role", "content", "name", "tool_calls", "tool_call_id", "function_call")
_INERT = ("id", "annotations", "refusal", "audio_url")
"""Fields of a message that cannot change the answer to it."""


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return conversation(body.get("messages"))


def call(body: Body) -> Call:
    """The call of a request."""
    listed = [t for t in [*(body.get("tools") or ()), *(body.get("functions") or ())] if isinstance(t, dict)]
    rest = without(body, "messages", "model", "tools", "functions")
    settings = tool_settings([{**without(t, "function"), **(t.get("function") or {})} for t in listed], "parameters")
    return make_call("openai", NAME, body, messages(body["messages"]), tools(listed), {**rest, **settings})


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    del model, stream
    return "/chat/completions"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model; an answer is never streamed."""
    listed = {"tools": [written_tool(t, s) for t, s in settings_of(asked, NAME)]} if asked.tools else {}
    mine = made_in(asked, NAME)
    own = without(own_params(asked, NAME), "stream_options")
    return {
        "model": model,
        "messages": [written(m, own=mine) for m in asked.messages],
        **portable_params(asked),
        **own,
        **listed,
    }


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the chunks of a stream."""
    body = whole(values)
    choice = body["choices"][0]
    return Completion(
        message=said(choice["message"]),
        usage=tokens(body.get("usage"), ("prompt_tokens", "completion_tokens")),
        logprobs=_logprobs(choice.get("logprobs")),
        finish_reason=choice.get("finish_reason"),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end; `[DONE]` alone is enough too."""
    return any(c.get("finish_reason") for v in values if isinstance(v, dict) for c in v.get("choices") or ())


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    used = answer.usage or Usage()
    usage = {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }
    m = answer.message
    choice = {"index": 0, "message": _answered(m), "finish_reason": _reason(m), "logprobs": None}
    head = {"id": f"chatcmpl-{seed}", "created": 0, "model": body.get("model", "")}
    return _sent({**head, "choices": [choice], "usage": usage}, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; what else it held (reasoning, signatures) stays."""
    old = whole(values)
    choice = old["choices"][0]
    kept = without(choice["message"], "content", "tool_calls", "function_call", "refusal")
    calls = [
        {**(before or {"type": "function"}), "id": (before or {}).get("id") or c.id,
         "function": {**((before or {}).get("function") or {}), "name": c.name, "arguments": c.arguments}}
        for c, before in _paired(answer.message.tool_calls, choice["message"].get("tool_calls"))
    ]  # fmt: skip
    spoken = {**kept, "role": "assistant", "content": text_of(answer.message) or (None if calls else "")}
    if calls:
        spoken["tool_calls"] = calls
    chosen = {**choice, "message": spoken, "finish_reason": _reason(answer.message), "logprobs": None}
    return _sent({**old, "choices": [chosen]}, body)


def whole(values: list[Any]) -> dict[str, Any]:
    """The body of a response: itself, or what a stream's chunks add up to.

    Raises:
        ValueError: it is an error, or nothing that this API answers.
    """
    found = [v for v in values if isinstance(v, dict)]
    error = next((v["error"] for v in found if v.get("error")), None)
    if error is not None or not found:
        raise ValueError(f"an error in the answer: {error}")
    first = next((v for v in found if v.get("choices")), None)
    if first is None:
        raise ValueError("no choices")
    if "message" in first["choices"][0]:
        return first
    if "delta" not in first["choices"][0]:
        raise ValueError("a choice without a message")
    return _joined(found)


def messages(listed: Iterable[Body], *, api: str = NAME) -> list[Message]:
    """Messages as the API writes them, or another whose messages are like them."""
    return [
        message(
            m.get("role"),
            m.get("content"),
            name=m.get("name"),
            tool_calls=_tool_calls(m),
            tool_call_id=m.get("tool_call_id"),
            wire=_wire(m, api),
        )
        for m in listed
    ]


def tools(listed: Iterable[Body] | None) -> list[Tool]:
    """Tools as the API writes them, in a `function` each."""
    functions = (t.get("function") or t for t in listed or ())
    return [tool(f.get("name") or f.get("type"), f.get("description"), f.get("parameters")) for f in functions]


def said(m: Body) -> Message:
    """The message of an answer."""
    calls = _tool_calls(m)
    text = text_in(m.get("content")) or text_in(m.get("refusal")) or ("" if not calls else None)
    return message("assistant", text, tool_calls=calls)


def written(m: Message, *, own: bool = False, api: str = NAME) -> dict[str, Any]:
    """A message as the API takes it; with `own` one that came from it, and so goes back as it was."""
    parts = parts_of(m, own=own)
    listed = isinstance(m.content, tuple) and not wire_of(m) and parts == list(m.content)
    only_text = not listed and all(part["type"] == "text" for part in parts) and not (own and len(parts) > 1)
    content: Any = text_of(m) if only_text else parts  # "" in place of null, which many servers reject
    if own and m.content is None:
        content = None
    wire: dict[str, Any] = {"role": m.role, "content": content}
    if m.name and (own or m.role != "tool"):
        wire["name"] = re.sub(r"[^\w-]+", "_", m.name)[:64]  # the API rejects spaces, and longer names
    if m.tool_call_id is not None:
        wire["tool_call_id"] = m.tool_call_id
    if m.tool_calls:
        wire["tool_calls"] = written_calls(m.tool_calls)
    wired = wire_of(m)
    if wired.pop("api", api) != api:
        return wire
    extras = wired.pop("tool_calls", None)
    for c, extra in zip(wire.get("tool_calls", ()), extras or (), strict=False):
        c |= extra
    return {**wire, **wired}


def written_calls(calls: Iterable[ToolCall]) -> list[dict[str, Any]]:
    """Tool calls as the API writes them."""
    return [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls]


def written_tool(t: Tool, settings: Body) -> dict[str, Any]:
    """A tool as the API writes it."""
    if settings.get("type") not in (None, "function"):
        return hosted(t, settings)
    described = {"name": t.name, "description": t.description, "parameters": dict(t.parameters)}
    function = {**described, **without(settings, "type")}
    return {"type": "function", "function": function}


def _answered(m: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": "assistant", "content": text_of(m) or (None if m.tool_calls else "")}
    return {**wire, "tool_calls": written_calls(m.tool_calls)} if m.tool_calls else wire


def _reason(m: Message) -> str:
    return "tool_calls" if m.tool_calls else "stop"


def _wire(m: Body, api: str) -> dict[str, Any]:
    """What stands in a message besides what a `Message` holds."""
    rest = {k: v for k, v in m.items() if k not in (*_KNOWN, *_INERT) and v not in (None, [], "")}
    listed = [c for c in m.get("tool_calls") or () if isinstance(c, dict)]
    extras = [without(c, "id", "type", "function", "custom", "index") for c in listed]
    return {**rest, **({"tool_calls": extras} if any(extras) else {}), **({"api": api} if rest or any(extras) else {})}


def _tool_calls(m: Body) -> tuple[ToolCall, ...]:
    listed = [c for c in m.get("tool_calls") or () if isinstance(c, dict)]
    functions = [(c.get("id"), c.get("function") or c.get("custom") or {}) for c in listed]
    if not functions and isinstance(m.get("function_call"), dict):
        functions = [("", m["function_call"])]
    return tuple(tool_call(i, f.get("name"), f.get("arguments", f.get("input"))) for i, f in functions)


def _paired(calls: Iterable[ToolCall], old: object) -> list[tuple[ToolCall, dict[str, Any] | None]]:
    """Each new call beside the recorded one in its place, where that was of the same tool."""
    listed = [c for c in old if isinstance(c, dict)] if isinstance(old, list) else []
    found = []
    for n, c in enumerate(calls):
        before = listed[n] if n < len(listed) else None
        same = before is not None and (before.get("function") or {}).get("name") == c.name
        found.append((c, before if same else None))
    return found


def _logprobs(given: object) -> tuple[TokenLogprob, ...] | None:
    """Log-probabilities, where all of them are numbers; an answer does not depend on them."""
    listed = given.get("content") if isinstance(given, dict) else None
    if not isinstance(listed, list):
        return None
    found = [(str(t.get("token")), t.get("logprob")) for t in listed if isinstance(t, dict)]
    numbers = [(token, float(p)) for token, p in found if isinstance(p, int | float) and isfinite(p)]
    return tuple(TokenLogprob(*pair) for pair in numbers) if numbers and len(numbers) == len(found) else None


def _sent(body: Mapping[str, Any], asked: Body) -> Reply:
    """A whole body in the form that a request asks for."""
    if not asked.get("stream"):
        return json_reply({**body, "object": "chat.completion"})
    choice = body["choices"][0]
    head = {**without(body, "choices", "usage"), "object": "chat.completion.chunk"}
    numbered = [{"index": i, **c} for i, c in enumerate(choice["message"].get("tool_calls") or ())]
    delta = {**choice["message"], **({"tool_calls": numbered} if numbered else {})}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]},
    ]
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": body.get("usage")})
    return events_reply(chunks, named=False, end="data: [DONE]\n\n")


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The body that a stream's chunks add up to."""
    spoken: dict[str, Any] = {"role": "assistant", "content": ""}
    calls: list[dict[str, Any]] = []
    reason = None
    listed: list[Any] = []
    usage = next((c["usage"] for c in reversed(chunks) if c.get("usage")), None)
    for choice in (c for chunk in chunks for c in chunk.get("choices") or () if not c.get("index")):
        _add(spoken, calls, choice.get("delta") or {})
        listed.extend((choice.get("logprobs") or {}).get("content") or ())
        reason = choice.get("finish_reason") or reason
    if calls:
        spoken["tool_calls"] = [without(c, "index") for c in calls]
    head = without(chunks[0], "choices", "usage", "object")
    chosen = {"index": 0, "message": spoken, "finish_reason": reason, "logprobs": {"content": listed}}
    return {**head, "choices": [chosen], "usage": usage}


def _add(spoken: dict[str, Any], calls: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    """Add one delta to what was said so far; texts are joined, whatever else came stays as it came last."""
    for key, value in delta.items():
        if key == "tool_calls":
            for part in value or ():
                _add_call(calls, part)
        elif key == "function_call" and isinstance(value, dict):
            _add_call(calls, {"index": -1, "function": value})
        elif key == "content":
            spoken["content"] += text_in(value)
        elif isinstance(value, str) and key != "role":
            spoken[key] = f"{spoken.get(key) or ''}{value}"
        elif value is not None:
            spoken[key] = value


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """A piece of a tool call: of the one with its id, else of the last with its index; a new id begins a new call."""
    index, identifier = part.get("index", 0), part.get("id")
    mine = [c for c in calls if c["index"] == index]
    known = next((c for c in mine if identifier and c.get("id") == identifier), None)
    target = known or (mine[-1] if mine and not (identifier and mine[-1].get("id")) else None)
    if target is None:
        target = {"index": index, "id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        calls.append(target)
    function = part.get("function") or {}
    target["id"] = target["id"] or identifier or ""
    given = function.get("arguments")
    target["function"]["arguments"] += given if isinstance(given, str) else "" if given is None else json.dumps(given)
    if function.get("name") and target["function"]["name"] != function["name"]:
        target["function"]["name"] += function["name"]
    target |= {k: v for k, v in part.items() if k not in ("index", "id", "type", "function") and v is not None}
