"""butfor's side of a program that runs again: each of its calls is answered by a provider, over a Unix
socket.
"""

import contextlib
import json
import os
import re
import select
import shutil
import socketserver
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from butfor.cache.apis import Codec, heard, responses, rewritten
from butfor.cache.apis.reply import JSON_TYPE, Reply
from butfor.cache.call import Call, Completion, Message, ToolCall, whole
from butfor.cache.errors import ReplayError
from butfor.cache.provider import Provider
from butfor.replay.inside.line import frame, read_frame
from butfor.replay.replayed import Recording
from butfor.replay.trace import Step, Trace

from .acts import (
    Act,
    Conversations,
    cancelled,
    fingerprint,
    llm_act,
    output_text,
    question,
    seed_of,
    text_of,
    tool_question,
)
from .exchange import Exchange, Line
from .turns import Turns

_PATIENCE_SECONDS = 10.0
_ARRIVAL_SECONDS = 1.0
_CALLED = re.compile(r"([\w.-]+)\((\{.*\})\)", re.DOTALL)


class Answering:
    """Answers a program's calls until it is left; one instance serves one run.

    With `hold`, answers keep the order in which they came when they were recorded, until something was changed.
    The first error ends the run: it is kept in `error`, every further call is refused, and `failed` is set.
    """

    def __init__(self, trace: Trace, recording: Recording, provider: Provider, *, hold: bool = True) -> None:
        self.acts: list[Act] = []
        self.error: BaseException | None = None
        self.failed = threading.Event()
        self._provider = provider
        self._steps = trace.steps
        self._asked: dict[bytes, list[Step]] = {}
        for entry in recording.recorded:
            self._asked.setdefault(entry.call.content_key, []).append(trace.steps[entry.step])
        self._ignore = trace.world.ignore if trace.world else ()
        self._composites = {step.agent for step in trace.steps if step.composite}
        self._turns = Turns([trace.steps[entry.step] for entry in recording.recorded])
        if not hold:
            self._turns.free()
        self._conversations = Conversations()
        self._failures: dict[bytes, Reply] = {}
        self._last: dict[bytes, threading.Event] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.mkdtemp(prefix="butfor-")
        self.socket = str(Path(self._folder) / "line")
        self._server = _Server(self.socket, self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "Answering":
        os.chmod(self.socket, 0o600)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def arrived(self, line: Line) -> Exchange | None:
        """The one call on a connection; identical calls keep the order in which they came.

        Several may be answered at once, and only the order tells them apart.
        """
        try:
            head, body = read_frame(line)
            head = whole(head)
            if self.error is not None:
                raise ReplayError("the run has failed already")
            exchange = self._tool_exchange(line, head) if head["kind"] == "tool" else self._exchange(line, head, body)
        except (ConnectionError, TimeoutError):
            return None
        except Exception as error:
            self._fail(line, error)
            return None
        key = exchange.asked.content_key
        exchange.turn = self._last.get(key)
        self._last[key] = exchange.done
        return exchange

    def serve(self, exchange: Exchange) -> None:
        """Answer a call."""
        try:
            if exchange.turn is not None:
                exchange.turn.wait()
            self._tool(exchange) if exchange.codec is None else self._model(exchange, exchange.codec)
        except (BrokenPipeError, ConnectionError):
            return  # the program is gone, or has given the call up
        except BaseException as error:
            self._fail(exchange.line, error)
        finally:
            exchange.counted()

    def _fail(self, line: Line, error: BaseException) -> None:
        with self._lock:
            self.error = self.error or error
        self.failed.set()
        with contextlib.suppress(OSError):
            line.write(frame({"do": "refuse", "why": str(error)}, b""))

    def _exchange(self, line: Line, head: dict[str, Any], request: bytes) -> Exchange:
        asked = question(head["path"], text_of(request), self._conversations)
        call = asked.call.model_copy(update={"agent": head.get("agent") or fingerprint(asked.call)})
        changed = json.dumps(asked.body).encode() if asked.changed else b""
        return Exchange(line, head, call, codec=asked.codec, body=asked.body, request=changed, ignore=self._ignore)

    def _tool_exchange(self, line: Line, head: dict[str, Any]) -> Exchange:
        composite = head["name"] in self._composites
        return Exchange(line, head, tool_question(head), composite=composite, ignore=self._ignore)

    def _model(self, exchange: Exchange, codec: Codec) -> None:
        key = exchange.asked.content_key
        with self._lock:
            reply = self._failures.get(key)
        step, again = None, reply is not None
        if reply is None:
            completion, step = self._complete(exchange)
            reply = self._wire(exchange, codec, completion, step)
            if completion.raw is None:
                completion = heard(codec, reply).model_copy(update={"origin": completion.origin})
            if codec is responses:
                self._conversations.learn(exchange.body, reply)
            act = llm_act(exchange.head, exchange.call, completion, reply, ended=time.time(), step=step)
            with self._lock:
                self.acts.append(act)
                if reply.failed and not cancelled(
                    reply
                ):  # a client that tries again was told the same again when it was recorded
                    self._failures[key] = reply
        headers = dict(reply.headers) | ({"x-should-retry": "false"} if reply.failed else {})
        said = {"do": "answer", "status": reply.status, "headers": headers, "broken": reply.broken}
        if again:
            return exchange.say(said, reply.content)
        self._say(exchange, step, said, reply.content, wait=not cancelled(reply))
        return None

    def _complete(self, exchange: Exchange) -> tuple[Completion, Step | None]:
        """The provider's answer, and the recorded step where it is that step's."""
        try:
            completion = self._provider.complete(exchange.asked)
        finally:
            exchange.counted()
        step = None if completion.step is None else self._steps[completion.step]
        if step is not None and completion.origin == "edited" and step.output != completion.text:
            step = None
        return completion, step

    def _say(
        self, exchange: Exchange, step: Step | None, said: dict[str, Any], body: bytes, *, wait: bool = True
    ) -> None:
        """Give an answer when it is its turn; a step's has arrived when the program hangs up."""
        if step is None:
            self._turns.free()
            return exchange.say(said, body)
        if wait:
            self._turns.wait(step, thread=not exchange.head.get("loop", True))
        try:
            exchange.say(said, body)
            if wait:
                exchange.hung_up(_ARRIVAL_SECONDS)
        finally:
            self._turns.arrived(step)

    def _wire(self, exchange: Exchange, codec: Codec, completion: Completion, step: Step | None) -> Reply:
        if step is not None and step.reply is not None:
            return step.reply
        if completion.origin != "edited" and completion.raw is not None:
            return Reply.model_validate_json(completion.raw)
        asked = exchange.asked
        seed = seed_of(asked, output_text(completion))
        recorded = self._asked.get(asked.content_key, ())
        ids = [call.id for old in recorded for call in old.tool_calls]
        said = _as_said(completion, asked, seed, ids)
        if completion.origin == "edited" and completion.step is not None:
            old = self._steps[completion.step].reply
            if old is not None and not old.failed:
                return rewritten(codec, old, said, exchange.body, seed=seed)
        return codec.reply(said, exchange.body, seed=seed)

    def _tool(self, exchange: Exchange) -> None:
        head = exchange.head
        completion, step = self._complete(exchange)
        live = completion.origin in ("live", "cached")
        if exchange.composite and not live and completion.origin != "edited":
            completion, live = exchange.live(), True
            step = step if step and step.output == completion.text else None
        reply = step.reply if step and step.reply else _tool_reply(completion)
        opaque = "opaque" in json.loads(reply.body)
        if opaque and not live:
            raise ReplayError(
                f"the result of the tool {head['name']} is no JSON and cannot be given again; --tools run"
            )
        act = Act(
            agent=head["name"], call=exchange.call, completion=completion, reply=reply, is_tool=True,
            started=head["started"], ended=time.time(), id=head["id"], inside=head.get("inside"),
            origin=completion.origin, step=step,
        )  # fmt: skip
        with self._lock:
            self.acts.append(act)
        self._say(exchange, step, {"do": "yours" if opaque else "result"}, b"" if opaque else reply.content)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, path: str, answering: Answering) -> None:
        super().__init__(path, socketserver.BaseRequestHandler)
        self._answering = answering

    def process_request(self, request: Any, client_address: Any) -> None:
        """Read the call here, in the order of arrival, and answer it in a thread."""
        request.settimeout(_PATIENCE_SECONDS)
        line = cast(Line, _Both(request))
        exchange = self._answering.arrived(line)
        if exchange is None:
            line.close()
            self.shutdown_request(request)
            return
        request.settimeout(None)
        threading.Thread(target=self._serve, args=(request, exchange), daemon=True).start()

    def _serve(self, request: Any, exchange: Exchange) -> None:
        try:
            self._answering.serve(exchange)
        finally:
            exchange.line.close()
            self.shutdown_request(request)


