"""Anthropic's Messages."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from butfor.cache.call import Call, Completion, Message, Tool, Usage

from .common import (
    Body,
    arguments_value,
    conversation,
    hosted,
    image_data,
    made_in,
    make_call,
    message,
    own_params,
    parts_of,
    portable_params,
    renamed,
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
from .weave import Slot, woven

NAME = "messages"
PATH = re.compile(r"/messages$")
SERVICE = "https://api.anthropic.com/v1"
KEY = "ANTHROPIC_API_KEY"

_RENAMED = {"stop_sequences": "stop"}
_THOUGHTS = ("thinking", "redacted_thinking")
_DEFAULT_TOKENS = 4096
"""The API wants a limit, and a call need not have one."""


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return isinstance(body.get("model"), str) and "max_tokens" in body and conversation(body.get("messages"))


def call(body: Body) -> Call:
    """The call of a request; a tool's result, which the API puts into a user's message, is a message of its own."""
    system = [message("system", body["system"])] if body.get("system") else []
    said = [m for listed in body["messages"] if isinstance(listed, dict) for m in messages(listed)]
    listed = [t for t in body.get("tools") or () if isinstance(t, dict)]
    tools = [tool(t.get("name") or t.get("type"), t.get("description"), t.get("input_schema")) for t in listed]
    rest = without(body, "messages", "model", "tools", "system")
    rest = {_RENAMED.get(key, key): value for key, value in rest.items()}
    if "tool_choice" in rest:
        if (rest["tool_choice"] or {}).get("disable_parallel_tool_use"):
            rest["parallel_tool_calls"] = False
        rest["tool_choice"] = _tool_choice(rest["tool_choice"])
    plain = (without(t, "type") if t.get("type") == "custom" else t for t in listed)  # the API's word for a function
    settings = tool_settings(plain, "input_schema")
    return make_call("anthropic", NAME, body, [*system, *said], tools, {**rest, **settings})


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    del model, stream
    return "/messages"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model; an answer is never streamed."""
    given = portable_params(asked)
    limit = given.get("max_tokens") or given.get("max_completion_tokens") or _DEFAULT_TOKENS
    params = renamed(given, {"temperature": "temperature", "top_p": "top_p", **_RENAMED})
    choice = _written_choice(given.get("tool_choice"))
    if choice and given.get("parallel_tool_calls") is False:
        choice["disable_parallel_tool_use"] = True
    own = made_in(asked, NAME)
    system = _system([m for m in asked.messages if m.role == "system"], own=own)
    listed = [_written_tool(t, settings) for t, settings in settings_of(asked, NAME)]
    body: dict[str, Any] = {
        "model": model, "max_tokens": limit, **({"system": system} if system else {}), **params,
        "messages": written((m for m in asked.messages if m.role != "system"), own=own), **own_params(asked, NAME),
    }  # fmt: skip
    return {**body, "tools": listed, **({"tool_choice": choice} if choice else {})} if listed else body


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the events of a stream."""
    body = whole(values)
    said = _said(body["content"])
    shown = [b for b in body["content"] if b.get("type", "text") == "text"]
    text = "\n".join(text_in(b) for b in shown) or (None if said.tool_calls else "")
    return Completion(
        message=message("assistant", text, tool_calls=said.tool_calls),
        usage=tokens(body.get("usage"), ("input_tokens", "output_tokens")) or Usage(),
        finish_reason=body.get("stop_reason"),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    return any(v.get("type") == "message_stop" or (v.get("delta") or {}).get("stop_reason") for v in values)


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    m, used = answer.message, answer.usage or Usage()
    text = text_of(m)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text or not m.tool_calls else []
    for c in m.tool_calls:
        blocks.append({"type": "tool_use", "id": c.id, "name": c.name, "input": arguments_value(c)})
    whole = {
        "id": f"msg_{seed}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", ""),
        "content": blocks,
        "stop_reason": "tool_use" if m.tool_calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens},
    }
    return _sent(whole, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; its thoughts, their signatures and what the
    server's own tools did stay in their places.
    """
    old, m = whole(values), answer.message
    text = text_of(m)
    said = {"type": "text", "text": text} if text or not m.tool_calls else None
    calls = [{"type": "tool_use", "id": c.id, "name": c.name, "input": arguments_value(c)} for c in m.tool_calls]
    blocks = woven(old["content"], _slot, text=said, calls=calls, made=_over)
    head = {"type": "message", "role": "assistant", "model": body.get("model", ""), "stop_sequence": None}
    reason = "tool_use" if m.tool_calls else "end_turn"
    return _sent({**head, **old, "content": blocks, "stop_reason": reason}, body)


