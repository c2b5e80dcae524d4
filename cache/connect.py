"""From `provider:model` to the provider that answers for it: `connect`."""

import ipaddress
import re
from functools import reduce
from importlib import import_module
from importlib.metadata import entry_points
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from .errors import ModelUnavailable, ProviderError
from .provider import Provider

_GROUP = "butfor.provider"
_QUOTED_CHARACTERS = 300
_SHORTEST_SECRET = 8


def connect(model: str, *, timeout: float = 120.0) -> Provider:
    """The provider for `openai:MODEL[@URL]`, `ollama:MODEL[@HOST]`, `PLUGIN:MODEL` or `module:object`.

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
    if prefix == "openai":
        from .openai import OpenAI

        return OpenAI(name, timeout=timeout)
    if prefix == "ollama":
        from .ollama import Ollama

        return Ollama(name, timeout=timeout)
    for point in entry_points(group=_GROUP, name=prefix):
        return cast(Provider, point.load()(name, timeout=timeout))
    return _imported(prefix, name)


def _imported(module: str, name: str) -> Provider:
    try:
        found: object = reduce(getattr, name.split("."), import_module(module))
    except (ModuleNotFoundError, TypeError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and not f"{module}.".startswith(f"{error.name}."):
            raise ModelUnavailable(f"{module} cannot be imported: {error}; install what it needs") from None
        names = dict.fromkeys(("openai", "ollama", *(point.name for point in entry_points(group=_GROUP))))
        spelled = ", ".join(f"{known}:MODEL" for known in names)
        raise ModelUnavailable(f"no provider is called {module!r}; write {spelled} or module:object") from None
    except AttributeError:
        found = None
    if isinstance(found, type) or not callable(getattr(found, "complete", None)):
        raise ModelUnavailable(
            f"{module}:{name} is not a provider; name an object of that module with a method complete(call)"
        )
    return cast(Provider, found)


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

    @property
    def address(self) -> str:
        """The address as it may be shown: a password or a key in the URL is left out."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

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
        """What a server said as it may stand in a message: without the key, on one line, not too long."""
        safe = text.replace(self.key, "***") if len(self.key) >= _SHORTEST_SECRET else text
        line = " ".join(safe.split())
        return line if len(line) <= _QUOTED_CHARACTERS else f"{line[: _QUOTED_CHARACTERS - 1]}…"

    def failure(self, what: str, remedy: str) -> ProviderError:
        """The error that says what happened, with which model, at which address, and what to do."""
        return ProviderError(f"{self.model} at {self.address} {what}; {remedy}")

    def unavailable(self, what: str, remedy: str) -> ModelUnavailable:
        """The error for a model of which nothing can be asked, said in the same way."""
        return ModelUnavailable(str(self.failure(what, remedy)))

    def truncated(self, tokens: int | None) -> ProviderError:
        """The error for an answer that was cut short."""
        length = "" if tokens is None else f" after {tokens} tokens"
        return self.failure(
            f"was cut short{length}, and a cut answer is never stored",
            "raise --param max_tokens=…, or give the model a larger context",
        )
