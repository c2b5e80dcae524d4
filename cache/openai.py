"""A live provider: the Chat Completions API, of OpenAI or of any server that speaks it."""

import json
import os
import re
import weakref
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, FiniteFloat, JsonValue, ValidationError

from .call import INERT_PARAMS, Call, Completion, Message, TokenLogprob, Tool, ToolCall, Usage
from .connect import Endpoint, quoted
from .errors import ProviderError

if TYPE_CHECKING:
    import openai

_OPENAI = "https://api.openai.com/v1"
_RETRIES = 2
_CONNECT_SECONDS = 10.0
_NO_KEY = "no-key-needed"
_SHORTEST_SECRET = 8

_REMEDIES = {
    401: "set OPENAI_API_KEY to a key that this address accepts",
    403: "use a key or a model that is allowed here",
    404: "check the model's name, and that the address ends where /chat/completions follows (often in /v1)",
    429: "wait, ask fewer at once, or raise the limit of the key",
}


class OpenAI:
    """Answers calls with one model, `MODEL` or `MODEL@BASE_URL`, whatever model they name.

    `timeout` is how long the server may stay silent, in seconds. Without `api_key` the key is OPENAI_API_KEY; an
    address on this machine needs none. Several threads may ask at once.

    Raises:
        ProviderError: there is no key, or the address is not one.
    """

    def __init__(self, model: str, *, timeout: float = 120.0, api_key: str | None = None) -> None:
        import openai

        self._endpoint = _endpoint(model)
        self._timeout = timeout
        self._key = _key(api_key, self._endpoint)
        self._client = openai.OpenAI(
            api_key=self._key,
            base_url=self._endpoint.url,
            timeout=openai.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            max_retries=_RETRIES,
            # a proxy of the environment cannot reach this machine's own servers
            http_client=openai.DefaultHttpxClient(trust_env=not self._endpoint.is_loopback),
        )
        weakref.finalize(self, self._client.close)

    def complete(self, call: Call) -> Completion:
        """Ask the model; a rate limit, a server's fault or a lost connection is tried again twice.

        Raises:
            ProviderError: there was no answer, or it was refused or cut short.
        """
        import openai

        question: Any = [_message(message) for message in call.messages]
        try:
            response = self._client.chat.completions.with_raw_response.create(
                model=self._endpoint.model, messages=question, extra_body=_options(call)
            )
        except openai.APIError as error:
            raise self._failed(error) from None
        return self._completion(response.text)

    def _failed(self, error: "openai.APIError") -> ProviderError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            what = f"did not answer within {self._timeout:g} s, asked {_RETRIES + 1} times"
            return self._endpoint.failure(what, "raise --timeout, or ask a faster model")
        if isinstance(error, openai.APIStatusError):
            status = error.status_code
            # a server may repeat the refused key, masked in a way that cannot be recognised
            said = "" if status == 401 else f": {self._quoted(_said(error.body))}"
            remedy = "try again later; what was answered is kept" if status >= 500 else "correct what it names"
            return self._endpoint.failure(f"answered {status}{said}", _REMEDIES.get(status, remedy))
        cause = self._quoted(str(error.__cause__ or error))
        return self._endpoint.failure(f"cannot be reached ({cause})", "start the server, or correct the address")

    def _completion(self, text: str) -> Completion:
        try:
            body = _Body.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "body"
            raise self._endpoint.failure(
                f"answered what is no chat completion ({where}: {first['msg']}): {self._quoted(text)}",
                "check that the address is that of an OpenAI-compatible API (often it ends in /v1)",
            ) from None
        if not body.choices:
            said = self._quoted(_said(body.error)) if body.error else "an empty list of choices"
            raise self._endpoint.failure(f"answered {said}", "try again, or ask another model")
        return self._chosen(body.choices[0], body.usage, text)

    def _chosen(self, choice: "_Choice", usage: "_Usage | None", raw: str) -> Completion:
        said = choice.message
        if said.refusal or choice.finish_reason == "content_filter":
            why = self._quoted(said.refusal or "its content filter stopped the answer")
            raise self._endpoint.failure(f"refused to answer: {why}", "change the question, or ask another model")
        if choice.finish_reason == "length":
            raise self._endpoint.truncated(usage and usage.completion_tokens)
        calls = tuple(ToolCall(id=c.id, name=c.function.name, arguments=c.function.text) for c in said.tool_calls or ())
        content = said.content if said.content is not None or calls else ""
        tokens = choice.logprobs and choice.logprobs.content
        return Completion(
            message=Message(role="assistant", content=content, tool_calls=calls),
            usage=usage and Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens),
            logprobs=None if tokens is None else tuple(TokenLogprob(t.token, t.logprob) for t in tokens),
            finish_reason=choice.finish_reason,
            raw=raw,
        )

    def _quoted(self, text: str) -> str:
        return quoted(text.replace(self._key, "***") if len(self._key) >= _SHORTEST_SECRET else text)


class _Function(BaseModel):
    name: str
    arguments: str | dict[str, JsonValue] = ""

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


class _ToolCall(BaseModel):
    id: str = ""
    function: _Function


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
    """The part of a response body that is used; what a server adds to it is ignored."""

    choices: tuple[_Choice, ...] = ()
    usage: _Usage | None = None
    error: JsonValue = None


def _endpoint(spelled: str) -> Endpoint:
    model, *url = re.split(r"@(?=https?://)", spelled, maxsplit=1)
    if not url and re.search(r".@[^@]*[:/]", model):  # else a local address would become a model of OpenAI's
        raise ProviderError(f"openai:{spelled} has an address without http://; write openai:MODEL@http://HOST:PORT/v1")
    return Endpoint.checked(model, url[0] if url else os.environ.get("OPENAI_BASE_URL") or _OPENAI)


def _key(given: str | None, endpoint: Endpoint) -> str:
    key = (given or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not key and not endpoint.is_loopback:
        raise endpoint.failure(
            "needs a key", "set OPENAI_API_KEY, or name a local server: openai:MODEL@http://127.0.0.1:8000/v1"
        )
    if not key.isascii() or not key.isprintable():
        raise endpoint.failure("cannot take this key", "correct OPENAI_API_KEY: it holds characters that no key has")
    return key or _NO_KEY


def _options(call: Call) -> dict[str, JsonValue]:
    """Everything but model and messages, in the request's own words; answers are never streamed."""
    unsent = INERT_PARAMS | {"stream"}
    options = {k: v for k, v in call.params.items() if v is not None and k not in unsent}
    return {**options, "tools": [_tool(tool) for tool in call.tools]} if call.tools else options


def _tool(tool: Tool) -> dict[str, JsonValue]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _message(message: Message) -> dict[str, Any]:
    # several servers reject null where a text may be empty
    wire: dict[str, Any] = {"role": message.role, "content": message.content if message.content is not None else ""}
    if message.name and message.role != "tool":
        wire["name"] = re.sub(r"[^\w-]+", "_", message.name)[:64]  # the API rejects a name with a space in it
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
