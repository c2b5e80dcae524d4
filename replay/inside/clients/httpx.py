"""httpx and httpx2: `Client.send` and `AsyncClient.send`."""

import datetime
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ..asked import Ear, asked, asks, is_cancelled, is_sending, known, ours, response
from ..line import awaited, forever, now
from ..settings import MODE, setting
from ..unseen import note


def _wrap(module: Any) -> None:
    for kind, loop in ((module.Client, False), (module.AsyncClient, True)):
        kind.send = _wrapped(module, kind.send, loop=loop)


def _wrapped(module: Any, original: Any, *, loop: bool) -> Any:
    async def sent(client: Any, request: Any, **options: Any) -> Any:
        if not ours(request.method, request.url.path):
            _count(module, request)
            with known():
                return await awaited(original(client, request, **options), loop=loop)
        body = await awaited(request.aread() if loop else request.read(), loop=loop)
        if not asks(body):
            with known():
                return await awaited(original(client, request, **options), loop=loop)
        stream = options.pop("stream", False)
        http = _Http(module, original, client, request, options, loop=loop)
        found = await response(http, asked(request.headers, request.url, body))
        return found if stream else await http.read(found)

    @functools.wraps(original)
    def send(client: Any, request: Any, **options: Any) -> Any:
        coroutine = sent(client, request, **options)
        return coroutine if loop else now(coroutine)

    return send


def _count(module: Any, request: Any) -> None:
    """Note a question to a model in a form that is not known."""
    if setting(MODE) != "record" or request.method != "POST" or is_sending():
        return
    try:
        body = request.content
    except module.RequestNotRead:
        return
    if asks(body):
        note(str(request.url.host), request.url.port or {"http": 80}.get(request.url.scheme, 443))


class _Http:
    """One request of httpx."""

    def __init__(self, module: Any, send: Any, client: Any, request: Any, options: Any, *, loop: bool) -> None:
        self.loop = loop
        self._module, self._send, self._client = module, send, client
        self._request, self._options = request, options

    async def read(self, found: Any) -> Any:
        """The response, its body read."""
        try:
            await awaited(found.aread() if self.loop else found.read(), loop=self.loop)
        except BaseException:
            await self._closed(found)
            raise
        return found

    async def drained(self, found: Any) -> None:
        await self.read(found)
        await self._closed(found)

    async def _closed(self, found: Any) -> None:
        await awaited(found.aclose() if self.loop else found.close(), loop=self.loop)

    async def sent(self, body: bytes, ear: Ear) -> Any:
        request = self._again(body) if body else self._request
        going = self._send(self._client, request, **{**self._options, "stream": True})
        found = await awaited(going, loop=self.loop)
        coded = {k: v for k, v in found.headers.items() if k == "content-encoding"}

        def decoded(raw: bytes) -> bytes:
            return self._module.Response(200, headers=coded, content=raw).content if coded else raw

        found.stream = self._tee(found.stream, ear.begins(found.status_code, found.headers, decoded))
        return found

    def _again(self, body: bytes) -> Any:
        """The same request with another body."""
        old = self._request
        headers = [(k, v) for k, v in old.headers.multi_items() if k.lower() != "content-length"]
        return self._module.Request(old.method, old.url, headers=headers, content=body, extensions=old.extensions)

    def _tee(self, inner: Any, ear: Ear) -> Any:
        class Tee(self._module.SyncByteStream, self._module.AsyncByteStream):  # type: ignore[misc, name-defined]
            def __iter__(self) -> "Iterator[bytes]":
                with ear:
                    for chunk in inner:
                        yield ear.hears(chunk)

            async def __aiter__(self) -> "AsyncIterator[bytes]":
                with ear:
                    async for chunk in inner:
                        yield ear.hears(chunk)

            def close(self) -> None:
                ear.ends()
                inner.close()

            async def aclose(self) -> None:
                ear.ends()
                await inner.aclose()

        return Tee()

    def given(self, said: "dict[str, Any]", body: bytes) -> Any:
        broken = said.get("broken")
        if not said["status"]:
            raise self._error(broken)
        error = self._error(broken) if broken else None
        given_up, loop = is_cancelled(said), self.loop

        class Given(self._module.SyncByteStream, self._module.AsyncByteStream):  # type: ignore[misc, name-defined]
            def __iter__(self) -> "Iterator[bytes]":
                yield body
                if error:
                    raise error

            async def __aiter__(self) -> "AsyncIterator[bytes]":
                yield body
                if given_up:
                    await forever(loop=loop)
                if error:
                    raise error

        found = self._module.Response(
            said["status"],
            headers=said.get("headers") or {},
            stream=Given(),
            request=self._request,
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": b""},
        )
        found.elapsed = datetime.timedelta(0)
        found.default_encoding = getattr(self._client, "_default_encoding", "utf-8")
        return found

    def _error(self, broken: "str | None") -> Exception:
        name, _, text = (broken or "").partition(": ")
        kind = getattr(self._module, name, None)
        if not isinstance(kind, type) or not issubclass(kind, self._module.RequestError):
            kind = self._module.ReadError
        return kind(text, request=self._request)  # type: ignore[no-any-return]


HOOKS = {"httpx": _wrap, "httpx2": _wrap}
