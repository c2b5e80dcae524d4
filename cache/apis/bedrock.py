"""Amazon Bedrock: `converse`, `converse-stream`, and `invoke` of a model's own body; the model stands in the path."""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from butfor.cache.call import Call, Completion, Message, Tool, Usage

from . import anthropic
from .common import (
    Body,
    arguments_value,
    conversation,
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
from .reply import Reply, frames_reply, json_reply

NAME = "bedrock"
PATH = re.compile(
    r"/model/(?P<model>[^/]+)/(?P<verb>converse|converse-stream|invoke|invoke-with-response-stream)$"
)  # fmt: skip
SERVICE = "https://bedrock-runtime.us-east-1.amazonaws.com"
KEY = "AWS_BEARER_TOKEN_BEDROCK"

_PARAMS = {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p", "stopSequences": "stop"}
_PROMPTS = ("prompt", "inputText")


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return conversation(body.get("messages")) or any(isinstance(body.get(name), str) for name in _PROMPTS)


def located(where: str) -> dict[str, Any]:
    """What a request's path says: the model, the verb, and whether the answer is a stream."""
    found = PATH.search(where)
    if not found:
        return {}
    verb = found["verb"]
    return {"model": unquote(found["model"]), "stream": verb.endswith("stream"), "invoked": verb.startswith("invoke")}


def call(body: Body) -> Call:
    """The call of a request."""
    rest = without(body, "messages", "system", "inferenceConfig", "toolConfig", "model", "invoked", *_PROMPTS)
    if body.get("invoked") and "messages" in body:
        inner = anthropic.call(without(body, "invoked"))
        return inner.model_copy(update={"model": f"bedrock:{body.get('model')}", "params": _as(inner.params, NAME)})
    if body.get("invoked"):
        prompt = next(body[name] for name in _PROMPTS if name in body)
        return make_call("bedrock", NAME, body, [message("user", prompt)], (), rest)
    system = "\n".join(text_in(block) for block in body.get("system") or ())
    said = [m for listed in body["messages"] if isinstance(listed, dict) for m in _messages(listed)]
    params = {_PARAMS.get(k, k): v for k, v in (body.get("inferenceConfig") or {}).items()}
    config = body.get("toolConfig") or {}
    specs = [t["toolSpec"] for t in config.get("tools") or () if isinstance(t, dict) and "toolSpec" in t]
    tools = [tool(t.get("name"), t.get("description"), (t.get("inputSchema") or {}).get("json")) for t in specs]
    choice = {"toolChoice": config["toolChoice"]} if config.get("toolChoice") else {}
    besides = [
        t for t in config.get("tools") or () if isinstance(t, dict) and not t.keys() & {"toolSpec", "cachePoint"}
    ]
    choice |= {"hostedTools": besides} if besides else {}
    choice |= tool_settings(specs, "inputSchema")
    head = [message("system", system)] if system else []
    return make_call("bedrock", NAME, body, [*head, *said], tools, {**params, **rest, **choice})


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    return f"/model/{model}/{'converse-stream' if stream else 'converse'}"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model with `converse`; an answer is never streamed."""
    del model
    given = portable_params(asked)
    config = renamed(given, _PARAMS)
    own = own_params(asked, NAME)
    choice = {"toolChoice": own.pop("toolChoice")} if "toolChoice" in own else {}
    provided, mine = own.pop("hostedTools", []), made_in(asked, NAME)
    system = [{"text": text_of(m)} for m in asked.messages if m.role == "system"]
    body: dict[str, Any] = {"messages": _turns((m for m in asked.messages if m.role != "system"), own=mine), **own}
    if system:
        body["system"] = system
    if config:
        body["inferenceConfig"] = config
    if asked.tools or provided:
        specs = [_written_tool(t, settings) for t, settings in settings_of(asked, NAME)]
        body["toolConfig"] = {"tools": [*specs, *provided], **choice}
    return body


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the events of a stream, of `converse` or of an invoked model."""
    found = [_opened(v) for v in values if isinstance(v, dict)]
    if any("output" in v and isinstance(v["output"], dict) for v in found) or any(
        "contentBlockIndex" in v for v in found
    ):
        body = whole(found)
        blocks = [b for b in body["output"]["message"]["content"] if isinstance(b, dict)]
        calls = tuple(
            tool_call(b["toolUse"].get("toolUseId"), b["toolUse"].get("name"), b["toolUse"].get("input"))
            for b in blocks
            if "toolUse" in b
        )
        text = "".join(str(b["text"]) for b in blocks if "text" in b)
        return Completion(
            message=message("assistant", text or (None if calls else ""), tool_calls=calls),
            usage=tokens(body.get("usage"), ("inputTokens", "outputTokens")),
            finish_reason=body.get("stopReason"),
        )
    if any("content" in v or v.get("type") == "message_start" for v in found):
        return anthropic.completion(found)
    texts = [t for v in found for t in _texts(v)]
    if not texts:
        raise ValueError("no answer")
    return Completion(message=message("assistant", "".join(texts)), finish_reason="stop")


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    found = [_opened(v) for v in values if isinstance(v, dict)]
    return any("stopReason" in v or v.get("completionReason") for v in found) or anthropic.finished(found)


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    if body.get("invoked") and "messages" in body:
        made = anthropic.reply(answer, body, seed=seed)
        return _chunked(made.values()) if body.get("stream") else made
    m = answer.message
    if body.get("invoked"):
        return json_reply({"generation": text_of(m), "outputs": [{"text": text_of(m)}], "stop_reason": "stop"})
    text = text_of(m)
    blocks: list[dict[str, Any]] = [{"text": text}] if text or not m.tool_calls else []
    blocks += [_called(c.id, c.name, arguments_value(c)) for c in m.tool_calls]
    used = answer.usage or Usage()
    total = used.input_tokens + used.output_tokens
    usage = {"inputTokens": used.input_tokens, "outputTokens": used.output_tokens, "totalTokens": total}
    said = {"message": {"role": "assistant", "content": blocks}}
    return _sent({"output": said, "stopReason": _reason(m), "usage": usage, "metrics": {"latencyMs": 0}}, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; its reasoning and signatures stay."""
    if body.get("invoked"):
        if "messages" not in body:
            return reply(answer, body, seed="")
        made = anthropic.rewritten([_opened(v) for v in values], answer, body)
        return _chunked(made.values()) if body.get("stream") else made
    old, m = whole([_opened(v) for v in values]), answer.message
    before = [b for b in old["output"]["message"]["content"] if isinstance(b, dict)]
    called = [b["toolUse"] for b in before if "toolUse" in b]
    blocks = [b for b in before if "reasoningContent" in b]
    if text_of(m) or not m.tool_calls:
        blocks.append({"text": text_of(m)})
    for n, c in enumerate(m.tool_calls):
        same = n < len(called) and called[n].get("name") == c.name
        blocks.append(_called(called[n]["toolUseId"] if same else c.id, c.name, arguments_value(c)))
    said = {"message": {"role": "assistant", "content": blocks}}
    return _sent({**old, "output": said, "stopReason": _reason(m)}, body)


def whole(values: list[Any]) -> dict[str, Any]:
    """The body of a response: itself, or what a stream's events add up to.

    Raises:
        ValueError: it is nothing that this API answers.
    """
    found = [v for v in values if isinstance(v, dict)]
    single = next((v for v in found if isinstance(v.get("output"), dict)), None)
    if single is not None:
        return single
    blocks: dict[int, dict[str, Any]] = {}
    reason, usage = None, None
    for v in found:
        reason, usage = v.get("stopReason") or reason, v.get("usage") or usage
        if "contentBlockIndex" in v:
            _add(blocks.setdefault(v["contentBlockIndex"], {}), v.get("start") or v.get("delta") or {})
    if not blocks and reason is None:
        raise ValueError("no content")
    content = [_closed(block) for _, block in sorted(blocks.items())]
    message_ = {"role": "assistant", "content": content}
    return {"output": {"message": message_}, "stopReason": reason, "usage": usage or {}, "metrics": {"latencyMs": 0}}


def _add(block: dict[str, Any], given: Body) -> None:
    for key, value in given.items():
        if key == "toolUse" and isinstance(value, dict):
            called = block.setdefault("toolUse", {"input": ""})
            called["input"] += value.get("input") or ""
            called |= without(value, "input")
        elif isinstance(value, str):
            block[key] = f"{block.get(key, '')}{value}"
        elif isinstance(value, dict):
            held = block.setdefault(key, {})
            held |= {k: f"{held.get(k, '')}{v}" if isinstance(v, str) else v for k, v in value.items()}


def _closed(block: dict[str, Any]) -> dict[str, Any]:
    if "toolUse" in block:
        called = block["toolUse"]
        return {"toolUse": {**called, "input": arguments_value(tool_call("", "", called["input"] or "{}"))}}
    reasoned = block.get("reasoningContent")
    if isinstance(reasoned, dict) and "reasoningText" not in reasoned:
        return {"reasoningContent": {"reasoningText": reasoned}}
    return block


def _messages(m: Body) -> Iterator[Message]:
    blocks = [b for b in m.get("content") or () if isinstance(b, dict)]
    for block in blocks:
        if result := block.get("toolResult"):
            failed = {"api": NAME, "status": "error"} if result.get("status") == "error" else None
            content = _result(result.get("content") or ())
            yield message("tool", content, tool_call_id=result.get("toolUseId"), wire=failed)
    calls = tuple(
        tool_call(b["toolUse"].get("toolUseId"), b["toolUse"].get("name"), b["toolUse"].get("input"))
        for b in blocks
        if "toolUse" in b
    )
    rest = [_part(b) for b in blocks if "toolUse" not in b and "toolResult" not in b]
    if rest or calls:
        yield message(m.get("role"), rest or None, tool_calls=calls)


def _result(blocks: Iterable[Body]) -> Any:
    """What a tool answered: text, or parts where it holds more than texts and values."""
    listed = [b for b in blocks if isinstance(b, dict)]
    if all(b.keys() & {"text", "json"} for b in listed):
        return "\n".join(str(b["text"]) if "text" in b else json.dumps(b["json"]) for b in listed)
    return [{"type": "text", "text": json.dumps(b["json"])} if "json" in b else _part(b) for b in listed]


def _part(block: Body) -> dict[str, Any]:
    if "text" in block:
        return {"type": "text", "text": str(block["text"])}
    image = block.get("image")
    source = image.get("source") if isinstance(image, dict) else None
    if isinstance(image, dict) and isinstance(source, dict) and isinstance(source.get("bytes"), str):
        return {"type": "image", "source": {"media_type": f"image/{image.get('format')}", "data": source["bytes"]}}
    return {"type": "reasoning" if "reasoningContent" in block else "bedrock", **block}


def _turns(listed: Iterable[Message], *, own: bool) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for m in listed:
        role = "assistant" if m.role == "assistant" else "user"
        blocks = _blocks(m, own=own)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(m: Message, *, own: bool) -> list[dict[str, Any]]:
    if m.role == "tool":
        said = list(_said(m, own=own)) if own and isinstance(m.content, tuple) else [{"text": text_of(m)}]
        failed = {"status": "error"} if wire_of(m).get("status") == "error" else {}
        return [{"toolResult": {"toolUseId": m.tool_call_id or "", "content": said, **failed}}]
    parts = m.content if isinstance(m.content, tuple) and not own else ()
    kept = [without(p, "type") for p in parts if isinstance(p, dict) and p.get("type") == "reasoning"]
    return [*kept, *_said(m, own=own), *(_called(c.id, c.name, arguments_value(c)) for c in m.tool_calls)]


def _said(m: Message, *, own: bool) -> Iterator[dict[str, Any]]:
    for part in parts_of(m, own=own):
        data = image_data(part) if part["type"] == "image_url" else None
        if data:
            yield {"image": {"format": data[0].rpartition("/")[2], "source": {"bytes": data[1]}}}
        elif part["type"] in ("bedrock", "reasoning"):
            yield without(part, "type")
        elif part.get("text"):
            yield {"text": f"{m.name}:\n{part['text']}" if m.name and m.role == "user" else part["text"]}


def _called(identifier: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": identifier, "name": name, "input": arguments}}


def _written_tool(t: Tool, settings: Body) -> dict[str, Any]:
    described = {"description": t.description} if t.description else {}
    return {
        "toolSpec": {
            **without(settings, "type"),
            "name": t.name,
            **described,
            "inputSchema": {"json": {"type": "object", **t.parameters}},
        }
    }


def _reason(m: Message) -> str:
    return "tool_use" if m.tool_calls else "end_turn"


def _as(params: Any, api: str) -> dict[str, Any]:
    return {**params, "wire": {**params.get("wire", {}), "api": api}}


def _opened(value: Body) -> dict[str, Any]:
    """The event within a chunk of an invoked model's stream."""
    inner = value.get("bytes") or (value.get("chunk") or {}).get("bytes")
    if isinstance(inner, str):
        found = json.loads(base64.b64decode(inner))
        return found if isinstance(found, dict) else {}
    return dict(value)


def _texts(v: Body) -> Iterator[str]:
    """The text of an answer of a model that is invoked with a bare prompt."""
    for key in ("generation", "completion", "outputText"):
        if isinstance(v.get(key), str):
            yield v[key]
            return
    for listed in (v.get("results"), v.get("outputs"), v.get("generations")):
        for item in listed or ():
            yield str(item.get("outputText") or item.get("text") or "")


def _sent(body: Body, asked: Body) -> Reply:
    """A whole body in the form that a request asks for."""
    if not asked.get("stream"):
        return json_reply(body)
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    for n, block in enumerate(body["output"]["message"]["content"]):
        if "toolUse" in block:
            called = block["toolUse"]
            events.append(
                ("contentBlockStart", {"start": {"toolUse": without(called, "input")}, "contentBlockIndex": n})
            )
            delta: dict[str, Any] = {"toolUse": {"input": json.dumps(called["input"], ensure_ascii=False)}}
        elif "reasoningContent" in block:
            delta = {"reasoningContent": (block["reasoningContent"] or {}).get("reasoningText") or {}}
        else:
            delta = block
        events.append(("contentBlockDelta", {"delta": delta, "contentBlockIndex": n}))
        events.append(("contentBlockStop", {"contentBlockIndex": n}))
    events.append(("messageStop", {"stopReason": body["stopReason"]}))
    events.append(("metadata", {"usage": body.get("usage") or {}, "metrics": body.get("metrics") or {}}))
    return frames_reply(events)


def _chunked(values: list[Any]) -> Reply:
    chunks = [{"bytes": base64.b64encode(json.dumps(v).encode()).decode()} for v in values]
    return frames_reply([("chunk", chunk) for chunk in chunks])
