"""A live provider: the Chat Completions API, of OpenAI or of any server that speaks it."""

import json
import os
import re
import weakref
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, FiniteFloat, JsonValue, ValidationError

from .call import INERT_PARAMS, Call, Completion, Message, TokenLogprob, Tool, ToolCall, Usage
from .connect import Endpoint
from .errors import ModelUnavailable, ProviderError

if TYPE_CHECKING:
    import openai

_OPENAI = "https://api.openai.com/v1"
_RETRIES = 2
_CONNECT_SECONDS = 10.0
_NO_KEY = "none"

_REMEDIES = {
    401: "set OPENAI_API_KEY to a key that this address accepts",
    403: "use a key or a model that is allowed here",
    404: "check the model's name, and that the address is what precedes /chat/completions (often …/v1)",
    429: "wait, ask fewer at once (--jobs), or raise the limit of the key",
}

_UNAVAILABLE = frozenset({401, 403, 404})


class OpenAI:
    """Answers calls with one model, `MODEL` or `MODEL@BASE_URL`, whatever model they name.

    `timeout` is how long the server may stay silent, in seconds. Without `api_key` the key is OPENAI_API_KEY;
    a server on this machine needs none. Several threads may ask at once.

    Raises:
        ModelUnavailable: there is no key, or the address is not one.
    """

    def __init__(self, model: str, *, timeout: float = 120.0, api_key: str | None = None) -> None:
        import openai

        endpoint = _endpoint(model)
        self._endpoint = endpoint._replace(key=_key(api_key, endpoint))
        self._timeout = timeout
        self._client = openai.OpenAI(
            api_key=self._endpoint.key or _NO_KEY,
            base_url=endpoint.url,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            max_retries=_RETRIES,
            # a proxy from the environment cannot reach this machine's own servers
            http_client=openai.DefaultHttpxClient(trust_env=not endpoint.is_loopback),
        )
        weakref.finalize(self, self._client.close)

    def complete(self, call: Call) -> Completion:
        """Ask the model; a rate limit, a server's fault and a lost connection are tried again twice.

        Raises:
            ProviderError: there was no answer, or it was refused or cut short.
        """
        import openai

        messages: Any = [_message(message) for message in call.messages]
        try:
            response = self._client.chat.completions.with_raw_response.create(
                model=self._endpoint.model, messages=messages, extra_body=_options(call)
            )
        except openai.OpenAIError as error:
            raise self._failed(error) from None
        return self._completion(response.text)

    def _failed(self, error: "openai.OpenAIError") -> ProviderError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            what = f"did not answer within {self._timeout:g} s, asked {_RETRIES + 1} times"
            return self._endpoint.failure(what, "raise --timeout, or ask a faster model")
        if isinstance(error, openai.APIStatusError):
            status = error.status_code
            # a refused key may come back masked, in a way that cannot be recognised
            said = "" if status == 401 else f": {self._endpoint.quoted(_said(error.body))}"
            other = "try again later; what was answered is kept" if status >= 500 else "correct what it names"
            failure = self._endpoint.unavailable if status in _UNAVAILABLE else self._endpoint.failure
            return failure(f"answered {status}{said}", _REMEDIES.get(status, other))
        cause = self._endpoint.quoted(str(error.__cause__ or error))
        return self._endpoint.unavailable(f"could not be asked ({cause})", "start the server, or correct the address")

    def _completion(self, text: str) -> Completion:
        try:
            body = _Body.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "body"
            why = f"{where}: {first['msg']}"
            what = f"answered what is no chat completion ({why}): {self._endpoint.quoted(text)}"
            remedy = "check that the address is that of an OpenAI-compatible API (often …/v1)"
            raise self._endpoint.failure(what, remedy) from None
        if not body.choices:
            said = self._endpoint.quoted(_said(body.error)) if body.error else "with an empty list of choices"
            raise self._endpoint.failure(f"answered {said}", "try again, or ask another model")
        return self._chosen(body.choices[0], body.usage, text)

    def _chosen(self, choice: "_Choice", usage: "_Usage | None", raw: str) -> Completion:
        said = choice.message
        if said.refusal or choice.finish_reason == "content_filter":
            why = self._endpoint.quoted(said.refusal or "its content filter stopped the answer")
            raise self._endpoint.failure(f"refused to answer: {why}", "change the question, or ask another model")
        if choice.finish_reason == "length":
            raise self._endpoint.truncated(usage.completion_tokens if usage else None)
        calls = tuple(call.parsed for call in said.tool_calls or ())
        tokens = choice.logprobs.content if choice.logprobs else None
        return Completion(
            message=Message(role="assistant", content=said.content or ("" if not calls else None), tool_calls=calls),
            usage=usage and Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens),
            logprobs=None if tokens is None else tuple(TokenLogprob(t.token, t.logprob) for t in tokens),
            finish_reason=choice.finish_reason,
            raw=raw,
        )


