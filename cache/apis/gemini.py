"""Google's Gemini: `generateContent`, and `streamGenerateContent`; the model stands in the path."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from butfor.cache.call import Call, Completion, Message, Tool, ToolCall, Usage

from .common import (
    Body,
    arguments_value,
    image_data,
    listed,
    made_in,
    make_call,
    message,
    own_params,
    parts_of,
    portable_params,
    renamed,
    text_of,
    tokens,
    tool,
    tool_call,
    wire_of,
    without,
)
from .reply import Reply, events_reply, json_reply

NAME = "gemini"
PATH = re.compile(r"/models/(?P<model>[^/:]+):(?P<verb>generateContent|streamGenerateContent)$")
SERVICE = "https://generativelanguage.googleapis.com/v1beta"
KEY = "GEMINI_API_KEY"

_PARAMS = {
    "temperature": "temperature", "topP": "top_p", "maxOutputTokens": "max_tokens", "stopSequences": "stop",
    "seed": "seed", "presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty",
}  # fmt: skip
_BESIDE = ("safetySettings", "cachedContent", "toolConfig", "labels")
_CALLED, _RESULT = ("functionCall", "function_call"), ("functionResponse", "function_response")


def asks(body: Body) -> bool:
    """Whether a body is a request of this API."""
    return isinstance(body.get("contents"), list | dict | str)


def located(where: str) -> dict[str, Any]:
    """What a request's path says: the model, and whether the answer is a stream."""
    found = PATH.search(where)
    return {"model": found["model"], "stream": found["verb"].startswith("stream")} if found else {}


def call(body: Body) -> Call:
    """The call of a request."""
    system = body.get("systemInstruction") or body.get("system_instruction")
    said = [message("system", _texts(system))] if system else []
    config = body.get("generationConfig") or body.get("generation_config") or {}
    params = {_PARAMS[k]: v for k, v in config.items() if k in _PARAMS}
    more = {k: v for k, v in config.items() if k not in _PARAMS and v is not None}
    params |= {"generationConfig": more} if more else {}
    declared = [t for t in body.get("tools") or () if isinstance(t, dict)]
    functions = [f for t in declared for f in t.get("functionDeclarations") or t.get("function_declarations") or ()]
    tools = [tool(f.get("name"), f.get("description"), _parameters(f)) for f in functions]
    besides = [without(t, "functionDeclarations", "function_declarations") for t in declared]
    settings = {"hosted_tools": [t for t in besides if t]} if any(besides) else {}
    rest = without(
        body, "contents", "systemInstruction", "system_instruction", "generationConfig", "generation_config", "tools",
        "model",
    )  # fmt: skip
    return make_call("gemini", NAME, body, [*said, *messages(body["contents"])], tools, {**params, **rest, **settings})


def path(model: str, *, stream: bool = False) -> str:
    """Where a request is sent, below the service's address."""
    return f"/models/{model}:{'streamGenerateContent' if stream else 'generateContent'}"


def request(asked: Call, model: str) -> dict[str, Any]:
    """The request that asks a model; an answer is never streamed."""
    del model
    given = portable_params(asked)
    config = renamed(given, _PARAMS)
    if given.get("max_completion_tokens"):
        config.setdefault("maxOutputTokens", given["max_completion_tokens"])
    own, mine = own_params(asked, NAME), made_in(asked, NAME)
    config |= own.pop("generationConfig", None) or {}
    hosted_tools = own.pop("hosted_tools", [])
    # what a person added is of the configuration, but for the few fields that stand beside it
    config |= {k: own.pop(k) for k in list(own) if k in asked.params and k not in _BESIDE}
    system = "\n\n".join(text_of(m) for m in asked.messages if m.role == "system")
    body: dict[str, Any] = {"contents": written((m for m in asked.messages if m.role != "system"), own=mine), **own}
    if system:
        body["systemInstruction"] = {"parts": [{"text": system}]}
    if config:
        body["generationConfig"] = config
    if asked.tools or hosted_tools:
        declared = [{"functionDeclarations": [_declared(t) for t in asked.tools]}] if asked.tools else []
        body["tools"] = [*declared, *hosted_tools]
    return body


def completion(values: list[Any]) -> Completion:
    """The answer in a body, or in the chunks of a stream."""
    body = whole(values)
    candidate = body["candidates"][0]
    parts = [p for p in (candidate.get("content") or {}).get("parts") or () if isinstance(p, dict)]
    calls = tuple(_numbered(p for p in parts))
    text = "".join(str(p["text"]) for p in parts if "text" in p and not p.get("thought"))
    return Completion(
        message=message("assistant", text or (None if calls else ""), tool_calls=calls),
        usage=tokens(body.get("usageMetadata"), ("promptTokenCount", "candidatesTokenCount")),
        finish_reason=candidate.get("finishReason"),
    )


