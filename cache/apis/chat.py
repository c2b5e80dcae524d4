"""OpenAI's Chat Completions, as many other servers speak it too."""

import re
from collections.abc import Iterable
from typing import Any

from butfor.cache.call import Call, Completion, Message, TokenLogprob, Tool, ToolCall, Usage

from .common import Body, make_call, message, tool, tool_call, without
from .reply import Reply, events_reply, json_reply

NAME = "chat"
PATH = re.compile(r"/chat/completions$")


def call(body: Body) -> Call:
    """The call of a request."""
    rest = without(body, "messages", "model", "tools")
    return make_call("openai", NAME, body, messages(body["messages"]), tools(body.get("tools")), rest)


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the chunks of a stream."""
    body = values[0] if values and "message" in (values[0].get("choices") or [{}])[0] else _joined(values)
    choice = body["choices"][0]
    usage = body.get("usage")
    tokens = (choice.get("logprobs") or {}).get("content")
    return Completion(
        message=said(choice["message"]),
        usage=usage and Usage(input_tokens=usage["prompt_tokens"], output_tokens=usage["completion_tokens"]),
        logprobs=tuple(TokenLogprob(t["token"], t["logprob"]) for t in tokens) if tokens else None,
        finish_reason=choice.get("finish_reason"),
    )


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    reason = "tool_calls" if answer.message.tool_calls else "stop"
    head = {"id": f"chatcmpl-{seed}", "created": 0, "model": body.get("model", "")}
    used = answer.usage or Usage()
    usage = {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }
    spoken = written(answer.message)
    if not body.get("stream"):
        choice = {"index": 0, "message": spoken, "finish_reason": reason, "logprobs": None}
        return json_reply({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    head["object"] = "chat.completion.chunk"
    numbered = [{"index": i, **c} for i, c in enumerate(spoken.get("tool_calls", ()))]
    delta = {**spoken, "tool_calls": numbered} if numbered else spoken
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
    ]
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({**head, "choices": [], "usage": usage})
    return events_reply(chunks, named=False, end="data: [DONE]\n\n")


def messages(listed: Iterable[Body]) -> list[Message]:
    """Messages as the API writes them."""
    return [
        message(
            m.get("role"),
            m.get("content"),
            name=m.get("name"),
            tool_calls=_tool_calls(m),
            tool_call_id=m.get("tool_call_id"),
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
    text = m.get("content") or m.get("refusal") or ("" if not calls else None)
    return message("assistant", text, tool_calls=calls)


def written(m: Message) -> dict[str, Any]:
    """The message of an answer as the API writes it."""
    wire: dict[str, Any] = {"role": "assistant", "content": m.text or (None if m.tool_calls else "")}
    if m.tool_calls:
        wire["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in m.tool_calls
        ]
    return wire


def _tool_calls(m: Body) -> tuple[ToolCall, ...]:
    functions = ((c.get("id"), c.get("function") or c.get("custom") or {}) for c in m.get("tool_calls") or ())
    return tuple(tool_call(i, f.get("name"), f.get("arguments", f.get("input"))) for i, f in functions)


def _joined(chunks: list[Any]) -> dict[str, Any]:
    """The body that a stream's chunks add up to."""
    text: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    tokens: list[Any] = []
    reason = usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in (c for c in chunk.get("choices") or () if c.get("index", 0) == 0):
            delta = choice.get("delta") or {}
            text.append(delta.get("content") or "")
            tokens.extend((choice.get("logprobs") or {}).get("content") or ())
            reason = choice.get("finish_reason") or reason
            for part in delta.get("tool_calls") or ():
                function = part.get("function") or {}
                whole = calls.setdefault(part.get("index", 0), {"id": "", "name": "", "arguments": ""})
                whole["id"] = whole["id"] or part.get("id") or ""
                whole["name"] += function.get("name") or ""
                whole["arguments"] += function.get("arguments") or ""
    wire = {"content": "".join(text), "tool_calls": [{"id": c["id"], "function": c} for c in calls.values()]}
    return {
        "choices": [{"message": wire, "finish_reason": reason, "logprobs": {"content": tokens}}],
        "usage": usage,
    }
