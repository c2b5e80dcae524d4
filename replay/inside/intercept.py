"""Inside the program: every request to a model passes through here, to be written down or answered by butfor.

`Client.send` and `AsyncClient.send` of httpx and of httpx2 are wrapped when the module is first imported. In
mode `record` a request goes where it always went, and one line per completed call is appended to a file. In
mode `replay` butfor is asked over a Unix socket, a connection a call: it answers, refuses, or lets the
request go live and hears what came back. This module needs nothing but the standard library.
"""

import contextvars
import datetime
import importlib.abc
import importlib.util
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from . import identity
from .line import AsyncLine, Line
from .tape import Tape, as_text

MODE, TAPE, SOCKET, OFFLINE = "BUTFOR_MODE", "BUTFOR_TAPE", "BUTFOR_SOCKET", "BUTFOR_OFFLINE"

PATHS = re.compile(r"/(?:chat/completions|responses|messages|api/chat|api/generate|embeddings|api/embed)$")
"""How the path of a request to a model ends."""

KEPT_HEADERS = (
    "content-type",
    "x-request-id",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
)
"""Headers of a response that are written down: what clients act on, and nothing that could be a secret."""

_inside_send: "contextvars.ContextVar[bool]" = contextvars.ContextVar("butfor_inside_send", default=False)
_live: "contextvars.ContextVar[bool]" = contextvars.ContextVar("butfor_live", default=False)


class Asked(NamedTuple):
    """A request to a model, as it is written down."""

    head: "dict[str, Any]"
    body: bytes


_models: "set[tuple[str, str]]" = set()
"""Addresses at which the program asks models."""

_LOCAL = frozenset({"localhost", "::1", "0.0.0.0", "", "None"})  # noqa: S104


_installed: "list[bool]" = []


