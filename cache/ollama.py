"""A live provider: a model that Ollama serves.

Ollama's own API has no names of speakers and keeps only a part of a tool's JSON schema, and only text is sent
to it here. `openai:MODEL@http://127.0.0.1:11434/v1` asks the same server without these limits.
"""

import json
import os
import weakref
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, ValidationError

from .apis.common import image_data, parts_of, text_of
from .apis.ending import ending
from .call import INERT_PARAMS, Call, Completion, Message, TokenLogprob, ToolCall, Usage
from .connect import Endpoint
from .errors import ProviderError

if TYPE_CHECKING:
    import ollama

_HOST = "127.0.0.1"
_PORT = 11434
_CONNECT_SECONDS = 10.0

_FIELDS = frozenset({"logprobs", "top_logprobs", "think", "keep_alive", "format"})
"""Parameters that stand beside the options in a request."""

_UNSENT = INERT_PARAMS | {"stream", "tool_choice", "parallel_tool_calls"}

_RENAMED = {"max_tokens": "num_predict", "max_completion_tokens": "num_predict", "reasoning_effort": "think"}


class Ollama:
    """Answers calls with one model, `MODEL` or `MODEL@HOST`, whatever model they name.

    `timeout` is how long the server may stay silent, in seconds. Without a host it is OLLAMA_HOST, or this
    machine. Several threads may ask at once.

    Raises:
        ModelUnavailable: the host is not one.
    """

    def __init__(self, model: str, *, timeout: float = 120.0) -> None:
        import httpx
        import ollama

        self._endpoint = _endpoint(model)
        self._timeout = timeout
        self._client = ollama.Client(
            self._endpoint.url,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            # a proxy from the environment cannot reach this machine's own servers
            trust_env=not self._endpoint.is_loopback,
        )
        weakref.finalize(self, self._client.close)

    def complete(self, call: Call) -> Completion:
        """Ask the model, once.

        Raises:
            ProviderError: there was no answer, or it was cut short, or Ollama knows no such question.
        """
        import httpx
        import ollama

        request = self._request(call)
        try:
            return self._completion(call, self._client.chat(self._endpoint.model, **request))
        except ollama.ResponseError as error:
            raise self._failed(error) from None
        except httpx.TimeoutException:
            what = f"did not answer within {self._timeout:g} s"
            raise self._endpoint.failure(what, "raise timeout=, or ask a smaller model") from None
        except (ConnectionError, httpx.HTTPError) as error:
            cause = "" if type(error) is ConnectionError else f" ({self._endpoint.quoted(str(error))})"
            remedy = "start it with `ollama serve`, or correct the address"
            raise self._endpoint.unavailable(f"could not be asked{cause}", remedy) from None
        except (ValueError, TypeError, AttributeError) as error:  # the SDK trusts a body to be what it should
            raise self._misunderstood(error) from None

    def _request(self, call: Call) -> dict[str, Any]:
        names = {c.id: c.name for message in call.messages for c in message.tool_calls}
        request: dict[str, Any] = {"messages": [self._message(message, names) for message in call.messages]}
        options: dict[str, JsonValue] = {}
        for key, value in call.params.items():
            name = _RENAMED.get(key, key)
            if value is None or key in _UNSENT:
                continue
            if name == "response_format":
                request["format"] = _format(value)
            elif name in _FIELDS:
                request[name] = value
            else:
                options[name] = [value] if name == "stop" and isinstance(value, str) else value
        choice = call.params.get("tool_choice") or "auto"
        if choice not in ("auto", "none"):
            raise self._unaskable("it cannot be made to call a tool (tool_choice)")
        tools = [{"type": "function", "function": tool.model_dump(mode="json")} for tool in call.tools]
        return {**request, "options": options, "tools": tools if choice == "auto" else []}

    def _message(self, message: Message, names: dict[str, str]) -> dict[str, Any]:
        parts = parts_of(message)
        images = [data[1] for part in parts if part["type"] == "image_url" and (data := image_data(part))]
        if len(images) < sum(part["type"] == "image_url" for part in parts):
            raise self._unaskable("a message holds the address of an image, and Ollama takes images themselves")
        wire: dict[str, Any] = {"role": message.role, "content": text_of(message)}
        if images:
            wire["images"] = images
        if message.role == "tool":
            wire["tool_name"] = names.get(message.tool_call_id or "", message.name)
        if message.tool_calls:
            functions = ({"name": c.name, "arguments": self._arguments(c)} for c in message.tool_calls)
            wire["tool_calls"] = [{"function": function} for function in functions]
        return wire

    def _arguments(self, call: ToolCall) -> dict[str, JsonValue]:
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise self._unaskable(f"the arguments of a call of {call.name} are not a JSON object")
        return arguments

    def _completion(self, call: Call, response: "ollama.ChatResponse") -> Completion:
        if response.done_reason == "length":
            raise self._endpoint.truncated(response.eval_count)
        if response.done is False or response.done_reason == "load":
            raise self._endpoint.failure("did not finish its answer", "try again")
        if ending(response.done_reason) != "whole":
            raise self._endpoint.failure(f"broke off its answer: {response.done_reason}", "try again")
        asked = [c.function for c in response.message.tool_calls or ()]
        stem = call.content_key.hex()[:12]  # Ollama's tool calls have no ids, and a conversation holds many
        calls = tuple(
            ToolCall(id=f"call_{stem}_{n}", name=function.name, arguments=json.dumps(dict(function.arguments)))
            for n, function in enumerate(asked)
        )
        counted = response.prompt_eval_count is not None or response.eval_count is not None
        usage = Usage(input_tokens=response.prompt_eval_count or 0, output_tokens=response.eval_count or 0)
        tokens = response.logprobs
        return Completion(
            message=Message(role="assistant", content=response.message.content or "", tool_calls=calls),
            usage=usage if counted else None,
            logprobs=None if tokens is None else tuple(TokenLogprob(t.token, t.logprob) for t in tokens),
            finish_reason=response.done_reason,
            raw=response.model_dump_json(exclude_none=True),
        )

    def _failed(self, error: "ollama.ResponseError") -> ProviderError:
        status = error.status_code
        remedies = {401: "set OLLAMA_API_KEY", 404: f"fetch it with `ollama pull {self._endpoint.model}`"}
        other = "try again later; what was answered is kept" if status >= 500 else "correct what it names"
        said = "" if status == 401 else f": {self._endpoint.quoted(str(error.error))}"
        failure = self._endpoint.unavailable if status in remedies else self._endpoint.failure
        return failure(f"answered {status}{said}", remedies.get(status, other))

    def _misunderstood(self, error: Exception) -> ProviderError:
        if not isinstance(error, ValidationError):
            why = str(error)
        else:
            first = error.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            if error.title != "ChatResponse":
                return self._unaskable(why)
        what = f"answered what is no chat response ({self._endpoint.quoted(why)})"
        return self._endpoint.failure(what, "check that the address is that of Ollama")

    def _unaskable(self, why: str) -> ProviderError:
        same = f"openai:{self._endpoint.model}@{self._endpoint.address.rstrip('/')}/v1"
        return self._endpoint.failure(f"cannot be asked this: {why}", f"try it as {same}, or ask another model")


def _endpoint(spelled: str) -> Endpoint:
    model, _, given = spelled.partition("@")
    host = given or os.environ.get("OLLAMA_HOST") or _HOST
    if "://" not in host:
        authority, slash, path = host.partition("/")
        port = "" if ":" in authority.rpartition("]")[2] else f":{_PORT}"
        host = f"http://{_HOST if host.startswith(':') else ''}{authority}{port}{slash}{path}"
    return Endpoint.checked(model, host)._replace(key=os.environ.get("OLLAMA_API_KEY", ""))


def _format(value: JsonValue) -> JsonValue:
    """Ollama's word for a `response_format`: a JSON schema, `json`, or nothing for text."""
    if not isinstance(value, dict) or value.get("type") == "text":
        return ""
    schema = value.get("json_schema")
    return schema.get("schema", "json") if isinstance(schema, dict) else "json"
