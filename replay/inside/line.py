"""The connection between a program and butfor: a JSON line with a length, then so many bytes, either way.

This module needs nothing but the standard library: both sides load it.
"""

import asyncio
import json
import socket
from typing import Any, BinaryIO


def frame(head: "dict[str, Any]", body: bytes) -> bytes:
    """One message on the line."""
    return json.dumps({**head, "length": len(body)}).encode() + b"\n" + body


def read_frame(file: BinaryIO) -> "tuple[dict[str, Any], bytes]":
    """The next message.

    Raises:
        ConnectionError: the other side is gone.
    """
    first = file.readline()
    if not first.endswith(b"\n"):
        raise ConnectionError("butfor's side of the line is gone")
    head = json.loads(first)
    return head, file.read(head["length"])


class Line:
    """The program's side, for synchronous code."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")

    def ask(self, head: "dict[str, Any]", body: bytes) -> "tuple[dict[str, Any], bytes]":
        """Say something, and wait for the answer."""
        self._socket.sendall(frame(head, body))
        return read_frame(self._file)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


class AsyncLine:
    """The program's side, for asyncio; where another event loop runs, it waits as synchronous code does."""

    def __init__(self, streams: "tuple[asyncio.StreamReader, asyncio.StreamWriter] | Line") -> None:
        self._streams = streams

    @classmethod
    async def opened(cls, path: str) -> "AsyncLine":
        """A new connection."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return cls(Line(path))
        return cls(await asyncio.open_unix_connection(path))

    async def ask(self, head: "dict[str, Any]", body: bytes) -> "tuple[dict[str, Any], bytes]":
        """Say something, and wait for the answer without holding up the event loop."""
        if isinstance(self._streams, Line):
            return self._streams.ask(head, body)
        reader, writer = self._streams
        writer.write(frame(head, body))
        await writer.drain()
        first = await reader.readuntil(b"\n") if not reader.at_eof() else b""
        if not first:
            raise ConnectionError("butfor's side of the line is gone")
        said = json.loads(first)
        return said, await reader.readexactly(said["length"])

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if not isinstance(self._streams, Line):
            await asyncio.sleep(seconds)

    def close(self) -> None:
        """Hang up."""
        self._streams.close() if isinstance(self._streams, Line) else self._streams[1].close()
