"""OpenAI's Responses, whose conversation may stand on the server under the id of the last response."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from butfor.cache.call import Call, Completion, Message, Tool, ToolCall, Usage

from .common import (
    Body,
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
from .weave import Slot, woven

NAME = "responses"
PATH = re.compile(r"/responses$")

SERVICE = "https://api.openai.com/v1"
KEY = "OPENAI_API_KEY"

_RENAMED = {"max_output_tokens": "max_tokens"}
_SENT = {
    "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens", "temperature": "temperature",
    "top_p": "top_p", "tool_choice": "tool_choice", "parallel_tool_calls": "parallel_tool_calls",
}  # fmt: skip
_CALLS = ("function_call", "custom_tool_call")


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    given = body.get("input")
    listed = isinstance(given, list) and all(isinstance(item, dict) for item in given)
    return isinstance(body.get("model"), str) and (isinstance(given, str) or listed)


def call(body: Body) -> Call:
    """The call of a request; its input alone, where it goes on from a response that is not inlined."""
    instructions = body.get("instructions")
    system = [message("system", instructions)] if instructions else []
    listed = [t for t in body.get("tools") or () if isinstance(t, dict)]
    tools = [tool(t.get("name") or t.get("type"), t.get("description"), t.get("parameters")) for t in listed]
    rest = without(body, "input", "model", "tools", "instructions", "include")
    rest = {_RENAMED.get(key, key): value for key, value in rest.items()}
    settings = tool_settings(listed, "parameters")
    return make_call("openai", NAME, body, [*system, *messages(items(body))], tools, {**rest, **settings})


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    del model, stream
    return "/responses"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model; an answer is never streamed, and no conversation is kept on the server."""
    given = portable_params(asked)
    params = {new: given[old] for old, new in _SENT.items() if old in given}
    if "response_format" in given:
        params["text"] = {"format": _format(given["response_format"])}
    if "reasoning_effort" in given:
        params["reasoning"] = {"effort": given["reasoning_effort"]}
    mine = made_in(asked, NAME)
    if mine:
        params |= {k: given[k] for k in given if k not in (*_SENT, "response_format", "reasoning_effort")}
    known = settings_of(asked, NAME)
    listed = [_written_tool(t, settings, own=mine) for t, settings in known]
    custom = {t.name for t, settings in known if settings.get("type") == "custom"}
    own = without(own_params(asked, NAME), "previous_response_id", "conversation", "background")
    body = {"model": model, "input": written(asked.messages, own=mine, custom=custom), "store": False, **params, **own}
    return {**body, "tools": listed} if listed else body


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the last event of a stream."""
    body = response(values)
    text, calls = _said(body["output"])
    return Completion(
        message=message("assistant", text or (None if calls else ""), tool_calls=tuple(calls)),
        usage=tokens(body.get("usage"), ("input_tokens", "output_tokens")),
        finish_reason=_ended(body),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    return any(str(v.get("type", "")).rpartition(".")[2] in ("completed", "incomplete", "failed") for v in values)


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    used = answer.usage or Usage()
    output = _output(answer.message, seed)
    whole = {
        "id": f"resp_{seed}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "model": body.get("model", ""),
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "temperature": body.get("temperature"),
        "top_p": body.get("top_p"),
        "metadata": {},
        "previous_response_id": body.get("previous_response_id"),
        "usage": {
            "input_tokens": used.input_tokens,
            "output_tokens": used.output_tokens,
            "total_tokens": used.input_tokens + used.output_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }
    return _sent(whole, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; its reasoning items and its ids stay."""
    old = dict(response(values))
    fresh = _output(answer.message, str(old.get("id", "")).removeprefix("resp_"))
    said = next((i for i in fresh if i["type"] == "message"), None)
    calls = [i for i in fresh if i["type"] != "message"]
    output = woven(old["output"], _slot, text=said, calls=calls, made=_over)
    return _sent({**old, "status": "completed", "output": output}, body)


def _slot(item: dict[str, Any]) -> Slot:
    kind = item.get("type")
    return "text" if kind == "message" else "call" if kind in _CALLS else "lead" if kind == "reasoning" else "kept"