def install() -> None:
    """Wrap what is imported already, and everything else when it is first imported; once."""
    if _installed:
        return
    _installed.append(True)
    hooks = {"httpx": _wrap_clients, "httpx2": _wrap_clients, **identity.hooks()}
    for name, hook in hooks.items():
        if name in sys.modules:
            hook(sys.modules[name])
    sys.meta_path.insert(0, _AfterImport(hooks))
    if os.environ.get(MODE) == "replay":
        sys.addaudithook(_guard)


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function on a module once it has been imported."""

    def __init__(self, hooks: "dict[str, Any]") -> None:
        self._hooks = dict(hooks)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        hook = self._hooks.pop(name, None)
        if hook is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            self._hooks[name] = hook
            return None
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            hook(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _guard(event: str, arguments: Any) -> None:
    """Refuse connections around the interceptor: to the models' addresses, and offline all that leave this
    machine.
    """
    if event not in ("socket.connect", "socket.getaddrinfo") or _live.get():
        return
    address = arguments[1] if event == "socket.connect" else arguments[:2]
    if not isinstance(address, tuple) or len(address) < 2:
        return
    host, port = str(address[0]), str(address[1])
    local = host in _LOCAL or host.startswith("127.")
    around = event == "socket.connect" and ("localhost" if local else host, port) in _models
    if around or (os.environ.get(OFFLINE) and not local):
        raise PermissionError(f"butfor: the network is blocked in a replay, and the program connects to {host}:{port}")


def _wrap_clients(module: Any) -> None:
    sync, asynchronous = module.Client.send, module.AsyncClient.send

    def send(client: Any, request: Any, **options: Any) -> Any:
        if not _is_ours(request):
            return sync(client, request, **options)
        asked = _asked(client, request, request.read())
        stream = options.pop("stream", False)
        response = _send(module, sync, client, request, asked, options)
        return response if stream else _read(response)

    async def asend(client: Any, request: Any, **options: Any) -> Any:
        if not _is_ours(request):
            return await asynchronous(client, request, **options)
        asked = _asked(client, request, await request.aread())
        stream = options.pop("stream", False)
        response = await _asend(module, asynchronous, client, request, asked, options)
        return response if stream else await _aread(response)

    module.Client.send, module.AsyncClient.send = send, asend


def _is_ours(request: Any) -> bool:
    return (
        bool(os.environ.get(MODE))
        and request.method == "POST"
        and not _inside_send.get()
        and PATHS.search(request.url.path) is not None
    )


def _asked(client: Any, request: Any, body: bytes) -> Asked:
    name, basis = identity.who(request)
    host = str(request.url.host)
    port = str(request.url.port or {"http": 80}.get(request.url.scheme, 443))
    _models.add(("localhost" if host in _LOCAL or host.startswith("127.") else host, port))
    retry = request.headers.get("x-stainless-retry-count", "0")
    head = {
        "kind": "llm",
        "agent": name,
        "basis": basis,
        "host": host,
        "port": port,
        "path": request.url.path,
        "retry": int(retry) if retry.isdigit() else 0,
        "inside": identity.inside(),
        "started": time.time(),
    }
    return Asked(head, body)


def _read(response: Any) -> Any:
    try:
        response.read()
    except BaseException:
        response.close()
        raise
    return response


async def _aread(response: Any) -> Any:
    try:
        await response.aread()
    except BaseException:
        await response.aclose()
        raise
    return response


# Synchronous and asynchronous code differ in nothing but `await`, and each has to stand on its own.


def _send(module: Any, original: Any, client: Any, request: Any, asked: Asked, options: Any) -> Any:
    if os.environ.get(MODE) == "record":
        return _taped(module, original, client, request, asked, options, _Writer(asked))
    line = Line(os.environ[SOCKET])
    said, body = line.ask(asked.head, asked.body)
    while said["do"] == "live":
        again = _again(module, request, body) if body else request
        heard = _Holder()
        token = _live.set(True)
        try:
            response = _taped(module, original, client, again, asked, dict(options), heard)
            _drained(response)
        except Exception as error:
            if not heard.entry:
                heard({"status": 0, "broken": _named(error)}, b"")
        finally:
            _live.reset(token)
        said, body = line.ask(*heard.entry)
        if said["do"] == "wait":
            time.sleep(said["seconds"])
            said["do"] = "live"
    line.close()
    return _answer(module, client, request, said, body, sync=True)


async def _asend(module: Any, original: Any, client: Any, request: Any, asked: Asked, options: Any) -> Any:
    if os.environ.get(MODE) == "record":
        return await _ataped(module, original, client, request, asked, options, _Writer(asked))
    line = await AsyncLine.opened(os.environ[SOCKET])
    said, body = await line.ask(asked.head, asked.body)
    while said["do"] == "live":
        again = _again(module, request, body) if body else request
        heard = _Holder()
        token = _live.set(True)
        try:
            response = await _ataped(module, original, client, again, asked, dict(options), heard)
            await _adrained(response)
        except Exception as error:
            if not heard.entry:
                heard({"status": 0, "broken": _named(error)}, b"")
        finally:
            _live.reset(token)
        said, body = await line.ask(*heard.entry)
        if said["do"] == "wait":
            await line.sleep(said["seconds"])
            said["do"] = "live"
    line.close()
    return _answer(module, client, request, said, body, sync=False)


def _taped(module: Any, original: Any, client: Any, request: Any, asked: Asked, options: Any, write: Any) -> Any:
    """The response as it came, with everything that is read of its body passed on to `write`."""
    token = _inside_send.set(True)
    try:
        response = original(client, request, stream=True, **options)
    except Exception as error:
        write({"status": 0, "broken": _named(error)}, b"")
        raise
    finally:
        _inside_send.reset(token)
    response.stream = _sync_tee(module, response, write)
    return response


async def _ataped(module: Any, original: Any, client: Any, request: Any, asked: Asked, options: Any, write: Any) -> Any:
    token = _inside_send.set(True)
    try:
        response = await original(client, request, stream=True, **options)
    except Exception as error:
        write({"status": 0, "broken": _named(error)}, b"")
        raise
    finally:
        _inside_send.reset(token)
    response.stream = _async_tee(module, response, write)
    return response


def _drained(response: Any) -> None:
    try:
        response.read()
    finally:
        response.close()


async def _adrained(response: Any) -> None:
    try:
        await response.aread()
    finally:
        await response.aclose()


class _Writer:
    """Appends a call to the recording once its response has come to an end."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def __call__(self, entry: "dict[str, Any]", body: bytes) -> None:
        entry = {**self._asked.head, **as_text("request", self._asked.body), **entry, **as_text("body", body)}
        Tape.of(os.environ[TAPE]).append({**entry, "ended": time.time()})