class _Function(BaseModel):
    name: str
    arguments: str | dict[str, JsonValue] = ""


class _ToolCall(BaseModel):
    id: str = ""
    function: _Function

    @property
    def parsed(self) -> ToolCall:
        given = self.function.arguments
        text = given if isinstance(given, str) else json.dumps(given)
        return ToolCall(id=self.id, name=self.function.name, arguments=text)


class _Answer(BaseModel):
    content: str | tuple[JsonValue, ...] | None = None
    refusal: str | None = None
    tool_calls: tuple[_ToolCall, ...] | None = None


class _Token(BaseModel):
    token: str
    logprob: FiniteFloat


class _Logprobs(BaseModel):
    content: tuple[_Token, ...] | None = None


class _Choice(BaseModel):
    message: _Answer
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Body(BaseModel):
    """The part of a response that is used; what a server adds to it is ignored."""

    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    error: JsonValue = None


def _endpoint(spelled: str) -> Endpoint:
    model, *url = re.split(r"@(?=https?://)", spelled, maxsplit=1)
    # without this, what was meant for a local server would be asked of OpenAI
    if not url and re.search(r".@[^@]*[:/]", model):
        raise ModelUnavailable("an address begins with http:// or https://; write openai:MODEL@http://HOST:PORT/v1")
    return Endpoint.checked(model, url[0] if url else os.environ.get("OPENAI_BASE_URL") or _OPENAI)


def _key(given: str | None, endpoint: Endpoint) -> str:
    key = (given or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not key and not endpoint.is_loopback:
        remedy = "set OPENAI_API_KEY, or name a local server: openai:MODEL@http://127.0.0.1:8000/v1"
        raise endpoint.unavailable("needs a key", remedy)
    if not key.isascii() or not key.isprintable():
        raise endpoint.unavailable("was not asked", "correct OPENAI_API_KEY: it holds characters that no key has")
    return key


def _options(call: Call) -> dict[str, JsonValue]:
    """The request but for model and messages; an answer is never streamed."""
    unsent = INERT_PARAMS | {"stream"}
    options = {k: v for k, v in call.params.items() if v is not None and k not in unsent}
    tools: dict[str, JsonValue] = {"tools": [_tool(tool) for tool in call.tools]} if call.tools else {}
    return {**options, **tools}


def _tool(tool: Tool) -> dict[str, JsonValue]:
    function: dict[str, JsonValue] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def _message(message: Message) -> dict[str, Any]:
    content = "" if message.content is None else message.content  # many servers reject null
    wire: dict[str, Any] = {"role": message.role, "content": content}
    if message.name and message.role != "tool":
        wire["name"] = re.sub(r"[^\w-]+", "_", message.name)[:64]  # the API rejects spaces, and longer names
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    return wire


def _said(body: object) -> str:
    """What a server says went wrong: its message where it has one."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    return body if isinstance(body, str) else json.dumps(body, default=str)
