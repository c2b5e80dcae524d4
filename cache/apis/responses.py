"""OpenAI's Responses, whose conversation may stand on the server under the id of the last response."""

import re
from collections.abc import Iterable
from typing import Any

from butfor.cache.call import Call, Completion, Message, ToolCall, Usage

from .common import Body, make_call, message, tool, tool_call, without
from .reply import Reply, events_reply, json_reply

NAME = "responses"
PATH = re.compile(r"/responses$")

_RENAMED = {"max_output_tokens": "max_tokens"}


def call(body: Body) -> Call:
    """The call of a request; its input alone, where it goes on from a response that is not inlined."""
    instructions = body.get("instructions")
    system = [message("system", instructions)] if instructions else []
    listed = (t for t in body.get("tools") or ())
    tools = [tool(t.get("name") or t.get("type"), t.get("description"), t.get("parameters")) for t in listed]
    rest = without(body, "input", "model", "tools", "instructions", "include")
    rest = {_RENAMED.get(key, key): value for key, value in rest.items()}
    return make_call("openai", NAME, body, [*system, *messages(items(body))], tools, rest)


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the last event of a stream."""
    body = response(values)
    text, calls = _said(body["output"])
    usage = body.get("usage")
    return Completion(
        message=message("assistant", text or (None if calls else ""), tool_calls=tuple(calls)),
        usage=usage and Usage(input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"]),
        finish_reason=body.get("status"),
    )


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
    return events_reply(_events(whole, output), named=True) if body.get("stream") else json_reply(whole)


def items(body: Body) -> list[Body]:
    """The items of a request's input; bare text is a user's message."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given or ())


def response(values: list[Any]) -> Body:
    """The whole response: the body itself, or what the closing event of a stream holds."""
    whole = (v.get("response", v) for v in reversed(values))
    return next(body for body in whole if body.get("output"))


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


def _message(item: Body) -> Message:
    kind = item.get("type") or "message"
    if kind in ("function_call", "custom_tool_call"):
        called = tool_call(item.get("call_id"), item.get("name"), item.get("arguments", item.get("input")))
        return message("assistant", None, tool_calls=(called,))
    if kind in ("function_call_output", "custom_tool_call_output"):
        return message("tool", item.get("output"), tool_call_id=item.get("call_id"))
    if kind == "message":
        return message(item.get("role"), item.get("content"))
    return message("assistant", [item])


def _said(output: Iterable[Body]) -> tuple[str, list[ToolCall]]:
    text: list[str] = []
    calls: list[ToolCall] = []
    for item in output:
        if item.get("type") == "message":
            text.extend(p.get("text") or p.get("refusal") or "" for p in item.get("content") or ())
        elif item.get("type") in ("function_call", "custom_tool_call"):
            calls.extend(_message(item).tool_calls)
    return "\n".join(text), calls


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
        at = {"item_id": item["id"], "output_index": n}
        if item["type"] == "message":
            part = item["content"][0]
            text = part["text"]
            add("output_item.added", output_index=n, item={**item, "status": "in_progress", "content": []})
            add("content_part.added", **at, content_index=0, part={**part, "text": ""})
            add("output_text.delta", **at, content_index=0, delta=text, logprobs=[])
            add("output_text.done", **at, content_index=0, text=text, logprobs=[])
            add("content_part.done", **at, content_index=0, part=part)
        else:
            add("output_item.added", output_index=n, item={**item, "status": "in_progress", "arguments": ""})
            add("function_call_arguments.delta", **at, delta=item["arguments"])
            add("function_call_arguments.done", **at, arguments=item["arguments"], name=item["name"])
        add("output_item.done", output_index=n, item=item)
    add("completed", response=whole)
    return events
