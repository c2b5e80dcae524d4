"""A live provider over plain HTTP: any service whose protocol a codec speaks."""

import json
import re
import time
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from .apis import UNREADABLE, Asking, asking
from .apis.reply import JSON_TYPE, Reply
from .call import Call, Completion
from .connect import Endpoint
from .errors import ProviderError

_CONNECT_SECONDS = 10.0
_RETRIES = 2
_LONGEST_PAUSE_SECONDS = 30.0
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_UNAVAILABLE = frozenset({401, 403, 404})
_REMEDIES = {
    403: "use a key or a model that is allowed here",
    404: "check the model's name and the address",
    429: "wait, ask fewer at once (jobs=), or raise the limit of the key",
}


class _Service(NamedTuple):
    """A service, the protocol that it speaks, and how a key is shown to it."""

    codec: str
    address: str | None = None
    """`None` is the protocol's own."""
    key: str | None = None
    """The environment variable; `None` is the protocol's own."""
    header: str = "authorization"
    prefix: str = "Bearer "
    headers: Mapping[str, str] = {}


_SERVICES: Mapping[str, _Service] = {
    "anthropic": _Service("messages", header="x-api-key", prefix="", headers={"anthropic-version": "2023-06-01"}),
    "gemini": _Service("gemini", header="x-goog-api-key", prefix=""),
    "responses": _Service("responses"),
    "cohere": _Service("cohere"),
    "mistral": _Service("chat", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
}


class Live:
    """Answers calls with one model of a service, `MODEL` or `MODEL@BASE_URL`, whatever model they name.

    `timeout` is how long the server may stay silent, in seconds. The key is the environment's; a server on this machine
    needs none. Several threads may ask at once.

    Raises:
        ModelUnavailable: there is no key, or the address is not one.
    """

    def __init__(self, service: str, model: str, *, timeout: float = 120.0) -> None:
        import httpx

        known = _SERVICES[service]
        self._codec: Asking = asking(known.codec)
        self._key = known.key or self._codec.KEY
        self._endpoint = Endpoint.spelled(service, model, known.address or self._codec.SERVICE, self._key)
        self._timeout = timeout
        shown = {known.header: f"{known.prefix}{self._endpoint.key}"} if self._endpoint.key else {}
        self._client = httpx.Client(
            headers={**known.headers, **shown, "content-type": JSON_TYPE},
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            # a proxy from the environment cannot reach this machine's own servers
            trust_env=not self._endpoint.is_loopback,
        )
        weakref.finalize(self, self._client.close)

    def complete(self, call: Call) -> Completion:
        """Ask the model; a rate limit, a server's fault and a lost connection are tried again twice.

        Raises:
            ProviderError: there was no answer, or it was refused or cut short.
        """
        model = self._endpoint.model
        body = json.dumps(self._codec.request(call, model)).encode()
        return self._completion(self._sent(self._endpoint.at(self._codec.path(model)), body))

    def _sent(self, url: str, body: bytes) -> Reply:
        import httpx

        pause = 0.5
        for attempt in range(_RETRIES + 1):
            last = attempt == _RETRIES
            try:
                response = self._client.post(url, content=body)
            except httpx.TimeoutException:
                if last:
                    what = f"did not answer within {self._timeout:g} s, asked {_RETRIES + 1} times"
                    raise self._endpoint.failure(what, "raise timeout=, or ask a faster model") from None
            except httpx.HTTPError as error:
                if last:
                    what = f"could not be asked ({self._endpoint.quoted(str(error) or type(error).__name__)})"
                    raise self._endpoint.unavailable(what, "start the server, or correct the address") from None
            else:
                if response.is_success:
                    return Reply(headers={"content-type": JSON_TYPE}, body=response.text)
                if last or response.status_code not in _AGAIN:
                    raise self._refused(response.status_code, response.text)
                pause = _asked_pause(response.headers, pause)
            time.sleep(min(pause, _LONGEST_PAUSE_SECONDS))
            pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _refused(self, status: int, text: str) -> ProviderError:
        other = "try again later; what was answered is kept" if status >= 500 else "correct what it names"
        remedy = (
            f"set {self._key} to a key that this address accepts" if status == 401 else _REMEDIES.get(status, other)
        )
        # a refused key may come back masked, in a way that cannot be recognised
        said = "" if status == 401 else f": {self._endpoint.quoted(_said(text))}"
        failure = self._endpoint.unavailable if status in _UNAVAILABLE else self._endpoint.failure
        return failure(f"answered {status}{said}", remedy)

    def _completion(self, reply: Reply) -> Completion:
        try:
            found = self._codec.completion(reply.values())
        except UNREADABLE as error:
            what = f"answered what is no {self._codec.NAME} answer ({error}): {self._endpoint.quoted(reply.body)}"
            raise self._endpoint.failure(what, "check the address and the model") from None
        self._endpoint.judge(found)
        return found.model_copy(update={"raw": reply.body})


def _asked_pause(headers: Mapping[str, str], otherwise: float) -> float:
    """The seconds that a server asks to wait, which it says as a number or as the date until when."""
    after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", after, re.ASCII):
        return float(after)
    try:
        until = parsedate_to_datetime(after)
        # the server's own clock, where it tells the time: ours may be wrong
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        return max(0.0, (_aware(until) - _aware(now)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return otherwise


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _said(text: str) -> str:
    """What a server says went wrong: its message where it has one."""
    try:
        body = json.loads(text)
    except ValueError:
        return text
    while isinstance(body, dict):
        body = body.get("error") or body.get("message") or body.get("detail") or json.dumps(body)
    return body if isinstance(body, str) else json.dumps(body)
