"""urllib3, and so requests and botocore: `HTTPConnectionPool.urlopen`."""

import functools
import io
import sys
from typing import Any

from ..asked import Ear, asked, asks, ours, response
from ..line import now
from .whole import Url, Whole, content, heard, path_of, plain


def _wrap(module: Any) -> None:
    original = module.HTTPConnectionPool.urlopen

    @functools.wraps(original)
    def urlopen(
        pool: Any, method: str, url: str, body: Any = None, headers: Any = None, *rest: Any, **more: Any
    ) -> Any:
        data = content(body)
        if data is None or rest or not ours(method, path_of(url)) or not asks(data):
            return original(pool, method, url, body, headers, *rest, **more)
        request = _Request(original, pool, url, headers, data, more)
        where = Url(pool.scheme or "http", pool.host, pool.port, path_of(url))
        return request.response(now(response(request, asked(plain(headers), where, data))))

    module.HTTPConnectionPool.urlopen = urlopen


class _Request:
    """One request of urllib3."""

    loop = False

    def __init__(self, send: Any, pool: Any, url: str, headers: Any, data: bytes, options: "dict[str, Any]") -> None:
        self._send, self._pool, self._url, self._headers = send, pool, url, headers
        self._data, self._options = data, options

    async def sent(self, body: bytes, ear: Ear) -> Whole:
        headers = dict(self._headers or {})
        if body:
            headers = {name: value for name, value in headers.items() if str(name).lower() != "content-length"}
        options = {**self._options, "preload_content": False, "decode_content": True}
        found = self._send(self._pool, "POST", self._url, body or self._data, headers, **options)
        said = {"status": found.status, "headers": plain(found.headers)}
        try:
            data = found.read(decode_content=True)
        except Exception as error:
            data, said["broken"] = b"", f"{type(error).__name__}: {error}"
        finally:
            found.release_conn()
        return heard(ear, Whole(said, data))

    async def drained(self, response: Whole) -> None:
        """It has been read."""

    def given(self, said: "dict[str, Any]", body: bytes) -> Whole:
        if not said["status"]:
            raise _errors().ProtocolError("Connection aborted.", ConnectionError(said.get("broken") or ""))
        return Whole(said, body)

    def response(self, whole: Whole) -> Any:
        """What the library gives."""
        module = sys.modules["urllib3.response"]
        return module.HTTPResponse(
            body=_Body(whole.body, whole.said.get("broken")),
            headers=whole.said.get("headers") or {},
            status=whole.said["status"],
            version=11,
            preload_content=self._options.get("preload_content", True),
            decode_content=self._options.get("decode_content", True),
            request_method="POST",
            request_url=self._url,
        )


class _Body(io.BytesIO):
    """A body that may break off at its end."""

    def __init__(self, body: bytes, broken: "str | None") -> None:
        super().__init__(body)
        self._broken = broken

    def read(self, size: "int | None" = -1, /) -> bytes:
        found = super().read(size)
        if self._broken and (not found or size is None or size < 0):
            raise _errors().ProtocolError(self._broken)
        return found


def _errors() -> Any:
    return sys.modules["urllib3.exceptions"]


HOOKS = {"urllib3.connectionpool": _wrap}