def finished(values: list[Any]) -> bool:
    """Whether a stream came to its end."""
    return any(c.get("finishReason") for v in values for c in v.get("candidates") or ())


def reply(answer: Completion, body: Body, *, seed: str) -> Reply:
    """The response that holds an answer, in the form that a request asks for."""
    m, used = answer.message, answer.usage or Usage()
    text = text_of(m)
    parts: list[dict[str, Any]] = [{"text": text}] if text or not m.tool_calls else []
    parts += [{"functionCall": {"name": c.name, "args": arguments_value(c)}} for c in m.tool_calls]
    total = used.input_tokens + used.output_tokens
    usage = {
        "promptTokenCount": used.input_tokens, "candidatesTokenCount": used.output_tokens, "totalTokenCount": total,
    }  # fmt: skip
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    head = {"modelVersion": body.get("model", ""), "responseId": seed}
    return _sent({"candidates": [candidate], "usageMetadata": usage, **head}, body)


def rewritten(values: list[Any], answer: Completion, body: Body) -> Reply:
    """The recorded response with another text or other arguments; thoughts and their signatures stay."""
    old, m = whole(values), answer.message
    candidate = old["candidates"][0]
    before = [p for p in (candidate.get("content") or {}).get("parts") or () if isinstance(p, dict)]
    called = [p for p in before if _of(p, _CALLED)]
    spoken = next((p for p in before if "text" in p and not p.get("thought")), {})
    parts = [p for p in before if p.get("thought")]
    text = text_of(m)
    if text or not m.tool_calls:
        parts.append({**spoken, "text": text})
    for n, c in enumerate(m.tool_calls):
        recorded = called[n] if n < len(called) else {}
        old_call = _of(recorded, _CALLED) or {}
        kept = without(recorded, *_CALLED) if old_call.get("name") == c.name or n == 0 else {}
        identifier = {"id": old_call["id"]} if old_call.get("id") else {}
        parts.append({**kept, "functionCall": {**identifier, "name": c.name, "args": arguments_value(c)}})
    content = {"role": "model", "parts": parts}
    return _sent({**old, "candidates": [{**candidate, "content": content, "finishReason": "STOP"}]}, body)


def whole(values: list[Any]) -> dict[str, Any]:
    """The body of a response: itself, or what a stream's chunks add up to.

    Raises:
        ValueError: it is an error, or nothing that this API answers.
    """
    found = listed(values)
    error = next((v["error"] for v in found if v.get("error")), None)
    chosen = [c for v in found for c in v.get("candidates") or () if not c.get("index")]
    if error is not None or not chosen:
        raise ValueError(f"an error in the answer: {error}")
    if len(found) == 1:
        return found[0]
    parts = _merged(p for c in chosen for p in (c.get("content") or {}).get("parts") or ())
    reason = next((c["finishReason"] for c in reversed(chosen) if c.get("finishReason")), None)
    usage = next((v["usageMetadata"] for v in reversed(found) if v.get("usageMetadata")), None)
    candidate = {**chosen[-1], "content": {"role": "model", "parts": parts}, "finishReason": reason}
    return {**found[-1], "candidates": [candidate], "usageMetadata": usage}


def messages(contents: Any) -> list[Message]:
    """Contents as messages; a function's result is a message of its own, under the id of its call."""
    turns = contents if isinstance(contents, list) else [contents]
    calls: Counter[str] = Counter()
    results: Counter[str] = Counter()
    found: list[Message] = []
    for item in turns:
        content = item if isinstance(item, dict) else {"role": "user", "parts": [{"text": str(item)}]}
        given = content.get("parts")
        parts = [
            p if isinstance(p, dict) else {"text": str(p)} for p in (given if isinstance(given, list) else [given])
        ]
        called = tuple(_numbered(parts, calls))
        for part in parts:
            if result := _of(part, _RESULT):
                name = str(result.get("name"))
                answered = result.get("id") or f"{name}-{results[name]}"
                results[name] += 1
                found.append(message("tool", _result(result.get("response")), name=name, tool_call_id=answered))
        rest = [_part(p) for p in parts if not _of(p, _CALLED) and not _of(p, _RESULT) and not p.get("thought")]
        own = [without(p, "text", *_CALLED, *_RESULT) for p in parts]
        wire = {"api": NAME, "parts": parts} if any("thoughtSignature" in p or p.get("thought") for p in own) else None
        if rest or called:
            role = content.get("role") or "user"
            found.append(message(role, rest or (None if called else ""), tool_calls=called, wire=wire))
    return found


