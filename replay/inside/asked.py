"""A request to a model, whichever client makes it: written down, or answered by butfor, or sent live.

A client library is an adapter (`Client`) with the few things in which they differ; the course of a call is written
here once, for synchronous code too (`line.now`).
"""

import contextvars
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from . import identity
from .line import Line, forever
from .settings import MODE, SOCKET, TAPE, setting
from .tape import Tape, as_text

PATHS = re.compile(r"/(?:chat/completions|responses|messages|api/chat|api/generate|embeddings|api/embed)$")
"""How the path of a request to a model ends."""

_ASKING = frozenset({"messages", "input", "prompt", "previous_response_id", "conversation", "contents"})
"""Fields of which a question to a model has one."""

KEPT_HEADERS = (
    "content-type",
    "x-request-id",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
)
"""Headers of a response that are written down: what clients act on, and nothing that could be a secret."""

LOCAL = frozenset({"localhost", "::1", "0.0.0.0", "", "None"})  # noqa: S104

CANCELLED = ("CancelledError", "Cancelled")
"""What asyncio and trio call the end of a call that was given up."""

live: "contextvars.ContextVar[bool]" = contextvars.ContextVar("butfor_live", default=False)
"""Whether butfor lets a request go to its model just now."""

models: "set[tuple[str, str]]" = set()
"""Addresses at which the program asks models."""

_sending: "contextvars.ContextVar[bool]" = contextvars.ContextVar("butfor_sending", default=False)


_known: "contextvars.ContextVar[bool]" = contextvars.ContextVar("butfor_known", default=False)


class Heard(NamedTuple):
    """What came back, for the tape or for butfor: status, headers that matter, what broke it off; the body."""

    head: "dict[str, Any]"
    body: bytes


class Client(Protocol):
    """One request in the hands of its client library."""

    loop: bool
    """Whether its code is asynchronous."""

    async def sent(self, body: bytes, ear: "Ear") -> Any:
        """The response of the model's own server, unread, everything read of it passed on to `ear`; with a `body`,
        to that one in place of the request's.
        """
        ...

    async def drained(self, response: Any) -> None:
        """Read a response to its end, and close it."""
        ...

    def given(self, said: "dict[str, Any]", body: bytes) -> Any:
        """The response that butfor gives.

        Raises:
            Exception: what the client raised where the recorded call broke before there was a response.
        """
        ...


class Asked(NamedTuple):
    """A request to a model, as it is written down."""

    head: "dict[str, Any]"
    body: bytes


def is_sending() -> bool:
    """Whether a request of a client that is seen is on its way just now."""
    return _sending.get() or live.get() or _known.get()


@contextmanager
def known() -> "Iterator[None]":
    """While a request is made that is seen, and asks no model."""
    token = _known.set(True)
    try:
        yield
    finally:
        _known.reset(token)


def ours(method: str, path: str) -> bool:
    """Whether a request may be to a model, by its path, and is by the program itself."""
    return bool(setting(MODE)) and method == "POST" and not _sending.get() and bool(PATHS.search(path))


def asks(body: bytes) -> bool:
    """Whether the body of such a request asks a model: chat services and forms have paths that end alike."""
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return isinstance(said, dict) and not _ASKING.isdisjoint(said)


def asked(headers: Any, url: Any, body: bytes) -> Asked:
    """The request of the code that runs now, and who asks; `url` has scheme, host, port and path."""
    name, basis = identity.who(headers)
    host = str(url.host)
    port = str(url.port or {"http": 80}.get(url.scheme, 443))
    models.add(("localhost" if host in LOCAL or host.startswith("127.") else host, port))
    retry = headers.get("x-stainless-retry-count", "0")
    head = {
        "kind": "llm",
        "agent": name,
        "basis": basis,
        "host": host,
        "port": port,
        "path": url.path,
        "retry": int(retry) if retry.isdigit() else 0,
        "inside": identity.inside(),
        "started": time.time(),
    }
    return Asked(head, body)


