"""What the codecs share: messages, tools and parameters in the one form that `Call` has.

A message's content is text, or parts in the spellings of the Chat Completions API. What only one API understands of a
message (a signature, reasoning, an id of its own) stands in a last part of type `wire`: it is part of the call's
identity, goes back to the same API as it came, and no other API is shown it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from butfor.cache.call import INERT_PARAMS, Call, Completion, Message, Role, Tool, ToolCall, Usage, whole

Body = Mapping[str, Any]
"""A JSON object, as a client sent it or a server answered."""

PORTABLE = frozenset(
    {"temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "response_format",
     "tool_choice", "parallel_tool_calls", "presence_penalty", "frequency_penalty", "logprobs",
     "top_logprobs", "n", "reasoning_effort", "logit_bias"}
)  # fmt: skip
"""Parameters that mean the same to every provider here, by their Chat Completions names."""

GARBAGE = "error"
"""How an answer ended that no API could have given, or that is an error."""

CUT = "cut"
"""How an answer ended whose stream broke off; what came of it is shown, and it is never stored."""

WIRE = "wire"
"""The type of the part that holds what only one API understands of a message."""

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function": "tool", "model": "assistant", "chatbot": "assistant",
}  # fmt: skip

_LEFT_OUT = ("cache_control", "annotations", "logprobs", "status")
"""Fields of a part that cannot change an answer; everything else is part of a call's identity."""


def make_call(
    provider: str, api: str, body: Body, messages: Iterable[Message], tools: Iterable[Tool], params: Body
) -> Call:
    """The call of a request; what only its own API understands stands under `wire` among the parameters."""
    given = {k: v for k, v in params.items() if v is not None and k not in INERT_PARAMS}
    portable = {k: v for k, v in given.items() if k in PORTABLE}
    rest = {k: v for k, v in given.items() if k not in PORTABLE and k != "stream"}
    stream = {"stream": True} if given.get("stream") else {}
    return Call(
        model=f"{provider}:{body.get('model', '')}",
        messages=tuple(messages),
        tools=tuple(tools),
        params={**portable, **stream, "wire": {"api": api, **rest}},
    )


def without(body: Body, *names: str) -> dict[str, Any]:
    """The fields of a body but for these."""
    return {key: value for key, value in body.items() if key not in names}


def message(
    role: object,
    content: object,
    *,
    name: str | None = None,
    tool_calls: tuple[ToolCall, ...] = (),
    tool_call_id: object = None,
    wire: Body | None = None,
) -> Message:
    """A message; one object for equal ones, so that histories share their digests.

    `wire` is what only its own API understands of it.
    """
    known = _ROLES.get(str(role).casefold(), "user")
    plain = whole(plain_content(content))  # two chunks of a stream may share an emoji, so it is mended here
    answered = None if tool_call_id is None else str(tool_call_id)
    if wire:
        parts = plain if isinstance(plain, tuple) else ({"type": "text", "text": plain},) if plain else ()
        plain = (*parts, {"type": WIRE, **wire})
    if isinstance(plain, str | None):
        return _interned(known, plain, name, tool_calls, answered)
    return Message(role=known, content=plain, name=name, tool_calls=tool_calls, tool_call_id=answered)


def wire_of(m: Message) -> dict[str, Any]:
    """What only its own API understands of a message."""
    parts = m.content if isinstance(m.content, tuple) else ()
    found = next((part for part in parts if isinstance(part, dict) and part.get("type") == WIRE), {})
    return without(found, "type")


def parts_of(m: Message, *, own: bool = False) -> list[dict[str, Any]]:
    """The parts that every API understands: texts and images; of another part its text, or its JSON.

    With `own` another part is given as it came, to go back to the API that it came from.
    """
    if isinstance(m.content, str):
        return [{"type": "text", "text": m.content}] if m.content else []
    found = []
    for part in m.content or ():
        if not isinstance(part, dict) or part.get("type") == WIRE:
            continue
        if own:
            found.append(part)
            continue
        if part.get("type") in ("thinking", "redacted_thinking", "reasoning"):
            continue
        known = part.get("type") in ("text", "image_url")
        text = part.get("text") if isinstance(part.get("text"), str) else json.dumps(part, ensure_ascii=False)
        found.append(part if known else {"type": "text", "text": text})
    return found


