"""http.client, and so urllib: `HTTPConnection.request` and `getresponse`."""

import functools
import io
import zlib
from typing import Any

from ..asked import Ear, asked, asks, ours, response
from ..line import now
from .whole import Url, Whole, content, heard, path_of, plain

_ANSWER = "_butfor_answer"


def _unzipped(data: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data)


_CODINGS = {"gzip": _unzipped, "deflate": _unzipped}


def _wrap(module: Any) -> None:
    request, getresponse = module.HTTPConnection.request, module.HTTPConnection.getresponse

    @functools.wraps(request)
    def ask(connection: Any, method: str, url: str, body: Any = None, headers: Any = {}, **more: Any) -> None:  # noqa: B006
        data = content(body)
        if data is None or not ours(method, path_of(url)) or not asks(data):
            return request(connection, method, url, body, headers, **more)  # type: ignore[no-any-return]
        ours_now = _Request(module, request, getresponse, connection, url, headers, data)
        host, port = connection._tunnel_host or connection.host, connection._tunnel_port or connection.port
        scheme = "https" if isinstance(connection, module.HTTPSConnection) else "http"
        where = Url(scheme, host, port, path_of(url))
        setattr(connection, _ANSWER, now(response(ours_now, asked(plain(headers), where, data))))
        return None

    @functools.wraps(getresponse)
    def answer(connection: Any) -> Any:
        whole = connection.__dict__.pop(_ANSWER, None)
        return getresponse(connection) if whole is None else _response(module, whole)

    module.HTTPConnection.request, module.HTTPConnection.getresponse = ask, answer


class _Request:
    """One request on a connection."""

    loop = False

    def __init__(
        self, module: Any, send: Any, receive: Any, connection: Any, url: str, headers: Any, data: bytes
    ) -> None:
        self._module = module
        self._send, self._receive, self._connection = send, receive, connection
        self._url, self._headers, self._data = url, headers, data

    async def sent(self, body: bytes, ear: Ear) -> Whole:
        headers = {k: v for k, v in dict(self._headers).items() if not body or k.lower() != "content-length"}
        self._send(self._connection, "POST", self._url, body or self._data, headers)
        found = self._receive(self._connection)
        said: dict[str, Any] = {"status": found.status, "headers": plain(dict(found.getheaders()))}
        coding = found.getheader("content-encoding")
        if coding:  # whoever asked for it takes it apart
            said["headers"]["content-encoding"] = coding
        try:
            data = found.read()
        except self._module.IncompleteRead as error:
            data, said["broken"] = error.partial, f"IncompleteRead: {error}"
        return heard(ear, Whole(said, data), decoded=_CODINGS.get(coding or "", bytes))

    async def drained(self, response: Whole) -> None:
        """It has been read."""

    def given(self, said: "dict[str, Any]", body: bytes) -> Whole:
        if not said["status"]:
            raise ConnectionResetError(said.get("broken") or "")
        return Whole(said, body)


def _response(module: Any, whole: Whole) -> Any:
    """The response as it would be read from a connection."""
    length = len(whole.body) + bool(whole.said.get("broken"))
    headers = {**(whole.said.get("headers") or {}), "content-length": str(length), "connection": "close"}
    lines = [f"HTTP/1.1 {whole.said['status']} ", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    data = "\r\n".join(lines).encode("latin-1", "replace") + whole.body
    found = module.HTTPResponse(_Socket(data), method="POST")
    found.begin()
    return found


class _Socket:
    """What a response is read from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        """All of it."""
        return io.BytesIO(self._data)


HOOKS = {"http.client": _wrap}