async def response(client: Client, request: Asked) -> Any:
    """What the program gets for its request, unread."""
    if setting(MODE) == "record":
        return await _sent(client, b"", _Writer(request))
    line = await Line.opened(setting(SOCKET), loop=client.loop)
    try:
        said, body = await line.ask({**request.head, "loop": client.loop}, request.body)
        while said["do"] == "live":
            said, body = await line.ask(*await _live(client, body))
            if said["do"] == "wait":
                await line.sleep(said["seconds"])
                said["do"] = "live"
    finally:
        line.close()
    if is_cancelled(said) and not said["status"]:
        await forever(loop=client.loop)
    if said["do"] == "refuse":
        said = {"status": 418, "headers": {"content-type": "application/json", "x-should-retry": "false"}}
    return client.given(said, body)


async def _live(client: Client, body: bytes) -> Heard:
    """What the program's own model answers; with a `body`, to that one."""
    keep = _Keeper()
    token = live.set(True)
    try:
        await client.drained(await _sent(client, body, keep))
    except Exception as error:
        keep.heard = keep.heard or Heard({"status": 0, "broken": named(error)}, b"")
    finally:
        live.reset(token)
    assert keep.heard is not None  # noqa: S101 - a response that was drained has been heard
    return keep.heard


async def _sent(client: Client, body: bytes, ear: "Ear") -> Any:
    token = _sending.set(True)
    try:
        return await client.sent(body, ear)
    except BaseException as error:
        ear.broke(error)
        raise
    finally:
        _sending.reset(token)


class Ear:
    """Collects what is read of a response, and tells it once, when it ends or breaks off."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {"status": 0}
        self._decoded: Any = bytes
        self._chunks: list[bytes] = []
        self._told = False

    def begins(self, status: int, headers: Any, decoded: Any) -> "Ear":
        """Note how a response begins; `decoded` takes the raw body to what it is without its compression."""
        self._head = {"status": status, "headers": {k: headers[k] for k in KEPT_HEADERS if k in headers}}
        self._decoded = decoded
        return self

    def hears(self, chunk: bytes) -> bytes:
        """Take note of a part of the body."""
        self._chunks.append(chunk)
        return chunk

    def broke(self, error: BaseException) -> None:
        """The end, by an error of the client's; what merely closed a stream was the program's own choice."""
        self.ends(None if isinstance(error, GeneratorExit) else named(error))

    def ends(self, broken: "str | None" = None) -> None:
        """The end."""
        if self._told:
            return
        self._told = True
        raw = b"".join(self._chunks)
        try:
            raw = self._decoded(raw)
        except Exception as error:  # a body that was cut, or never was what it says it is
            broken = broken or named(error)
        self.tell(Heard({**self._head, **({"broken": broken} if broken else {})}, raw))

    def tell(self, heard: Heard) -> None:
        """Pass on what was heard."""
        raise NotImplementedError

    def __enter__(self) -> "Ear":
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        self.ends() if error is None else self.broke(error)


class _Writer(Ear):
    """Appends the call to the recording."""

    def __init__(self, request: Asked) -> None:
        super().__init__()
        self._request = request

    def tell(self, heard: Heard) -> None:
        head = {**self._request.head, **as_text("request", self._request.body)}
        line = {**head, **heard.head, **as_text("body", heard.body), "ended": time.time()}
        Tape.of(setting(TAPE)).append(line)


class _Keeper(Ear):
    """Keeps what came back, to be told to butfor."""

    heard: "Heard | None" = None

    def tell(self, heard: Heard) -> None:
        self.heard = heard


def is_cancelled(said: "dict[str, Any]") -> bool:
    """Whether the program gave a call up before its answer was there, so that it will do so again."""
    return (said.get("broken") or "").partition(":")[0] in CANCELLED


def named(error: BaseException) -> str:
    """An error as it is written down."""
    return f"{type(error).__name__}: {error}"
