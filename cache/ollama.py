"""A live provider: a model that Ollama serves.

Ollama's own API knows no names of speakers, no content but text (of what butfor sends), and only a part of JSON schema
for tools; `openai:MODEL@http://127.0.0.1:11434/v1` asks the same server in OpenAI's words, which know them.
"""

import json
import os
import weakref
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import JsonValue, ValidationError

from .call import INERT_PARAMS, Call, Completion, Message, TokenLogprob, ToolCall, Usage
from .connect import Endpoint, quoted
from .errors import ProviderError

if TYPE_CHECKING:
    import ollama

_HOST = "127.0.0.1"
_PORT = 11434
_CONNECT_SECONDS = 10.0

_FIELDS = {"logprobs", "top_logprobs", "think", "keep_alive", "format"}
"""Parameters that stand beside the options in a request."""

_RENAMED = {"max_tokens": "num_predict", "max_completion_tokens": "num_predict", "reasoning_effort": "think"}


class Ollama:
    """Answers calls with one model, `MODEL` or `MODEL@HOST`, whatever model they name.

    `timeout` is how long the server may stay silent, in seconds. Without a host it is OLLAMA_HOST, or this machine.
    Nothing is tried again. Several threads may ask at once.

    Raises:
        ProviderError: the host is not one.
    """

    def __init__(self, model: str, *, timeout: float = 120.0) -> None:
        import httpx
        import ollama

        self._endpoint = _endpoint(model)
        self._timeout = timeout
        self._client = ollama.Client(
            self._endpoint.url,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            # a proxy of the environment cannot reach this machine's own servers
            trust_env=not self._endpoint.is_loopback,
        )
        weakref.finalize(self, self._client.close)

    def complete(self, call: Call) -> Completion:
        """Ask the model.

        Raises:
            ProviderError: there was no answer, or it was cut short, or Ollama cannot be asked such a question.
        """
        import httpx
        import ollama

        request = self._request(call)
        try:
            return self._completion(call, self._client.chat(self._endpoint.model, **request))
        except ollama.ResponseError as error:
            raise self._refused(error) from None
        except httpx.TimeoutException:
            what = f"did not answer within {self._timeout:g} s"
            raise self._endpoint.failure(what, "raise --timeout, or ask a smaller model") from None
        except (ConnectionError, httpx.HTTPError) as error:
            # the SDK's own sentence for a refused connection says less than ours
            cause = "" if type(error) is ConnectionError else f" ({quoted(str(error))})"
            what = f"cannot be reached{cause}"
            raise self._endpoint.failure(what, "start it with `ollama serve`, or correct the address") from None
        except (ValueError, TypeError, AttributeError) as error:  # the SDK reads whatever JSON there is as an answer
            if isinstance(error, ValidationError) and error.title != "ChatResponse":
                raise self._unaskable(_first(error)) from None
            why = _first(error) if isinstance(error, ValidationError) else str(error)
            raise self._endpoint.failure(
                f"answered what is no chat response: {quoted(why)}", "check that the address is that of Ollama"
            ) from None

    def _request(self, call: Call) -> dict[str, Any]:
        names = {c.id: c.name for message in call.messages for c in message.tool_calls}
        request: dict[str, Any] = {"messages": [self._message(message, names) for message in call.messages]}
        options: dict[str, JsonValue] = {}
        for key, value in call.params.items():
            name = _RENAMED.get(key, key)
            if value is None or key in INERT_PARAMS or key in ("stream", "tool_choice", "parallel_tool_calls"):
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
        parts = message.content if isinstance(message.content, tuple) else ()
        if any(not isinstance(part, dict) or part.get("type") not in ("text", "input_text") for part in parts):
            raise self._unaskable("a message holds more than text")
        wire: dict[str, Any] = {"role": message.role, "content": message.text}
        if message.role == "tool":
            wire["tool_name"] = names.get(message.tool_call_id or "", message.name)
        if message.tool_calls:
            wire["tool_calls"] = [
                {"function": {"name": c.name, "arguments": self._arguments(c)}} for c in message.tool_calls
            ]
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
        stem = call.content_key.hex()[:12]  # Ollama's calls have no ids, and a conversation may hold many
        calls = tuple(
            ToolCall(id=f"call_{stem}_{n}", name=c.function.name, arguments=json.dumps(dict(c.function.arguments)))
            for n, c in enumerate(response.message.tool_calls or ())
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

    def _refused(self, error: "ollama.ResponseError") -> ProviderError:
        remedies = {404: f"fetch it with `ollama pull {self._endpoint.model}`", 401: "set OLLAMA_API_KEY"}
        remedy = "try again later; what was answered is kept" if error.status_code >= 500 else "correct what it names"
        what = f"answered {error.status_code}: {quoted(str(error.error))}"
        return self._endpoint.failure(what, remedies.get(error.status_code, remedy))

    def _unaskable(self, why: str) -> ProviderError:
        same = f"openai:{self._endpoint.model}@{self._endpoint.address.rstrip('/')}/v1"
        return self._endpoint.failure(f"cannot be asked this: {why}", f"ask it in OpenAI's words, as {same}")


def _endpoint(spelled: str) -> Endpoint:
    model, _, given = spelled.partition("@")
    host = given or os.environ.get("OLLAMA_HOST") or _HOST
    if "://" not in host:
        host = f"http://{_HOST}{host}" if host.startswith(":") else f"http://{host}"
        parts = urlsplit(host)
        host = parts._replace(netloc=f"{parts.netloc}:{_PORT}").geturl() if not _has_port(host) else host
    return Endpoint.checked(model, host)


def _has_port(url: str) -> bool:
    return urlsplit(url).netloc.rpartition("]")[2].rpartition("@")[2].count(":") > 0


def _format(value: JsonValue) -> JsonValue:
    """Ollama's word for a `response_format`: a JSON schema, `json`, or empty for text."""
    kind = value.get("type") if isinstance(value, dict) else value
    schema = value.get("json_schema") if isinstance(value, dict) else None
    if kind == "json_schema" and isinstance(schema, dict):
        return schema.get("schema", "json")
    return "json" if kind == "json_object" else ""


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