class _Holder:
    """Keeps what came back, to be told to butfor."""

    def __init__(self) -> None:
        self.entry: Any = None

    def __call__(self, entry: "dict[str, Any]", body: bytes) -> None:
        self.entry = (entry, body)


class _Ear:
    """Collects a response's raw body, and reports it once."""

    def __init__(self, module: Any, response: Any, write: Any) -> None:
        self._module = module
        self._status = response.status_code
        self._headers = {k: response.headers[k] for k in KEPT_HEADERS if k in response.headers}
        self._encoding = response.headers.get("content-encoding")
        self._chunks: list[bytes] = []
        self._write = write

    def hear(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def end(self, broken: "str | None" = None) -> None:
        write, self._write = self._write, None
        if write is None:
            return
        raw = b"".join(self._chunks)
        if self._encoding:
            try:
                coded = {"content-encoding": self._encoding}
                raw = self._module.Response(200, headers=coded, content=raw).content
            except Exception as error:
                broken = broken or _named(error)
        entry = {"status": self._status, "headers": self._headers, "broken": broken}
        write({k: v for k, v in entry.items() if v is not None}, raw)


def _sync_tee(module: Any, response: Any, write: Any) -> Any:
    ear, inner = _Ear(module, response, write), response.stream

    class Tee(module.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> "Iterator[bytes]":
            try:
                for chunk in inner:
                    ear.hear(chunk)
                    yield chunk
            except Exception as error:
                ear.end(_named(error))
                raise
            ear.end()

        def close(self) -> None:
            ear.end()
            inner.close()

    return Tee()


def _async_tee(module: Any, response: Any, write: Any) -> Any:
    ear, inner = _Ear(module, response, write), response.stream

    class Tee(module.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> "AsyncIterator[bytes]":
            try:
                async for chunk in inner:
                    ear.hear(chunk)
                    yield chunk
            except Exception as error:
                ear.end(_named(error))
                raise
            ear.end()

        async def aclose(self) -> None:
            ear.end()
            await inner.aclose()

    return Tee()


def _answer(module: Any, client: Any, request: Any, said: Any, body: bytes, *, sync: bool) -> Any:
    """The response that butfor gives: headers, body, and where it broke off."""
    if said["do"] == "refuse":
        head = {"content-type": "application/json", "x-should-retry": "false"}
        said = {"status": 418, "headers": head}
    broken = said.get("broken")
    if not said["status"]:
        raise _error(module, broken, request)
    base = module.SyncByteStream if sync else module.AsyncByteStream

    class Given(base):  # type: ignore[misc, valid-type]
        def __iter__(self) -> "Iterator[bytes]":
            yield body
            if broken:
                raise _error(module, broken, request)

        async def __aiter__(self) -> "AsyncIterator[bytes]":
            yield body
            if broken:
                raise _error(module, broken, request)

    response = module.Response(
        said["status"],
        headers=said.get("headers") or {},
        stream=Given(),
        request=request,
        extensions={"http_version": b"HTTP/1.1", "reason_phrase": b""},
    )
    response.elapsed = datetime.timedelta(0)
    response.default_encoding = getattr(client, "_default_encoding", "utf-8")
    return response


def _again(module: Any, request: Any, body: bytes) -> Any:
    """The same request with another body."""
    headers = [(k, v) for k, v in request.headers.multi_items() if k.lower() != "content-length"]
    return module.Request(request.method, request.url, headers=headers, content=body, extensions=request.extensions)


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _error(module: Any, broken: "str | None", request: Any) -> Exception:
    name, _, text = (broken or "").partition(": ")
    kind = getattr(module, name, None)
    if not isinstance(kind, type) or not issubclass(kind, module.RequestError):
        kind = module.ReadError
    return kind(text, request=request)  # type: ignore[no-any-return]