def written(said: Iterable[Message], *, own: bool = False) -> list[dict[str, Any]]:
    """Messages as the API takes them: turns of user and model."""
    turns: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    before = ""
    for m in said:
        names |= {c.id: c.name for c in m.tool_calls}
        role = "model" if m.role == "assistant" else "user"
        wire = wire_of(m)
        parts = wire["parts"] if wire.get("api") == NAME else list(_written(m, names, own=own))
        if turns and turns[-1]["role"] == role and (not own or before == "tool"):
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": role, "parts": list(parts)})
        before = m.role
    return turns


def _written(m: Message, names: dict[str, str], *, own: bool) -> Iterator[dict[str, Any]]:
    if m.role == "tool":
        name = names.get(m.tool_call_id or "") or m.name or "tool"
        yield {"functionResponse": {"name": name, "response": _response(text_of(m), own=own)}}
        return
    named = f"{m.name}:\n" if m.name and m.role == "user" else ""
    for part in parts_of(m, own=own):
        data = image_data(part) if part["type"] == "image_url" else None
        if data:
            yield {"inlineData": {"mimeType": data[0], "data": data[1]}}
        elif part["type"] == "image_url":
            yield {"fileData": {"fileUri": part["image_url"]["url"]}}
        elif part["type"] == NAME:
            yield without(part, "type")
        elif part.get("text"):
            yield {"text": f"{named}{part['text']}"}
            named = ""
    for c in m.tool_calls:
        yield {"functionCall": {"name": c.name, "args": arguments_value(c)}}


def _numbered(parts: Iterable[Body], seen: "Counter[str] | None" = None) -> Iterator[ToolCall]:
    """The calls in some parts; the API's calls have no ids, so a call is named by its function and its number."""
    counts: Counter[str] = Counter() if seen is None else seen
    for part in parts:
        if called := _of(part, _CALLED):
            name = str(called.get("name"))
            identifier = called.get("id") or f"{name}-{counts[name]}"
            counts[name] += 1
            yield tool_call(identifier, name, called.get("args"))


def _of(part: Body, names: tuple[str, ...]) -> dict[str, Any] | None:
    found = next((part[name] for name in names if isinstance(part.get(name), dict)), None)
    return found if found is None else dict(found)


def _part(part: Body) -> dict[str, Any]:
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    data = part.get("inlineData") or part.get("inline_data")
    if isinstance(data, dict) and str(data.get("mimeType") or data.get("mime_type")).startswith("image/"):
        return {"type": "image", "source": {"media_type": data.get("mimeType") or data.get("mime_type"), **data}}
    return {"type": "gemini", **part}


def _result(response: Any) -> Any:
    if isinstance(response, dict) and len(response) == 1 and isinstance(next(iter(response.values())), str):
        return next(iter(response.values()))
    return response


def _response(text: str, *, own: bool) -> dict[str, Any]:
    """A function's result: the object that it was, where it was one."""
    try:
        found = json.loads(text) if own else None
    except ValueError:
        found = None
    if isinstance(found, dict) and _result(found) is found and json.dumps(found, ensure_ascii=False) == text:
        return found
    return {"result": text}


def _texts(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else content
    texts = parts if isinstance(parts, list) else [parts]
    return "\n".join(str(p.get("text", "")) if isinstance(p, dict) else str(p) for p in texts)


def _parameters(f: Body) -> Any:
    return f.get("parameters") or f.get("parametersJsonSchema") or f.get("parameters_json_schema")


def _declared(t: Tool) -> dict[str, Any]:
    schema = {"parametersJsonSchema": dict(t.parameters)} if t.parameters else {}
    return {"name": t.name, "description": t.description, **schema}


def _merged(parts: Iterable[Any]) -> list[dict[str, Any]]:
    """Parts of a stream, texts that follow one another joined."""
    found: list[dict[str, Any]] = []
    for part in (p for p in parts if isinstance(p, dict)):
        last = found[-1] if found else None
        if last and "text" in last and "text" in part and bool(last.get("thought")) == bool(part.get("thought")):
            found[-1] = {**last, **part, "text": f"{last['text']}{part['text']}"}
        else:
            found.append(dict(part))
    return found


def _sent(body: Body, asked: Body) -> Reply:
    """A whole body in the form that a request asks for."""
    return events_reply([dict(body)], named=False) if asked.get("stream") else json_reply(body)
