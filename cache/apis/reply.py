"""What a server sent back, as it came over the wire: `Reply`."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from butfor.cache.call import Frozen

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream"
LINES_TYPE = "application/x-ndjson"

_DATA = "data:"


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
        return base64.b64decode(self.body) if self.base64 else self.body.encode()

    @property
    def streamed(self) -> bool:
        """Whether the body is a stream of events."""
        kind = self.headers.get("content-type", "")
        return kind.startswith(("text/event-stream", "application/x-ndjson"))

    def values(self) -> list[Any]:
        """The JSON values of the body: of each event of a stream, else the one.

        Raises:
            ValueError: the body is not JSON.
        """
        if not self.streamed:
            return [json.loads(self.body)]
        if self.headers["content-type"].startswith(LINES_TYPE):
            return [json.loads(line) for line in self.body.splitlines() if line.strip()]
        data = (_event_data(event) for event in self.body.replace("\r\n", "\n").split("\n\n"))
        return [json.loads(text) for text in data if text and text != "[DONE]"]


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


def _event_data(event: str) -> str:
    lines = (line.removeprefix(_DATA) for line in event.split("\n") if line.startswith(_DATA))
    return "\n".join(line.removeprefix(" ") for line in lines)
