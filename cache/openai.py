"""A live provider: the Chat Completions API, of OpenAI or of any server that speaks it."""

import json
import os
import weakref
from typing import TYPE_CHECKING, Any

from .apis import UNREADABLE, chat
from .apis.reply import JSON_TYPE, Reply
from .call import Call, Completion
from .connect import Endpoint
from .errors import ProviderError

if TYPE_CHECKING:
    import openai

_RETRIES = 2
_CONNECT_SECONDS = 10.0
_NO_KEY = "none"

_REMEDIES = {
    401: "set OPENAI_API_KEY to a key that this address accepts",
    403: "use a key or a model that is allowed here",
    404: "check the model's name, and that the address is what precedes /chat/completions (often …/v1)",
    429: "wait, ask fewer at once (jobs=), or raise the limit of the key",
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

        service = os.environ.get("OPENAI_BASE_URL") or chat.SERVICE
        endpoint = self._endpoint = Endpoint.spelled("openai", model, service, chat.KEY, api_key)
        self._timeout = timeout
        self._client = openai.OpenAI(
            api_key=self._endpoint.key or _NO_KEY,
            base_url=endpoint._replace(url=endpoint.url.partition("?")[0]).at(""),
            default_query=endpoint.query,
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

        request = chat.request(call, self._endpoint.model)
        messages: Any = request.pop("messages")
        try:
            response = self._client.chat.completions.with_raw_response.create(
                model=request.pop("model"), messages=messages, extra_body=request
            )
        except openai.OpenAIError as error:
            raise self._failed(error) from None
        return self._completion(response.text)

    def _failed(self, error: "openai.OpenAIError") -> ProviderError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            what = f"did not answer within {self._timeout:g} s, asked {_RETRIES + 1} times"
            return self._endpoint.failure(what, "raise timeout=, or ask a faster model")
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
        reply = Reply(headers={"content-type": JSON_TYPE}, body=text)
        try:
            values = reply.values()
            found = chat.completion(values)
        except UNREADABLE as error:
            raise self._unread(text, error) from None
        choice = chat.whole(values)["choices"][0]
        refusal = (choice.get("message") or {}).get("refusal")
        filtered = found.finish_reason == "content_filter"
        self._endpoint.judge(found, str(refusal or ("its content filter stopped the answer" if filtered else "")))
        return found.model_copy(update={"raw": text})

    def _unread(self, text: str, error: Exception) -> ProviderError:
        """What came was an error in place of an answer, or no answer of this API."""
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if isinstance(said, dict) and (said.get("error") or said.get("choices") == []):
            what = self._endpoint.quoted(_said(said["error"])) if said.get("error") else "with an empty list of choices"
            return self._endpoint.failure(f"answered {what}", "try again, or ask another model")
        what = f"answered what is no chat completion ({error}): {self._endpoint.quoted(text)}"
        return self._endpoint.failure(what, "check that the address is that of an OpenAI-compatible API (often …/v1)")


def _said(body: object) -> str:
    """What a server says went wrong: its message where it has one."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    return body if isinstance(body, str) else json.dumps(body, default=str)