def _over(before: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """A new item on the recorded one in its place."""
    if item["type"] == "message":
        return {**item, **({"id": before["id"]} if before.get("id") else {})}
    if before.get("name") != item["name"]:
        return item
    given = {"input" if before.get("type") == "custom_tool_call" else "arguments": item["arguments"]}
    return {**before, **given, "status": "completed"}


def items(body: Body) -> list[Body]:
    """The items of a request's input; bare text is a user's message."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return [item for item in given or () if isinstance(item, dict)]


def response(values: list[Any]) -> Body:
    """The whole response: the body itself, or what the closing event of a stream holds.

    Raises:
        ValueError: it is an error, or nothing that this API answers.
    """
    found = [v for v in values if isinstance(v, dict)]
    for value in reversed(found):
        if value.get("type") == "error" or value.get("error"):
            raise ValueError(f"an error in the answer: {value.get('error') or value.get('message')}")
        body = value.get("response", value)
        if isinstance(body, dict) and body.get("status") == "failed":
            raise ValueError(f"an error in the answer: {body.get('error')}")
        if (
            isinstance(body, dict)
            and isinstance(body.get("output"), list)
            and (body["output"] or "response" not in value)
        ):
            return body
    output = [v["item"] for v in found if v.get("type") == "response.output_item.done"]
    text = "".join(v.get("delta") or "" for v in found if v.get("type") == "response.output_text.delta")
    if not output and not text:
        raise ValueError("no output")
    said = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]
    return {"output": output or said, "status": "incomplete"}


def inlined(body: Body, before: Iterable[Body]) -> dict[str, Any]:
    """The same request with the conversation in its input, in place of an id that the server may not know."""
    kept = [i for i in before if i.get("type") != "reasoning" or i.get("encrypted_content")]
    given = [*(without(i, "id") for i in kept), *items(body)]
    return {**without(body, "previous_response_id"), "input": given}


def messages(listed: Iterable[Body]) -> list[Message]:
    """Items as messages; what an assistant said and called side by side is one."""
    found: list[Message] = []
    for item in listed:
        new = _message(item)
        last = found[-1] if found else None
        if last and new.tool_calls and last.role == "assistant" and not isinstance(last.content, tuple):
            found[-1] = message("assistant", last.content, tool_calls=(*last.tool_calls, *new.tool_calls))
        else:
            found.append(new)
    return found


def _written_tool(t: Tool, settings: Body, *, own: bool) -> dict[str, Any]:
    if settings.get("type") not in (None, "function"):
        return hosted(t, settings)
    strict = {} if own else {"strict": False}  # the API's own default is strict, and takes no other API's schema
    return {**strict, **settings, "type": "function", **t.model_dump(mode="json")}


def written(listed: Iterable[Message], *, own: bool = False, custom: Collection[str] = ()) -> list[dict[str, Any]]:
    """Messages as items of an input; with `own` those that came from one, with these custom tools."""
    found: list[dict[str, Any]] = []
    free: set[str] = set()
    for m in listed:
        if m.role == "tool":
            parts = [_written_part(part, "input_text") for part in parts_of(m, own=own)]
            output: Any = parts if own and isinstance(m.content, tuple) else text_of(m)
            kind = "custom_tool_call_output" if m.tool_call_id in free else "function_call_output"
            found.append({"type": kind, "call_id": m.tool_call_id or "", "output": output})
            continue
        wire = wire_of(m)
        if wire.get("api") == NAME:
            found.append(wire["item"])
        kind = "output_text" if m.role == "assistant" else "input_text"
        parts = [_written_part(part, kind) for part in parts_of(m, own=own)]
        if parts:
            found.append({"type": "message", "role": m.role, "content": parts})
        free |= {c.id for c in m.tool_calls if c.name in custom}
        found += [_written_call(c, custom=c.name in custom) for c in m.tool_calls]
    return found


def _written_call(c: ToolCall, *, custom: bool) -> dict[str, Any]:
    if custom:
        return {"type": "custom_tool_call", "call_id": c.id, "name": c.name, "input": c.arguments}
    return {"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.arguments}


def _written_part(part: Body, kind: str) -> dict[str, Any]:
    if part["type"] == "image_url":
        detail = without(part["image_url"], "url")
        return {"type": "input_image", "image_url": part["image_url"]["url"], **detail}
    if part["type"] != "text":
        return dict(part)
    return {"type": kind, "text": part["text"]}


def _format(value: Any) -> Any:
    """A Chat Completions `response_format` in this API's form: the schema stands at its top."""
    if isinstance(value, dict) and value.get("type") == "json_schema":
        return {"type": "json_schema", **(value.get("json_schema") or {})}
    return value


def _message(item: Body) -> Message:
    kind = item.get("type") or "message"
    if kind in _CALLS:
        called = tool_call(item.get("call_id"), item.get("name"), item.get("arguments", item.get("input")))
        return message("assistant", None, tool_calls=(called,))
    if kind in ("function_call_output", "custom_tool_call_output"):
        return message("tool", item.get("output"), tool_call_id=item.get("call_id"))
    if kind == "message":
        return message(item.get("role"), item.get("content"))
    return message("assistant", None, wire={"api": NAME, "item": without(item, "id", "status")})


def _said(output: Iterable[Any]) -> tuple[str, list[ToolCall]]:
    text: list[str] = []
    calls: list[ToolCall] = []
    for item in (i for i in output if isinstance(i, dict)):
        if item.get("type") == "message":
            content = item.get("content")
            text.extend(map(text_in, content) if isinstance(content, list) else [text_in(content)])
        elif item.get("type") in _CALLS:
            calls.extend(_message(item).tool_calls)
    return "\n".join(text), calls


def _ended(body: Body) -> str | None:
    """How an answer ended: its status, or why it is not complete."""
    said = [i.get("content") for i in body["output"] if isinstance(i, dict) and i.get("type") == "message"]
    parts = [p for content in said if isinstance(content, list) for p in content if isinstance(p, dict)]
    if any(p.get("type") == "refusal" for p in parts):
        return "refusal"
    why = (body.get("incomplete_details") or {}).get("reason")
    return str(why) if why and body.get("status") == "incomplete" else body.get("status")


def _sent(whole: Body, asked: Body) -> Reply:
    """A whole response in the form that a request asks for."""
    if not asked.get("stream"):
        return json_reply(whole)
    return events_reply(_events(dict(whole), list(whole["output"])), named=True)


def _output(m: Message, seed: str) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if m.text or not m.tool_calls:
        part = {"type": "output_text", "text": m.text, "annotations": [], "logprobs": []}
        said = {
            "type": "message",
            "id": f"msg_{seed}",
            "status": "completed",
            "role": "assistant",
            "content": [part],
        }
        output.append(said)
    for n, c in enumerate(m.tool_calls):
        named = {"id": f"fc_{seed}{n}", "call_id": c.id, "name": c.name, "arguments": c.arguments}
        output.append({"type": "function_call", **named, "status": "completed"})
    return output


def _events(whole: dict[str, Any], output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []

    def add(kind: str, **fields: Any) -> None:
        events.append({"type": f"response.{kind}", "sequence_number": len(events), **fields})

    started = {**whole, "status": "in_progress", "output": []}
    add("created", response=started)
    add("in_progress", response=started)
    for n, item in enumerate(output):
        at = {"item_id": item.get("id", ""), "output_index": n}
        if item["type"] == "message":
            part = item["content"][0]
            text = text_in(part)
            add("output_item.added", output_index=n, item={**item, "status": "in_progress", "content": []})
            add("content_part.added", **at, content_index=0, part={**part, "text": ""})
            add("output_text.delta", **at, content_index=0, delta=text, logprobs=[])
            add("output_text.done", **at, content_index=0, text=text, logprobs=[])
            add("content_part.done", **at, content_index=0, part=part)
        elif item["type"] != "function_call":
            add("output_item.added", output_index=n, item=item)
        else:
            add("output_item.added", output_index=n, item={**item, "status": "in_progress", "arguments": ""})
            add("function_call_arguments.delta", **at, delta=item["arguments"])
            add("function_call_arguments.done", **at, arguments=item["arguments"], name=item["name"])
        add("output_item.done", output_index=n, item=item)
    add("completed", response=whole)
    return events