class _Both:
    """Both directions of a connection as one file."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self.readline, self.read = self._reader.readline, self._reader.read
        self.write = connection.sendall

    def hung_up(self, seconds: float) -> None:
        """Wait until the other side has closed."""
        select.select([self._connection], [], [], seconds)

    def close(self) -> None:
        """Let go of it; the connection itself is closed by the server."""
        self._reader.close()


def _tool_reply(completion: Completion) -> Reply:
    if completion.raw is not None and completion.origin != "edited":
        return Reply.model_validate_json(completion.raw)
    return Reply(headers={"content-type": JSON_TYPE}, body=json.dumps({"result": completion.text}))


def _as_said(completion: Completion, asked: Call, seed: str, ids: list[str]) -> Completion:
    """An answer that another wrote: lines that call the agent's tools become calls again."""
    if completion.origin != "edited":
        return completion
    names = {tool.name for tool in asked.tools}
    calls: list[ToolCall] = []
    for n, line in enumerate(line for line in completion.text.splitlines() if line.strip()):
        found = _CALLED.fullmatch(line.strip())
        if not found or found[1] not in names or not _is_json(found[2]):
            return completion
        calls.append(ToolCall(id=ids[n] if n < len(ids) else f"call_{seed}{n}", name=found[1], arguments=found[2]))
    if not calls:
        return completion
    return completion.model_copy(update={"message": Message(role="assistant", tool_calls=tuple(calls))})


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