def _slot(block: dict[str, Any]) -> Slot:
    return "text" if block.get("type") == "text" else "call" if block.get("type") == "tool_use" else "kept"


def _over(before: dict[str, Any], block: dict[str, Any]) -> dict[str, Any]:
    """A new block on the recorded one, whose citations were of the text that it had."""
    same = block["type"] == "tool_use" and before.get("name") == block["name"]
    return {**before, "input": block["input"]} if same else block


def whole(values: list[Any]) -> dict[str, Any]:
    """The body of a response: itself, or what a stream's events add up to.

    Raises:
        ValueError: it is an error, or nothing that this API answers.
    """
    found = [v for v in values if isinstance(v, dict)]
    error = next((v.get("error") for v in found if v.get("type") == "error" or v.get("error")), None)
    if error is not None:
        raise ValueError(f"an error in the answer: {error}")
    if len(found) == 1 and isinstance(found[0].get("content"), list):
        return found[0]
    body = _joined(found)
    if not any(v.get("type") in ("message_start", "content_block_start") for v in found):
        raise ValueError("no content")
    return body


def messages(m: Body) -> Iterator[Message]:
    """A message as the API writes it; a tool's result in it becomes a message of its own."""
    content = m.get("content")
    if not isinstance(content, list):
        yield message(m.get("role"), content)
        return
    blocks = [block if isinstance(block, dict) else {"type": "text", "text": str(block)} for block in content]
    for block in blocks:
        if block.get("type") == "tool_result":
            failed = {"api": NAME, "is_error": True} if block.get("is_error") else None
            yield message("tool", block.get("content"), tool_call_id=block.get("tool_use_id"), wire=failed)
    rest = [block for block in blocks if block.get("type") != "tool_result"]
    if rest and m.get("role") == "assistant":
        yield _said(rest)
    elif rest:
        yield message(m.get("role"), rest)


def written(listed: Iterable[Message], *, own: bool = False) -> list[dict[str, Any]]:
    """Messages as the API takes them: turns of user and assistant, tool results within the user's.

    With `own`, those of a call that was made in this API: turns that followed one another stay apart.
    """
    turns: list[dict[str, Any]] = []
    before = ""
    for m in listed:
        role = "assistant" if m.role == "assistant" else "user"
        blocks = _blocks(m, own=own)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role and (not own or before == "tool"):
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
        before = m.role
    return turns


def _system(listed: list[Message], *, own: bool) -> Any:
    """The system prompt: blocks where it was several, else a text."""
    if own and len(listed) == 1 and isinstance(listed[0].content, tuple):
        return [_written_part(part) for part in parts_of(listed[0], own=True)]
    return "\n\n".join(map(text_of, listed))


def _blocks(m: Message, *, own: bool) -> list[dict[str, Any]]:
    if m.role == "tool":
        return [_result(m, own=own)]
    parts = m.content if isinstance(m.content, tuple) and not own else ()
    thoughts = [dict(p) for p in parts if isinstance(p, dict) and p.get("type") in _THOUGHTS]
    said = _with_ids([_written_part(part) for part in parts_of(m, own=own)])
    named = f"{m.name}:\n" if m.name and m.role == "user" else ""
    if named and said and said[0]["type"] == "text":
        said[0] = {"type": "text", "text": f"{named}{said[0]['text']}"}
    calls = [{"type": "tool_use", "id": c.id, "name": c.name, "input": arguments_value(c)} for c in m.tool_calls]
    return [*thoughts, *(b for b in said if b.get("text") != ""), *calls]


def _result(m: Message, *, own: bool) -> dict[str, Any]:
    parts = [_written_part(part) for part in parts_of(m, own=own)]
    content = text_of(m) if all(p["type"] == "text" for p in parts) and (not own or len(parts) < 2) else parts
    failed = {"is_error": True} if wire_of(m).get("is_error") else {}
    return {"type": "tool_result", "tool_use_id": m.tool_call_id or "", "content": content, **failed}