def text_of(m: Message) -> str:
    """A message's text as any API may be sent it."""
    return "\n".join(str(part["text"]) for part in parts_of(m) if part["type"] == "text")


def portable(m: Message) -> Message:
    """The message without what only one API understands."""
    if m.content is None or isinstance(m.content, str):
        return m
    parts = parts_of(m)
    only_text = all(part["type"] == "text" for part in parts)
    content: Any = (text_of(m) or (None if m.tool_calls else "")) if only_text else tuple(parts)
    return m.model_copy(update={"content": content})


def image_data(part: Body) -> tuple[str, str] | None:
    """The media type and the base64 data of an image part; `None` where it is an address."""
    url = str((part.get("image_url") or {}).get("url", ""))
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not comma:
        return None
    return head.removeprefix("data:").partition(";")[0] or "image/png", data


def plain_content(content: object) -> str | tuple[Any, ...] | None:
    """Text, or parts with the spellings of the Chat Completions API; text where all there is, is one text."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        return json.dumps(content, ensure_ascii=False)
    parts = tuple(_part(part) for part in content)
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def text_in(content: object) -> str:
    """The text of a value that should be text: itself, the texts of its parts joined, or its JSON."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text_of_part(part) for part in content)
    if isinstance(content, dict):
        return _text_of_part(content)
    return json.dumps(content, ensure_ascii=False)


def tool_call(identifier: object, name: object, arguments: object) -> ToolCall:
    """A tool call; arguments that came as a value become JSON text."""
    given = {} if arguments is None else arguments
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return _tool_call(whole(str(identifier or "")), whole(str(name or "")), whole(text))


def tool(name: object, description: object, parameters: object) -> Tool:
    """A tool; one object for equal ones."""
    schema = parameters if isinstance(parameters, dict) else {}
    return _tool(str(name or ""), str(description or ""), json.dumps(schema))


def tool_settings(listed: Iterable[Body], *known: str) -> dict[str, Any]:
    """What stands in tools besides the fields that a `Tool` holds, for the call's identity; often nothing.

    A file search without its stores, or a code tool without its container, would be another question.
    """
    given = [
        {"type": t.get("type"), **without(t, "name", "description", "type", "cache_control", *known)} for t in listed
    ]
    named = [{} if t.keys() <= {"type"} and t.get("type") in (None, "function") else t for t in given]
    return {"tool_settings": named} if any(named) else {}


def settings_of(call: Call, api: str) -> list[tuple[Tool, dict[str, Any]]]:
    """Each tool with what its own API knows of it besides, where the call was made in it."""
    wire = call.params.get("wire")
    given = wire.get("tool_settings") if isinstance(wire, dict) and wire.get("api") == api else None
    known = [dict(s) if isinstance(s, dict) else {} for s in given] if isinstance(given, list) else []
    return list(zip(call.tools, [*known, *({} for _ in call.tools)], strict=False))


def hosted(t: Tool, settings: Body) -> dict[str, Any]:
    """A tool that its API provides itself, as it was declared."""
    named = {} if t.name == settings.get("type") else {"name": t.name}
    return {**settings, **named, **({"description": t.description} if t.description else {})}


def made_in(call: Call, api: str) -> bool:
    """Whether a call was made in an API, so that all that it holds goes back to it."""
    wire = call.params.get("wire")
    return isinstance(wire, dict) and wire.get("api") == api


def arguments_value(call: ToolCall) -> Any:
    """A tool call's arguments as a value, for the APIs that send them so."""
    try:
        found = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return {"arguments": call.arguments}
    return found if isinstance(found, dict) else {"arguments": found}


