"""One call of a running program while it is being answered: `Exchange`."""

import base64
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from butfor.cache.apis import CUT, GARBAGE, Body, Codec, heard
from butfor.cache.apis.reply import JSON_TYPE, Reply
from butfor.cache.call import Call, Completion, Message
from butfor.cache.errors import ProviderError
from butfor.replay.inside.line import frame, read_frame

from .acts import tool_completion
from .same import recognised
from .whole_answer import lacking

_ATTEMPTS = 3
_LONGEST_WAIT_SECONDS = 30.0
_AGAIN = frozenset({0, 408, 409, 429, 500, 502, 503, 504, 529})


class Line(Protocol):
    """The connection on which a call came."""

    def read(self, length: int, /) -> bytes:
        """So many bytes."""
        ...

    def readline(self) -> bytes:
        """A line with its end."""
        ...

    def write(self, data: bytes, /) -> object:
        """Send all of it."""
        ...

    def hung_up(self, seconds: float) -> None:
        """Wait until the other side has closed, for so long at most."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Exchange:
    """A call, the connection on which it came, and the program's own way to answer it: the `Asker` of its call."""

    def __init__(
        self,
        line: Line,
        head: dict[str, Any],
        call: Call,
        *,
        codec: Codec | None = None,
        body: Body | None = None,
        request: bytes = b"",
        composite: bool = False,
        ignore: Sequence[str] = (),
    ) -> None:
        self.line = line
        self.head = head
        self.call = call
        """As the program asked it, nothing replaced."""
        self.asked = recognised(call, ignore).asked_by(self)
        self.codec = codec
        """`None` for a tool."""
        self.body = body or {}
        """The request's, its conversation in it."""
        self.composite = composite
        self.turn: threading.Event | None = None
        """Set when the identical call that came before this one has been counted."""
        self.done = threading.Event()
        """Set when this one has been counted."""
        self._request = request
        """The request to send where the program's own cannot be sent as it is; empty where it can."""

    @property
    def words(self) -> tuple[Message, ...]:
        """The messages as the program wrote them."""
        return self.call.messages

    def counted(self) -> None:
        """Let the next identical call be looked up."""
        self.done.set()

    def live(self) -> Completion:
        """Let the program ask its own model, or run its own tool, and hear what comes back.

        Raises:
            ProviderError: three attempts failed.
        """
        self.counted()
        return self._ran() if self.codec is None else self._sent(self.codec)

    def say(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Tell the program something."""
        self.line.write(frame(head, body))

    def hung_up(self, seconds: float) -> None:
        """Wait until the program has taken its answer, for so long at most."""
        self.line.hung_up(seconds)

    def _sent(self, codec: Codec) -> Completion:
        do: dict[str, Any] = {"do": "live"}
        for attempt in range(_ATTEMPTS):
            self.say(do, self._request)
            said, body = read_frame(self.line)
            reply = _reply(said, body)
            found = heard(codec, reply)
            wrong = lacking(reply)
            if found.finish_reason not in (GARBAGE, CUT) and wrong is None:
                return found
            if reply.status not in _AGAIN and wrong is None:
                break
            do = {"do": "wait", "seconds": _pause(reply, attempt)}
        what = wrong or reply.broken or f"{reply.status}: {' '.join(reply.body.split())[:300]}"
        raise ProviderError(
            f"{self.call.agent} ({self.call.model}) was asked live at "
            f"{self.head['host']}:{self.head['port']}, and answered {what}; correct that, or let "
            "another model answer (swap=AGENT=provider:model)"
        )

    def _ran(self) -> Completion:
        self.say({"do": "run"})
        _, told = read_frame(self.line)
        return tool_completion(Reply(headers={"content-type": JSON_TYPE}, body=told.decode()))


def _reply(said: Mapping[str, Any], body: bytes) -> Reply:
    try:
        text, coded = body.decode(), False
    except UnicodeDecodeError:
        text, coded = base64.b64encode(body).decode(), True
    headers = said.get("headers") or {}
    return Reply(status=said["status"], headers=headers, body=text, base64=coded, broken=said.get("broken"))


def _pause(reply: Reply, attempt: int) -> float:
    after = reply.headers.get("retry-after", "")
    seconds = float(after) if after.replace(".", "", 1).isdigit() else 0.5 * 2**attempt
    return min(seconds, _LONGEST_WAIT_SECONDS)
