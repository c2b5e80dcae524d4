"""From `provider:model` to the provider that answers for it: `connect`."""

import ipaddress
import re
from functools import reduce
from importlib import import_module
from importlib.metadata import entry_points
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from .errors import ProviderError
from .provider import Provider

_GROUP = "butfor.provider"
_QUOTED_CHARACTERS = 300


def connect(model: str, *, timeout: float = 120.0) -> Provider:
    """The provider for `openai:MODEL[@URL]`, `ollama:MODEL[@HOST]`, `PLUGIN:MODEL` or `module:object`.

    A plugin is an entry point in the group `butfor.provider`, called with the model's name and `timeout`, in
    seconds; the object of `module:object` is a provider itself. Whatever `module` names is imported, so connect
    only to what a person typed, never to what a log says.

    Raises:
        ProviderError: no provider has that name, or it cannot be set up.
    """
    prefix, _, name = model.partition(":")
    if not prefix or not name:
        raise ProviderError(
            f"{model!r} does not say who answers; write provider:model, such as openai:gpt-5-mini or ollama:qwen3"
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
            raise
        names = dict.fromkeys(("openai", "ollama", *(point.name for point in entry_points(group=_GROUP))))
        spelled = ", ".join(f"{known}:MODEL" for known in names)
        raise ProviderError(f"no provider is called {module!r}; write {spelled} or module:object") from None
    except AttributeError:
        raise ProviderError(f"the module {module} has no {name}; name an object in it that is a provider") from None
    if isinstance(found, type) or not callable(getattr(found, "complete", None)):
        raise ProviderError(f"{module}:{name} is not a provider; name an object with a method complete(call)")
    return cast(Provider, found)


class Endpoint(NamedTuple):
    """A model, and the address at which it is asked."""

    model: str
    url: str

    @classmethod
    def checked(cls, model: str, url: str) -> "Endpoint":
        """The endpoint, where the model has a name and the address is a URL that a client accepts.

        Raises:
            ProviderError: it is not.
        """
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            if ":" in host or re.fullmatch(r"[\d.]+", host):
                ipaddress.ip_address(host)
            sound = parts.port != 0 and re.fullmatch(r"[\w.:-]+", host, re.ASCII) and url.isascii() and url.isprintable()
        except ValueError:
            sound = None
        if not model or not sound or parts.scheme not in ("http", "https"):
            raise ProviderError(f"the address of the model {model!r} is not a URL; write MODEL@http://HOST:PORT")
        return cls(model, url)

    @property
    def address(self) -> str:
        """The address as it may be shown: a password or a key in the URL is left out."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether the address is this machine's own; 0.0.0.0 is too, where a client connects to it."""
        host = urlsplit(self.url).hostname or ""
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
        return ip.is_loopback or ip.is_unspecified

    def failure(self, what: str, remedy: str) -> ProviderError:
        """The error that says what happened, with which model, at which address, and what to do."""
        return ProviderError(f"{self.model} at {self.address} {what}; {remedy}")

    def truncated(self, tokens: int | None) -> ProviderError:
        """The error for an answer that was cut short."""
        length = "" if tokens is None else f" after {tokens} tokens"
        return self.failure(
            f"was cut short{length}, and a cut answer is never stored",
            "raise --param max_tokens=…, or give the model a larger context",
        )


def quoted(text: str) -> str:
    """A foreign text as it may stand in a message: on one line, and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED_CHARACTERS else f"{line[: _QUOTED_CHARACTERS - 1]}…"