def tokens(usage: object, *names: tuple[str, str]) -> Usage | None:
    """The tokens that a server counted, under the first pair of names that it knows; `None` where it counted none."""
    if not isinstance(usage, dict):
        return None
    for read, written in names:
        if read in usage or written in usage:
            return Usage(input_tokens=_count(usage.get(read)), output_tokens=_count(usage.get(written)))
    return None


def conversation(given: object) -> bool:
    """Whether a value is a list of messages, each with a role; an empty one asks nothing."""
    return isinstance(given, list) and bool(given) and all(isinstance(m, dict) and "role" in m for m in given)


def prompted(given: object) -> bool:
    """Whether a value is a bare prompt: a text, token ids, or a list of these."""
    if isinstance(given, str):
        return True
    return (
        isinstance(given, list) and bool(given) and (_ids(given) or all(isinstance(p, str) or _ids(p) for p in given))
    )


def _ids(given: object) -> bool:
    return isinstance(given, list) and bool(given) and all(type(n) is int for n in given)


def listed(values: Iterable[Any]) -> list[dict[str, Any]]:
    """The objects among the values of a response; those of an array, which one API streams, one by one."""
    return [v for given in values for v in (given if isinstance(given, list) else [given]) if isinstance(v, dict)]


def empty() -> Completion:
    """What an answer comes to that no API could have given."""
    return Completion(message=Message(role="assistant", content=""), finish_reason=GARBAGE)


def portable_params(call: Call) -> dict[str, Any]:
    """The parameters of a call that every provider understands, where they are given."""
    return {k: v for k, v in call.params.items() if k in PORTABLE and v is not None}


def renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Those of the parameters that an API has names for, under its names; what stops an answer as a list."""
    found = {name: given[known] for name, known in names.items() if known in given}
    for name, value in found.items():
        if names[name] == "stop" and isinstance(value, str):
            found[name] = [value]
    return found


def own_params(call: Call, api: str) -> dict[str, Any]:
    """The parameters besides: those of its own API, where the call was made in it, and what a person added for the one
    service that is asked (`repeat_penalty`, `top_k` …).
    """
    known = (*PORTABLE, *INERT_PARAMS, "wire", "stream")
    added = {k: v for k, v in call.params.items() if k not in known and v is not None}
    wire = call.params.get("wire")
    own = without(wire, "api", "tool_settings") if isinstance(wire, dict) and wire.get("api") == api else {}
    return {**own, **added}


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value == value and 0 <= value < 2**53 else 0


def _part(part: object) -> Any:
    if not isinstance(part, dict):
        return {"type": "text", "text": part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)}
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        return {"type": "text", "text": text_in(part.get("text"))}
    if kind is None and isinstance(part.get("text"), str):
        rest = without(part, "text", *_LEFT_OUT)
        return {"type": "text", "text": part["text"], **rest}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        detail = {"detail": part["detail"]} if part.get("detail") not in (None, "auto") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    source = part.get("source")
    if kind == "image" and isinstance(source, dict) and ("url" in source or "data" in source):
        url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": url}}
    # what was uploaded is named by its id alone; elsewhere an id is the provider's, and random
    return without(part, *_LEFT_OUT) if "file_id" in part else without(part, "id", *_LEFT_OUT)


def _text_of_part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    for key in ("text", "content", "refusal"):
        if key in part and part.get("type") not in ("thinking", "reasoning"):
            return text_in(part[key])
    return ""


@lru_cache(maxsize=8192)
def _interned(
    role: Role,
    content: str | None,
    name: str | None,
    tool_calls: tuple[ToolCall, ...],
    tool_call_id: str | None,
) -> Message:
    return Message(role=role, content=content, name=name, tool_calls=tool_calls, tool_call_id=tool_call_id)


@lru_cache(maxsize=8192)
def _tool_call(identifier: str, name: str, arguments: str) -> ToolCall:
    return ToolCall(id=identifier, name=name, arguments=arguments)


@lru_cache(maxsize=1024)
def _tool(name: str, description: str, parameters: str) -> Tool:
    return Tool(name=name, description=description, parameters=json.loads(parameters))
