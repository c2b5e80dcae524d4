"""What the dialects share: messages, tools and parameters in the one form that `Call` has."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from butfor.cache.call import INERT_PARAMS, Call, Completion, Message, Role, Tool, ToolCall

Body = Mapping[str, Any]
"""A JSON object, as a client sent it or a server answered."""

PORTABLE = frozenset(
    {"temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "response_format",
     "tool_choice", "parallel_tool_calls", "presence_penalty", "frequency_penalty", "logprobs",
     "top_logprobs", "n", "reasoning_effort", "logit_bias"}
)  # fmt: skip
"""Parameters that mean the same to every provider here, by their Chat Completions names."""

GARBAGE = "error"
"""How an answer ended that no API could have given."""

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function": "tool",
}  # fmt: skip


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
    tool_call_id: str | None = None,
) -> Message:
    """A message; one object for equal ones, so that histories share their digests."""
    known = _ROLES.get(str(role), "user")
    plain = plain_content(content)
    if isinstance(plain, str | None):
        return _interned(known, plain, name, tool_calls, tool_call_id)
    return Message(role=known, content=plain, name=name, tool_calls=tool_calls, tool_call_id=tool_call_id)


def plain_content(content: object) -> str | tuple[Any, ...] | None:
    """Text, or parts with the spellings of the Chat Completions API; text where all there is, is one text."""
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        return json.dumps(content)
    parts = tuple(_part(part) for part in content)
    if len(parts) == 1 and isinstance(parts[0], dict) and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def tool_call(identifier: object, name: object, arguments: object) -> ToolCall:
    """A tool call; arguments that came as a value become JSON text."""
    text = arguments if isinstance(arguments, str) else json.dumps({} if arguments is None else arguments)
    return _tool_call(str(identifier or ""), str(name or ""), text)


def tool(name: object, description: object, parameters: object) -> Tool:
    """A tool; one object for equal ones."""
    return _tool(str(name or ""), str(description or ""), json.dumps(parameters or {}))


def arguments_value(call: ToolCall) -> Any:
    """A tool call's arguments as a value, for the APIs that send them so."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return {"arguments": call.arguments}


def empty() -> Completion:
    """What an answer comes to that no API could have given."""
    return Completion(message=Message(role="assistant", content=""), finish_reason=GARBAGE)


def _part(part: object) -> Any:
    if not isinstance(part, dict):
        return {"type": "text", "text": str(part)}
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        return {"type": "text", "text": part.get("text") or ""}
    if kind == "input_image" and isinstance(part.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    source = part.get("source")
    if kind == "image" and isinstance(source, dict):
        url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": url}}
    return without(part, "id", "cache_control", "annotations", "logprobs", "status")


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