def _with_ids(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks in which the server's own tool use has its id again, which is part of no call: its result names it."""
    results = [b["tool_use_id"] for b in blocks if str(b.get("type")).endswith("_tool_result") and "tool_use_id" in b]
    uses = [n for n, b in enumerate(blocks) if str(b.get("type")).endswith("_tool_use") and "id" not in b]
    for n, identifier in zip(uses, results, strict=False):
        blocks[n] = {**blocks[n], "id": identifier}
    return blocks


def _written_part(part: Body) -> dict[str, Any]:
    if part["type"] != "image_url":
        return dict(part) if part["type"] != "text" else {"type": "text", "text": part["text"]}
    data = image_data(part)
    if data is None:
        return {"type": "image", "source": {"type": "url", "url": part["image_url"]["url"]}}
    return {"type": "image", "source": {"type": "base64", "media_type": data[0], "data": data[1]}}


def _written_tool(t: Tool, settings: Body) -> dict[str, Any]:
    if settings.get("type"):
        return hosted(t, settings)
    return {
        **without(settings, "type"),
        "name": t.name,
        "description": t.description,
        "input_schema": {"type": "object", **t.parameters},
    }


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


def _written_choice(given: object) -> dict[str, Any] | None:
    if isinstance(given, dict):
        return {"type": "tool", "name": (given.get("function") or {}).get("name")}
    kind = {"required": "any", "auto": "auto", "none": "none"}.get(str(given))
    return {"type": kind} if kind else None


def _joined(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The body that a stream's events add up to."""
    body: dict[str, Any] = {"content": [], "usage": {}}
    blocks: dict[int, dict[str, Any]] = {}
    told: dict[int, list[str]] = {}
    for event in events:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            started = event.get("message") or {}
            body |= without(started, "content", "stop_reason", "usage")
            body["usage"] |= started.get("usage") or {}
        elif kind == "content_block_start":
            blocks[index], told[index] = dict(event.get("content_block") or {"type": "text"}), []
        elif kind == "content_block_delta":
            delta = event.get("delta") or {}
            blocks.setdefault(index, {"type": "text"})
            told.setdefault(index, []).extend(str(delta[k]) for k in ("text", "partial_json", "thinking") if k in delta)
            if "signature" in delta:
                blocks[index]["signature"] = delta["signature"]
        elif kind == "message_delta":
            body["stop_reason"] = (event.get("delta") or {}).get("stop_reason")
            body["usage"] |= event.get("usage") or {}
    for index, block in sorted(blocks.items()):
        text = "".join(told[index])
        if str(block.get("type")).endswith("tool_use"):  # the server's own too
            block["input"] = _input(text) if text else block.get("input") or {}
        elif text:
            block[block.get("type", "text")] = text
        body["content"].append(block)
    return body


def _input(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"arguments": text}  # a stream that was cut


def _sent(whole: Body, asked: Body) -> Reply:
    """A whole body in the form that a request asks for."""
    if not asked.get("stream"):
        return json_reply(whole)
    return events_reply(_events(dict(whole), list(whole["content"])), named=True)


def _events(whole: dict[str, Any], blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}]
    for n, block in enumerate(blocks):
        begun, deltas = _begun(block)
        events.append({"type": "content_block_start", "index": n, "content_block": begun})
        events += [{"type": "content_block_delta", "index": n, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": n})
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": whole.get("stop_sequence")}
    events.append({"type": "message_delta", "delta": ended, "usage": whole.get("usage") or {"output_tokens": 0}})
    return [*events, {"type": "message_stop"}]


def _begun(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block begins in a stream, and what follows."""
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
    if block["type"] == "thinking":
        thought = {"type": "thinking_delta", "thinking": block.get("thinking", "")}
        signed = {"type": "signature_delta", "signature": block.get("signature", "")}
        return {**block, "thinking": "", "signature": ""}, [thought, signed]
    if block["type"] == "tool_use":
        told = json.dumps(block["input"], ensure_ascii=False)
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": told}]
    return block, []
