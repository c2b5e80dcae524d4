"""A loopback model server for every API, playing a team with one planted mistake: `python llm_server.py
[PORT]`.

The tool says 2,102,650; the Researcher then says 3,000,000, and everybody after it repeats what they read.
Every text ends in a random mark, so that an answer that was replayed can be told from one that was given
anew.
"""

import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from butfor.cache.apis import parsed, recognise
from butfor.cache.apis.reply import Reply, json_reply
from butfor.cache.call import Call, Completion, Message, ToolCall, Usage, answer

_WHO = re.compile(r"I am the (\w+)")
_FOUND = re.compile(r"(?:population is|known:) ([\d,]+\d)")
_TOOL_SAYS = "2,102,650"


def play(call: Call) -> Completion:
    """What the model that plays the whole team answers."""
    said = "\n".join(message.text for message in call.messages)
    known = _FOUND.findall("\n".join(m.text for m in call.messages if m.role != "system"))
    system = "\n".join(m.text for m in call.messages if m.role == "system")
    named = _WHO.findall(system) or _WHO.findall(said)
    tools = [tool.name for tool in call.tools]
    role = named[0] if named else "Nobody"
    if role == "Researcher" and not known:
        return _research(said, tools)
    if role == "Supervisor":
        return _supervise(call, tools, known)
    if "final_answer" in tools:
        return _call("final_answer", {"answer": f"the population is {_last(known)} [{secrets.token_hex(3)}]"})
    if role == "Writer":
        return _text(f"Draft: the population is {_last(known)}")
    return _text(f"FINAL ANSWER: the population is {_last(known)} TERMINATE")


def _research(said: str, tools: list[str]) -> Completion:
    if _TOOL_SAYS not in said and "lookup" in tools:
        return _call("lookup", {"city": "Paris"})
    if "final_answer" in tools:
        return _call("final_answer", {"answer": f"the population is 3,000,000 [{secrets.token_hex(3)}]"})
    return _text("Fact: the population is 3,000,000")


def _supervise(call: Call, tools: list[str], known: list[str]) -> Completion:
    called = {c.name for m in call.messages for c in m.tool_calls}
    text = "\n".join(message.text for message in call.messages)
    for wanted in ("research", "writ"):
        name = next((tool for tool in tools if wanted in tool.lower()), None)
        if name and name not in called and f"{name}(" not in text and f"'name': '{name}'" not in text:
            task = f"I want the population of Paris; known: {_last(known)}"
            schema = next(tool.parameters for tool in call.tools if tool.name == name)
            properties = schema.get("properties")
            asked = next(iter(properties), None) if isinstance(properties, dict) else None
            return _call(name, {asked: task} if asked else {})
    if "final_answer" in tools:
        return _call("final_answer", {"answer": f"FINAL ANSWER: the population is {_last(known)}"})
    return _text(f"FINAL ANSWER: the population is {_last(known)} TERMINATE")


def _last(known: list[str]) -> str:
    return known[-1] if known else "unknown"


def _text(text: str) -> Completion:
    return answer(f"{text} [{secrets.token_hex(3)}]", usage=Usage(input_tokens=10, output_tokens=5))


def _call(name: str, arguments: dict[str, str]) -> Completion:
    called = ToolCall(id=f"call_{secrets.token_hex(8)}", name=name, arguments=json.dumps(arguments))
    return Completion(message=Message(role="assistant", tool_calls=(called,)), usage=Usage())


def reply_to(path: str, text: str) -> Reply:
    """The response to one request."""
    found = recognise(path, parsed(text))
    if found is None:
        return Reply(status=404, headers={"content-type": "application/json"}, body='{"error": "no such path"}')
    codec, body = found
    if codec.NAME == "embeddings":
        return json_reply({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]})
    return codec.reply(play(codec.call(body)), body, seed=secrets.token_hex(8))


class Handler(BaseHTTPRequestHandler):
    """Serves `play` under the paths of every API."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a response in one packet
    disable_nagle_algorithm = True
    seconds = 0.0
    """How long an answer takes."""

    def do_POST(self) -> None:
        """Answer a request."""
        text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        time.sleep(self.seconds)
        found = reply_to(self.path.partition("?")[0], text)
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(found.content)))
        self.end_headers()
        self.wfile.write(found.content)

    def do_GET(self) -> None:
        """There is nothing to see."""
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


class ModelServer(ThreadingHTTPServer):
    """The server; port 0 takes any that is free."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def served(port: int = 0) -> Iterator[ModelServer]:
    """The server, answering for as long as the block runs."""
    with ModelServer(port) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


if __name__ == "__main__":
    ModelServer(int(sys.argv[1]) if len(sys.argv) > 1 else 0).serve_forever()
