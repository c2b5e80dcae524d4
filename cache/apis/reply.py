"""What a server sent back, as it came over the wire: `Reply`."""

import base64
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zlib import crc32

from pydantic import Field

from butfor.cache.call import Frozen

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream"
LINES_TYPE = "application/x-ndjson"
FRAMES_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE_BYTES = 12
_TEXT_HEADER = 7
_END = re.compile(r"(?:^|[\r\n])data:[ \t]*\[DONE\][ \t]*(?:[\r\n]|$)")
"""The mark itself, on a line of its own: an answer's text may quote it."""


class Reply(Frozen):
    """One HTTP response, without the headers that a client has no use for."""

    status: int = 200
    """0 where the connection failed before there was one."""
    headers: Mapping[str, str] = Field(default_factory=dict)
    """Names in lower case; never a cookie."""
    body: str = ""
    """Decompressed; base64 where it is not UTF-8."""
    base64: bool = False
    broken: str | None = None
    """What cut it short, as `ErrorClass: message` of the client library."""

    @property
    def failed(self) -> bool:
        """Whether a client sees an error."""
        return self.broken is not None or not 200 <= self.status < 400

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return base64.b64decode(self.body) if self.base64 else self.body.encode(errors="surrogatepass")

    @property
    def streamed(self) -> bool:
        """Whether the body is a stream of events; servers say so, and where they do not, the body does."""
        kind = self.headers.get("content-type", "")
        if kind.startswith((SSE_TYPE, LINES_TYPE, FRAMES_TYPE)) or self._looks_like_events:
            return True
        # Gemini streams one array, bit by bit, where it is asked for no events; no API answers with an array
        return not self.base64 and (self.body.lstrip().startswith("[") or _several(self.body))

    @property
    def closed(self) -> bool:
        """Whether a stream of server-sent events came to the mark of its end."""
        return self._looks_like_events and _END.search(self.body) is not None

    @property
    def _looks_like_events(self) -> bool:
        return self.body.lstrip("\ufeff \t\r\n").startswith(("data:", "event:", "id:", "retry:", ":"))

    def values(self) -> list[Any]:
        """The JSON values of the body: of each event of a stream, else the one.

        Raises:
            ValueError: the body is not JSON.
        """
        kind = self.headers.get("content-type", "")
        if kind.startswith(FRAMES_TYPE):
            return [json.loads(payload) for payload in _payloads(self.content) if payload]
        if self.base64:
            raise ValueError("the body is no text")
        if self._looks_like_events:
            return list(_events(self.body))
        if kind.startswith(LINES_TYPE):
            return _lines(self.body)
        # a server may label a stream of lines as anything
        return _lines(self.body) if _several(self.body) else [json.loads(self.body)]


def json_reply(value: object) -> Reply:
    """A value as a JSON response."""
    return Reply(headers={"content-type": JSON_TYPE}, body=json.dumps(value))


def lines_reply(values: list[dict[str, Any]]) -> Reply:
    """Values as a stream of JSON lines."""
    return Reply(headers={"content-type": LINES_TYPE}, body="".join(f"{json.dumps(v)}\n" for v in values))


def events_reply(values: list[dict[str, Any]], *, named: bool, end: str = "") -> Reply:
    """Values as server-sent events, named by their `type` where the API does so."""
    events = ((f"event: {v['type']}\n" if named else "") + f"data: {json.dumps(v)}\n\n" for v in values)
    return Reply(headers={"content-type": SSE_TYPE}, body="".join(events) + end)


def frames_reply(events: Iterable[tuple[str, dict[str, Any]]]) -> Reply:
    """Named values as Amazon's binary event stream."""
    content = b"".join(_frame(name, json.dumps(value).encode()) for name, value in events)
    return Reply(headers={"content-type": FRAMES_TYPE}, body=base64.b64encode(content).decode(), base64=True)


def _events(body: str) -> Iterator[Any]:
    """The JSON of each server-sent event; comments, empty events and `[DONE]` are passed over."""
    for event in body.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:")]
        text = "\n".join(lines)
        if text.strip() and text.strip() != "[DONE]":
            yield json.loads(text)


def _lines(body: str) -> list[Any]:
    """The JSON value of each line."""
    return [json.loads(line) for line in re.split(r"[\r\n]+", body) if line.strip()]


def _several(body: str) -> bool:
    """Whether a body is a stream of JSON lines."""
    try:
        json.loads(body)
    except ValueError:
        try:
            return len(_lines(body)) > 1
        except ValueError:
            return False
    return False


def _payloads(content: bytes) -> Iterator[bytes]:
    """The payloads of an event stream's frames; a frame that was cut short ends it."""
    at = 0
    while at + _PRELUDE_BYTES <= len(content):
        total, headers = struct.unpack_from(">II", content, at)
        if total < _PRELUDE_BYTES + headers + 4 or at + total > len(content):
            return
        yield content[at + _PRELUDE_BYTES + headers : at + total - 4]
        at += total


def _frame(name: str, payload: bytes) -> bytes:
    fields = {":event-type": name, ":content-type": JSON_TYPE, ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(key)) + key.encode() + struct.pack(">BH", _TEXT_HEADER, len(value)) + value.encode()
        for key, value in fields.items()
    )
    total = _PRELUDE_BYTES + len(headers) + len(payload) + 4
    prelude = struct.pack(">II", total, len(headers))
    whole = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", crc32(whole))
