"""Anthropic's Messages."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from butfor.cache.call import Call, Completion, Message, Usage

from .common import Body, arguments_value, make_call, message, tool, tool_call, without
from .reply import Reply, events_reply, json_reply

NAME = "messages"
PATH = re.compile(r"/messages$")

_RENAMED = {"stop_sequences": "stop"}


def call(body: Body) -> Call:
    """The call of a request; a tool's result, which the API puts into a user's message, is a message of
    its own.
    """
    system = [message("system", body["system"])] if body.get("system") else []
    said = [m for listed in body["messages"] for m in _messages(listed)]
    listed_tools = body.get("tools") or ()
    tools = [tool(t.get("name") or t.get("type"), t.get("description"), t.get("input_schema")) for t in listed_tools]
    rest = without(body, "messages", "model", "tools", "system")
    rest = {_RENAMED.get(key, key): value for key, value in rest.items()}
    if "tool_choice" in rest:
        rest["tool_choice"] = _tool_choice(rest["tool_choice"])
    return make_call("anthropic", NAME, body, [*system, *said], tools, rest)


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the events of a stream."""
    body = values[0] if len(values) == 1 and "content" in values[0] else _joined(values)
    usage = body.get("usage") or {}
    return Completion(
        message=_said(body["content"]),
        usage=Usage(input_tokens=usage.get("input_tokens") or 0, output_tokens=usage.get("output_tokens") or 0),
        finish_reason=body.get("stop_reason"),
    )


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    m, used = answer.message, answer.usage or Usage()
    blocks: list[dict[str, Any]] = [{"type": "text", "text": m.text}] if m.text or not m.tool_calls else []
    for c in m.tool_calls:
        blocks.append({"type": "tool_use", "id": c.id, "name": c.name, "input": arguments_value(c)})
    reason = "tool_use" if m.tool_calls else "end_turn"
    whole = {
        "id": f"msg_{seed}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", ""),
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens},
    }
    return events_reply(_events(whole, blocks), named=True) if body.get("stream") else json_reply(whole)


def _messages(m: Body) -> Iterator[Message]:
    content = m.get("content")
    if not isinstance(content, list):
        yield message(m.get("role"), content)
        return
    blocks = [block if isinstance(block, dict) else {"type": "text", "text": str(block)} for block in content]
    for block in blocks:
        if block.get("type") == "tool_result":
            yield message("tool", block.get("content"), tool_call_id=block.get("tool_use_id"))
    rest = [block for block in blocks if block.get("type") != "tool_result"]
    if rest and m.get("role") == "assistant":
        yield _said(rest)
    elif rest:
        yield message(m.get("role"), rest)


def _said(blocks: Iterable[Body]) -> Message:
    listed = list(blocks)
    calls = tuple(tool_call(b.get("id"), b.get("name"), b.get("input")) for b in listed if b.get("type") == "tool_use")
    rest = [block for block in listed if block.get("type") != "tool_use"]
    return message("assistant", rest or (None if calls else ""), tool_calls=calls)


def _tool_choice(given: object) -> object:
    if not isinstance(given, dict):
        return given
    if given.get("type") == "tool":
        return {"type": "function", "function": {"name": given.get("name")}}
    return {"any": "required"}.get(str(given.get("type")), given.get("type"))


def _joined(events: list[Any]) -> dict[str, Any]:
    """The body that a stream's events add up to."""
    body: dict[str, Any] = {"content": [], "usage": {}}
    parts: dict[int, list[str]] = {}
    for event in events:
        kind = event.get("type")
        if kind == "message_start":
            body["usage"] |= event["message"].get("usage") or {}
        elif kind == "content_block_start":
            body["content"].append(dict(event["content_block"]))
            parts[len(body["content"]) - 1] = []
        elif kind == "content_block_delta":
            delta = event["delta"]
            told = next((delta[k] for k in ("text", "partial_json", "thinking") if k in delta), "")
            parts[event["index"]].append(told)
        elif kind == "message_delta":
            body["stop_reason"] = event["delta"].get("stop_reason")
            body["usage"] |= event.get("usage") or {}
    for index, block in enumerate(body["content"]):
        told = "".join(parts[index])
        if block["type"] == "tool_use":
            block["input"] = json.loads(told or "{}")
        elif told:
            block[block["type"]] = told
    return body


def _events(whole: dict[str, Any], blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}]
    for n, block in enumerate(blocks):
        if block["type"] == "text":
            begun: dict[str, Any] = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            begun = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        events.append({"type": "content_block_start", "index": n, "content_block": begun})
        events.append({"type": "content_block_delta", "index": n, "delta": delta})
        events.append({"type": "content_block_stop", "index": n})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": ended, "usage": whole["usage"]})
    return [*events, {"type": "message_stop"}]
