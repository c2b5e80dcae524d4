"""From `provider:model` to the provider that answers for it: `connect`."""

import ipaddress
import os
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit, urlunsplit

from .apis.ending import ending
from .call import Completion
from .errors import ModelUnavailable, PluginError, ProviderError
from .plugin import resolve
from .provider import Provider

_QUOTED_CHARACTERS = 300
_SHORTEST_SECRET = 8
_SHORTEST_PART = 4
"""Of a value in a query; `v=1` is none."""
_LIVE = ("openai", "ollama", "anthropic", "gemini", "responses", "cohere", "mistral")
"""The providers that come with butfor."""


def connect(model: str, *, timeout: float = 120.0) -> Provider:
    """The provider for `openai:MODEL[@URL]`, `ollama:MODEL[@HOST]`, `anthropic:MODEL` …, `PLUGIN:MODEL` or
    `module:object`.

    A plugin is an entry point in the group `butfor.provider`, called with the model's name and `timeout`, in
    seconds; the object of `module:object` is a provider itself. A module that is named is imported, and a key
    goes to the address that is named: connect to what a person chose, never to what a log says.

    Raises:
        ModelUnavailable: no provider has that name, or it cannot be set up.
    """
    prefix, _, name = model.partition(":")
    if not prefix or not name:
        raise ModelUnavailable(
            f"{model!r} does not say who answers; write provider:model, such as ollama:qwen3 or openai:gpt-5"
        )
    try:
        whole = _SPELLED.get(model, model)
        return resolve("provider", whole, makers=dict.fromkeys(_LIVE, _made(prefix, timeout)), timeout=timeout)
    except PluginError as error:
        raise ModelUnavailable(str(error)) from None


def shown_model(model: str) -> str:
    """A `provider:model@URL` as it may be shown, kept and compared: without user, password and query.

    `connect` knows from then on, in this process, what was left out, and asks with the last that was given.
    """
    spelled = re.match(r"[^@]*?:.*?@(?=https?://)", model) or re.match(r"ollama:[^@]*@", model)
    if not spelled:
        return model
    address = re.fullmatch(r"((?:https?://)?)(.*)", model[spelled.end() :], re.DOTALL)
    scheme, rest = address.groups() if address else ("", "")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = rest.partition("/")
    shown = f"{spelled[0]}{scheme}{authority.rpartition('@')[2]}{slash}{path}"
    if shown != model:
        _SPELLED[shown] = model
    return shown


_SPELLED: dict[str, str] = {}
"""Models by what is shown of them; never written anywhere."""


def _made(prefix: str, timeout: float) -> Callable[[str], Provider]:
    def made(model: str) -> Provider:
        if prefix == "openai":
            from .openai import OpenAI

            return OpenAI(model, timeout=timeout)
        if prefix == "ollama":
            from .ollama import Ollama

            return Ollama(model, timeout=timeout)
        from .live import Live

        return Live(prefix, model, timeout=timeout)

    return made


