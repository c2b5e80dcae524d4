"""aiohttp: `ClientSession._request`, through which every request of a session goes.

A response of butfor's is a real one, read by aiohttp itself from a socket of this process.
"""

import functools
import os
import sys
from typing import Any

from ..asked import Ear, asked, asks, ours, response
from .whole import Url, Whole, content, heard, plain


def _wrap(module: Any) -> None:
    original = module.ClientSession._request

    @functools.wraps(original)
    async def request(session: Any, method: str, url: Any, **options: Any) -> Any:
        where = session._build_url(url)
        json = options.get("json")
        data = content(session._json_serialize(json) if json is not None else options.get("data"))
        if data is None or not ours(method.upper(), where.path) or not asks(data):
            return await original(session, method, url, **options)
        headers = plain({**session.headers, **dict(options.get("headers") or {})})
        strict = options.pop("raise_for_status", None)
        ask = _Request(module, original, session, url, data, options)
        to = Url(where.scheme, where.host or "", where.port, where.path)
        found = await response(ask, asked(headers, to, data))
        found = await ask.built(found) if isinstance(found, Whole) else found
        strict = session._raise_for_status if strict is None else strict
        if strict:
            await strict(found) if callable(strict) else found.raise_for_status()
        return found

    module.ClientSession._request = request


class _Request:
    """One request of aiohttp."""

    loop = True

    def __init__(self, module: Any, send: Any, session: Any, url: Any, data: bytes, options: "dict[str, Any]") -> None:
        self._module, self._send, self._session, self._url = module, send, session, url
        self._data, self._options = data, options

    async def sent(self, body: bytes, ear: Ear) -> Any:
        options = {k: v for k, v in self._options.items() if k not in ("json", "data")}
        headers = {k: v for k, v in dict(options.pop("headers", None) or {}).items() if k.lower() != "content-length"}
        if "json" in self._options and "content-type" not in {name.lower() for name in headers}:
            headers["content-type"] = "application/json"
        sending = self._send(self._session, "POST", self._url, **options, headers=headers, data=body or self._data)
        found = await sending
        said: dict[str, Any] = {"status": found.status, "headers": plain(found.headers)}
        try:
            data = await found.read()
        except self._module.ClientError as error:
            data, said["broken"] = b"", f"{type(error).__name__}: {error}"
        except BaseException as error:
            ear.begins(found.status, said["headers"], bytes).broke(error)
            raise
        return self._again(found, heard(ear, Whole(said, data)))

    async def drained(self, response: Any) -> None:
        """It has been read."""

    def given(self, said: "dict[str, Any]", body: bytes) -> Whole:
        if not said["status"]:
            raise self._error(said.get("broken"), self._module.ClientConnectionError)
        return Whole(said, body)

    async def built(self, whole: Whole) -> Any:
        """A response as aiohttp reads it."""
        import shutil
        import tempfile

        folder = tempfile.mkdtemp(prefix="butfor-")
        path = os.path.join(folder, "answer")

        async def answer(reader: Any, writer: Any) -> None:
            await reader.readuntil(b"\r\n\r\n")
            headers = {**(whole.said.get("headers") or {}), "content-length": str(len(whole.body))}
            lines = [f"HTTP/1.1 {whole.said['status']} ", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
            writer.write("\r\n".join(lines).encode("latin-1", "replace") + whole.body)
            await writer.drain()
            writer.close()

        try:
            async with await sys.modules["asyncio"].start_unix_server(answer, path):
                connector = self._module.UnixConnector(path)
                async with self._module.ClientSession(connector=connector, auto_decompress=False) as session:
                    found = await self._send(session, "POST", self._session._build_url(self._url))
                    await found.read()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self._again(found, whole)

    def _again(self, found: Any, whole: Whole) -> Any:
        """A response whose body can be read once more, and breaks off where it did."""
        loop = sys.modules["asyncio"].get_running_loop()
        protocol = self._module.client_proto.ResponseHandler(loop=loop)
        found.content = self._module.StreamReader(protocol, 2**16, loop=loop)
        found.content.feed_data(whole.body)
        if whole.said.get("broken"):
            found.content.set_exception(self._error(whole.said["broken"], self._module.ClientPayloadError))
        else:
            found.content.feed_eof()
        found._body = None
        return found

    def _error(self, broken: "str | None", otherwise: Any) -> Exception:
        name, _, text = (broken or "").partition(": ")
        kind = getattr(self._module, name, None)
        fits = isinstance(kind, type) and issubclass(kind, self._module.ClientError)
        try:
            return kind(text) if fits else otherwise(text)  # type: ignore[misc, no-any-return]
        except TypeError:  # made from more than a text
            return otherwise(text)  # type: ignore[no-any-return]


HOOKS = {"aiohttp": _wrap}
