"""A real HTTP server on the loopback address that answers, or fails, as a test tells it to."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, NamedTuple

Fault = Literal["half", "reset", "silent"]
"""Send half of the body and close; reset the connection; say nothing until the server is closed."""


class Request(NamedTuple):
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class Reply(NamedTuple):
    """What the server sends back: text as it is, anything else as JSON."""

    body: object = ""
    status: int = 200
    headers: Mapping[str, str] = {}
    fault: Fault | None = None

    @property
    def bytes(self) -> bytes:
        """The body on the wire."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Server:
    """Answers the n-th request with the n-th reply, and later ones with the last; a function makes it."""

    def __init__(self, *replies: Reply | Callable[[Request], Reply]) -> None:
        self._replies = replies
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self.requests: list[Request] = []
        self._http = _Http(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def reply(self, request: Request) -> Reply:
        """The reply that is due."""
        with self._lock:
            due = self._replies[min(len(self.requests), len(self._replies) - 1)]
            self.requests.append(request)
        return due(request) if not isinstance(due, Reply) else due

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128


def unused_port() -> int:
    """A port of the loopback address on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.reply(Request(self.command, self.path, headers, text))
            if reply.fault == "silent":
                server.closing.wait()
            elif reply.fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self._send(reply)

        do_GET = do_POST  # noqa: N815

        def _send(self, reply: Reply) -> None:
            body = reply.bytes
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if reply.fault == "half" else body)

        def log_message(self, *_: object) -> None:
            """Tests read `requests` instead."""

    return Handler