class Endpoint(NamedTuple):
    """A model, the address at which it is asked, and the key that is shown there."""

    model: str
    url: str
    key: str = ""

    @classmethod
    def checked(cls, model: str, url: str) -> "Endpoint":
        """The endpoint, where the model has a name and the address is a URL that a client accepts.

        Raises:
            ModelUnavailable: it is not.
        """
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            if ":" in host or re.fullmatch(r"[\d.]+", host):
                ipaddress.ip_address(host)
            sound = parts.port != 0 and re.fullmatch(r"[\w.:-]+", host) and url.isascii() and url.isprintable()
        except ValueError:
            sound = False
        if not model or not sound or parts.scheme not in ("http", "https"):
            raise ModelUnavailable(f"the model {model!r} has an address that is no URL; write MODEL@http://HOST:PORT")
        return cls(model, url)

    @classmethod
    def spelled(cls, provider: str, spelled: str, service: str, key: str, given: str | None = None) -> "Endpoint":
        """The endpoint of `MODEL` or `MODEL@URL`; without a URL that of the service, and its key from a variable.

        Raises:
            ModelUnavailable: the address is none, or there is no key for one that is not this machine's own.
        """
        model, *url = re.split(r"@(?=https?://)", spelled, maxsplit=1)
        # without this, what was meant for a local server would be asked of the service
        if not url and re.search(r".@[^@]*[:/]", model):
            raise ModelUnavailable(
                f"an address begins with http:// or https://; write {provider}:MODEL@http://HOST:PORT/v1"
            )
        found = cls.checked(model, url[0] if url else service)
        secret = (given or os.environ.get(key) or "").strip()
        if not secret and not found.is_loopback:
            remedy = f"set {key}, or name a local server: {provider}:MODEL@http://127.0.0.1:8000/v1"
            raise found.unavailable("needs a key", remedy)
        if not secret.isascii() or not secret.isprintable():
            raise found.unavailable("was not asked", f"correct {key}: it holds characters that no key has")
        return found._replace(key=secret)

    @property
    def address(self) -> str:
        """The address as it may be shown: a password or a key in the URL is left out."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def at(self, path: str) -> str:
        """The URL of a path below the address; a query of the address stands behind it."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}{path}", fragment=""))

    @property
    def query(self) -> dict[str, str]:
        """The query of the address, by name."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def secrets(self) -> list[str]:
        """What must not be shown: the key, and who asks and with what in the URL; as written and as meant."""
        parts = urlsplit(self.url)
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        pairs = [pair.partition("=")[2] or pair for pair in parts.query.split("&")]
        found = {self.key, *(form for s in (user, password, *pairs) for form in (s, unquote(s), unquote_plus(s)))}
        whole = {parts.query, parts.netloc.rpartition("@")[0]} - {""}
        short = {password, unquote(password)} - {""}
        long = {s for s in found if len(s) >= (_SHORTEST_SECRET if s == self.key else _SHORTEST_PART)}
        return sorted(whole | short | long, key=lambda s: (-len(s), s))

    @property
    def is_loopback(self) -> bool:
        """Whether the address is this machine's own; so is 0.0.0.0, for a client."""
        host = urlsplit(self.url).hostname or ""
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
        return ip.is_loopback or ip.is_unspecified

    def quoted(self, text: str) -> str:
        """What a server said as it may stand in a message: without any secret, on one line, not too long."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        line = " ".join(text.split())
        return line if len(line) <= _QUOTED_CHARACTERS else f"{line[: _QUOTED_CHARACTERS - 1]}…"

    def failure(self, what: str, remedy: str) -> ProviderError:
        """The error that says what happened, with which model, at which address, and what to do."""
        return ProviderError(f"{self.model} at {self.address} {what}; {remedy}")

    def unavailable(self, what: str, remedy: str) -> ModelUnavailable:
        """The error for a model of which nothing can be asked, said in the same way."""
        return ModelUnavailable(str(self.failure(what, remedy)))

    def judge(self, found: Completion, refusal: str = "") -> None:
        """Let pass an answer that is whole.

        Raises:
            ProviderError: it was refused or cut short, or the server says that it failed.
        """
        how = "refused" if refusal else ending(found.finish_reason)
        if how == "cut":
            raise self.truncated(found.usage.output_tokens if found.usage else None)
        if how == "refused":
            why = self.quoted(refusal or found.text) or found.finish_reason
            raise self.failure(f"refused to answer: {why}", "change the question, or ask another model")
        if how == "failed":
            why = self.quoted(f"{found.finish_reason} {found.text}")
            raise self.failure(f"broke off its answer: {why}", "try again, or ask another model")

    def truncated(self, tokens: int | None) -> ProviderError:
        """The error for an answer that was cut short."""
        length = "" if tokens is None else f" after {tokens} tokens"
        return self.failure(
            f"was cut short{length}, and a cut answer is never stored",
            "raise params= (max_tokens), or give the model a larger context",
        )
