"""The way in for programs in other languages: a loopback server in the place of the models' addresses.

A program is pointed at it by the variables that clients read (`OPENAI_BASE_URL`, `ANTHROPIC_BASE_URL`,
`OLLAMA_HOST`). It records what passes, or answers as butfor says, with the same calls and keys as the
interceptor; of the agents it sees only the header `x-butfor-agent`, or else their system prompts.
"""

import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from butfor.replay.inside.asked import KEPT_HEADERS, PATHS, asks
from butfor.replay.inside.identity import HEADER
from butfor.replay.inside.line import Line, now
from butfor.replay.inside.tape import Tape, as_text

_HOP = frozenset({"host", "connection", "content-length", "accept-encoding", "transfer-encoding", HEADER})
_UPSTREAM_SECONDS = 600.0


class _Service(NamedTuple):
    variable: str
    address: str
    path: str


_SERVICES = {
    "openai": _Service("OPENAI_BASE_URL", "https://api.openai.com/v1", "/v1"),
    "anthropic": _Service("ANTHROPIC_BASE_URL", "https://api.anthropic.com", ""),
    "ollama": _Service("OLLAMA_HOST", "http://127.0.0.1:11434", ""),
}


class Proxy:
    """Stands between a program and its models while it is entered.

    With `tape` it forwards and records; with `socket` it asks butfor, and forwards what butfor lets through.
    """

    def __init__(
        self,
        *,
        tape: Path | None = None,
        socket: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._tape = tape
        self._socket = socket
        given = os.environ if environment is None else environment
        self._upstream = {name: _address(given.get(s.variable) or s.address) for name, s in _SERVICES.items()}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self._server.server_port

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a program here."""
        base = f"http://127.0.0.1:{self._server.server_port}"
        return {s.variable: f"{base}/{name}{s.path}" for name, s in _SERVICES.items()}

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> "Passed":
        """The response to one request of the program."""
        service, _, rest = path.lstrip("/").partition("/")
        if service not in self._upstream:
            return Passed({"status": 404, "headers": {}}, f"no model's API is at {path}".encode())
        upstream = self._upstream[service]
        rest = f"/{rest}".removeprefix(_SERVICES[service].path)
        request = _Request(method, f"{upstream}{rest}", {k: v for k, v in headers.items() if k not in _HOP})
        if method != "POST" or not PATHS.search(rest.partition("?")[0]) or not asks(body):
            return request.sent(body) if self._socket is None else Passed({"status": 404, "headers": {}}, b"")
        head = {
            "kind": "llm", "agent": headers.get(HEADER), "basis": "explicit" if headers.get(HEADER) else None,
            "host": upstream.partition("//")[2].partition("/")[0], "port": "", "path": rest.partition("?")[0],
            "retry": 0, "inside": None, "started": time.time(),
        }  # fmt: skip
        if self._socket is not None:
            return self._asked(self._socket, request, head, body)
        passed = request.sent(body)
        entry = {**head, **as_text("request", body), **passed.head, **as_text("body", passed.body)}
        Tape.of(str(self._tape)).append({**entry, "ended": time.time()})
        return passed

    def _asked(self, socket: str, request: "_Request", head: dict[str, Any], body: bytes) -> "Passed":
        line = now(Line.opened(socket, loop=False))
        said, given = now(line.ask(head, body))
        while said["do"] in ("live", "wait"):
            time.sleep(said.get("seconds", 0))
            passed = request.sent(given or body)
            said, given = now(line.ask(passed.head, passed.body))
        line.close()
        if said["do"] == "refuse":
            return Passed({"status": 418, "headers": {"x-should-retry": "false"}}, str(said["why"]).encode())
        return Passed(said, given)


class Passed(NamedTuple):
    """A response: its status, the headers that matter, what broke it off, and its body."""

    head: dict[str, Any]
    body: bytes


class _Request(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]

    def sent(self, body: bytes) -> Passed:
        """What the model's own server answers."""
        data = body if self.method == "POST" else None
        request = urllib.request.Request(self.url, data, self.headers, method=self.method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_UPSTREAM_SECONDS) as response:  # noqa: S310
                return Passed({"status": response.status, "headers": _kept(response.headers)}, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Passed({"status": error.code, "headers": _kept(error.headers)}, error.read())
        except http.client.IncompleteRead as error:
            broken = f"RemoteProtocolError: {error}"
            return Passed({"status": 200, "headers": {}, "broken": broken}, error.partial)
        except OSError as error:
            return Passed({"status": 0, "headers": {}, "broken": f"ConnectError: {error}"}, b"")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            passed = proxy.answer(self.command, self.path, headers, _body(self))
            if not passed.head["status"] or passed.head.get("broken"):
                self.close_connection = True
            if not passed.head["status"]:
                return
            self.send_response(passed.head["status"])
            for name, value in passed.head["headers"].items():
                self.send_header(name, value)
            cut_short = bool(passed.head.get("broken"))
            self.send_header("content-length", str(len(passed.body) + cut_short))
            self.end_headers()
            self.wfile.write(passed.body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """The recording says it all."""

    return Handler


def _body(request: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, in chunks or of a length that was told."""
    if "chunked" not in (request.headers.get("transfer-encoding") or "").lower():
        return request.rfile.read(int(request.headers.get("content-length") or 0))
    parts = []
    while size := int(request.rfile.readline().partition(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass  # trailers
    return b"".join(parts)


def _address(url: str) -> str:
    return (url if "://" in url else f"http://{url}").rstrip("/")


def _kept(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in KEPT_HEADERS if headers[name] is not None}
