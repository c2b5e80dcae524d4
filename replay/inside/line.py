"""The connection between a program and butfor: a JSON line with a length, then so many bytes, either way.

Both sides load this module. What the program's side does is written once, as coroutines: asynchronous code awaits
them, synchronous code drives them by hand with `now`, and then nothing in them ever waits.
"""

import json
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any, Protocol

_LONGEST_LINE = 2**26
_LONG_SECONDS = 86_400


def now(coroutine: "Coroutine[Any, Any, Any]") -> Any:
    """What a coroutine that never suspends comes to.

    Raises:
        RuntimeError: it suspends, so that only an event loop can run it.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("butfor: synchronous code was to wait for an event loop")


async def awaited(found: Any, *, loop: bool) -> Any:
    """What the function of a library comes to, its asynchronous form (`loop`) or the other."""
    return await found if loop else found


async def forever(*, loop: bool) -> None:
    """Wait to be cancelled, as nobody does in synchronous code."""
    if loop and _asyncio_runs():
        await sys.modules["asyncio"].sleep(_LONG_SECONDS)
    elif loop and "trio" in sys.modules:
        await sys.modules["trio"].sleep(_LONG_SECONDS)


def frame(head: "dict[str, Any]", body: bytes) -> bytes:
    """One message on the line."""
    return json.dumps({**head, "length": len(body)}).encode() + b"\n" + body


class Readable(Protocol):
    """What a message is read from."""

    def readline(self) -> bytes: ...

    def read(self, length: int, /) -> bytes: ...


def read_frame(file: Readable) -> "tuple[dict[str, Any], bytes]":
    """The next message.

    Raises:
        ConnectionError: the other side is gone.
    """
    head = _head(file.readline())
    return head, file.read(head["length"])


class _Ends(Protocol):
    """The ways to read and write that the two sorts of code have."""

    async def said(self, message: bytes) -> "tuple[dict[str, Any], bytes]": ...

    async def sleep(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class Line:
    """The program's side of one call."""

    def __init__(self, ends: _Ends) -> None:
        self._ends = ends

    @classmethod
    async def opened(cls, path: str, *, loop: bool) -> "Line":
        """A new connection; with `loop`, one that does not hold up the event loop, where asyncio runs one."""
        if loop and _asyncio_runs():
            asyncio = sys.modules["asyncio"]
            return cls(_Streams(*await asyncio.open_unix_connection(path, limit=_LONGEST_LINE)))
        return cls(_Blocking(path))

    async def ask(self, head: "dict[str, Any]", body: bytes) -> "tuple[dict[str, Any], bytes]":
        """Say something, and wait for the answer."""
        return await self._ends.said(frame(head, body))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._ends.sleep(seconds)

    def close(self) -> None:
        """Hang up."""
        self._ends.close()


class _Blocking:
    """A socket that is waited for."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")

    async def said(self, message: bytes) -> "tuple[dict[str, Any], bytes]":
        self._socket.sendall(message)
        return read_frame(self._file)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class _Streams:
    """The streams of asyncio."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self._reader, self._writer = reader, writer

    async def said(self, message: bytes) -> "tuple[dict[str, Any], bytes]":
        self._writer.write(message)
        await self._writer.drain()
        head = _head(await self._reader.readline())
        return head, await self._reader.readexactly(head["length"])

    async def sleep(self, seconds: float) -> None:
        await sys.modules["asyncio"].sleep(seconds)

    def close(self) -> None:
        self._writer.close()


def _head(line: bytes) -> "dict[str, Any]":
    if not line.endswith(b"\n"):
        raise ConnectionError("butfor's side of the line is gone")
    head: dict[str, Any] = json.loads(line)
    return head


def _asyncio_runs() -> bool:
    asyncio = sys.modules.get("asyncio")  # a program that does without it need not wait for its import
    try:
        return asyncio is not None and asyncio.get_running_loop() is not None
    except RuntimeError:
        return False
