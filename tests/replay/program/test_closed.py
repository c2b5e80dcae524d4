"""An offline run reaches nothing, whichever way it tries: counted at the server, never by butfor's own word."""

import shutil
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs.ways_out import NAMES, WAYS

from butfor.cache.errors import ButforError
from butfor.replay.program import namespace
from butfor.replay.program.check import Checked, check
from butfor.replay.program.program import Program, record
from butfor.replay.trace import Trace

COMMAND = (sys.executable, "app.py")
TOOLS = ("bash", "curl", "perl", "node", "nsenter")
ANSWER = b'{"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}]}'

kernel = pytest.mark.skipif(not namespace.available(), reason="no network namespace can be had here")


class Everywhere:
    """One server at a TCP port, a UDP port, and two Unix sockets, that counts what names itself to it."""

    def __init__(self, folder: Path) -> None:
        self.heard: Counter[str] = Counter()
        self.unix, self.abstract = str(folder / "socket"), f"\0butfor-test-{folder.name}-{id(self)}"
        self._tcp = socket.create_server(("0.0.0.0", 0))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.udp: int = self._udp.getsockname()[1]
        self._streams = [self._tcp]
        for path in (self.unix, self.abstract):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen()
            self._streams.append(listener)
        targets: list[tuple[Callable[..., None], tuple[object, ...]]] = [(self._accept, (s,)) for s in self._streams]
        self._threads = [threading.Thread(target=t, args=a) for t, a in [*targets, (self._datagrams, ())]]

    def __enter__(self) -> "Everywhere":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._streams:
            listener.shutdown(socket.SHUT_RDWR)
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.udp))
        for thread in self._threads:
            thread.join()
        for listener in (*self._streams, self._udp):
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,)).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as file:
            connection.settimeout(5)
            try:
                first = file.readline().split()
                length = 0
                while line := file.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                file.read(length)
                self.heard[first[1].decode().lstrip("/") if len(first) > 1 else ""] += 1
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(ANSWER))
                connection.sendall(ANSWER)
            except OSError:
                return

    def _datagrams(self) -> None:
        while data := self._udp.recv(4096):
            self.heard[data.decode()] += 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Everywhere]:
    with Everywhere(tmp_path) as found:
        yield found


def program(server: Everywhere, ways: dict[str, str]) -> str:
    """A team of one, which then tries every way, whatever becomes of the one before."""
    return f"""
import httpx, time
body = {{"model": "m", "messages": [{{"role": "user", "content": "Hello"}}]}}
print(httpx.post("http://127.0.0.1:{server.port}/v1/chat/completions", json=body).json())
HOST, PORT, UDP, UNIX = "127.0.0.1", {server.port}, {server.udp}, {server.unix!r}
ABSTRACT = {server.abstract!r}
for NAME, way in {ways!r}.items():
    try:
        exec(way, {{"httpx": httpx, {", ".join(f"{n!r}: {n}" for n in NAMES.split(", "))}}})
    except BaseException as error:
        print(NAME, type(error).__name__)
time.sleep(0.2)
"""


def tried(folder: Path, server: Everywhere, ways: dict[str, str]) -> tuple[set[str], Counter[str], Checked]:
    """The ways that lead to the server while recording, and everything that reached it during the check."""
    (folder / "app.py").write_text(program(server, ways))
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    open_ways = set(server.heard) & set(ways)
    server.heard.clear()
    return open_ways, server.heard, check(trace, COMMAND)


@kernel
def test_no_way_leads_out(folder: Path, server: Everywhere) -> None:
    there = {name: way for name, way in WAYS.items() if name not in TOOLS or shutil.which(name)}
    open_ways, heard, checked = tried(folder, server, there)
    not_for_everybody = {"other-namespace", "mapped-address", *TOOLS}
    assert set(WAYS) - not_for_everybody <= open_ways, "a way that leads nowhere proves nothing"
    assert len(open_ways) >= 30
    assert heard == Counter()
    assert checked.closed == "kernel"


def test_without_a_namespace_the_report_says_so(
    folder: Path, server: Everywhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("butfor.replay.program.namespace._proved", lambda: None)
    held = {name: WAYS[name] for name in ("socket", "urllib", "asyncio", "transport", "httpcore")}
    open_ways, heard, checked = tried(folder, server, held)
    assert open_ways == set(held)
    assert heard == Counter()
    assert checked.closed == "python"
    assert "closed by Python only" in checked.sentence("run.json")
    assert Program(COMMAND, proxy=True).closed == "not held"


SERVICE = """
import httpx, socket
body = {{"model": "m", "messages": [{{"role": "user", "content": "Hello"}}]}}
httpx.post("http://127.0.0.1:{port}/v1/chat/completions", json=body)
for number in range(20):
    with socket.create_connection(("127.0.0.1", {service}), 3) as s:
        s.sendall(b"POST /service HTTP/1.0\\r\\ncontent-length: 3\\r\\n\\r\\nabc")
        print(number, len(s.makefile("rb").read()))
try:
    socket.create_connection(("127.0.0.1", {closed}), 3)
except OSError as error:
    print("closed")
"""


@kernel
def test_a_service_that_is_named_is_reached_and_no_other(folder: Path, server: Everywhere, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Everywhere(tmp_path / "other") as service:
        source = SERVICE.format(port=server.port, service=service.port, closed=server.port)
        (folder / "app.py").write_text(source)
        trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
        before = server.heard.total()
        checked = check(trace, COMMAND, reach=[f"127.0.0.1:{service.port}"])
        assert service.heard["service"] == 40
        assert server.heard.total() == before
    assert checked.again.ended is not None
    assert trace.ended is not None
    assert checked.again.ended.output == trace.ended.output + "closed\n"


@pytest.mark.parametrize("reach", ["example.org:80", "10.0.0.1:6379", "127.0.0.1", "127.0.0.1:x", ":80"])
def test_only_a_service_of_this_machine_can_be_named(reach: str) -> None:
    with pytest.raises(ButforError, match="--reach"):
        Program(COMMAND, reach=[reach])


@kernel
def test_the_working_directory_is_where_it_was_and_stays_as_it_is(folder: Path, server: Everywhere) -> None:
    source = program(server, {}) + "import os; print(os.getcwd()); open('new.txt', 'w').write('x')"
    (folder / ".venv").mkdir()
    (folder / ".venv" / "kept.py").write_text("KEPT = 1")
    source += "\nimport sys; sys.path.insert(0, '.venv'); import kept; print(kept.KEPT)"
    trace = recorded_without_trace_of(folder, source)
    checked = check(trace, COMMAND)
    assert checked.same, checked.differences
    assert not (folder / "new.txt").exists()
    assert str(folder) in (trace.ended.output if trace.ended else "")


def recorded_without_trace_of(folder: Path, source: str) -> Trace:
    (folder / "app.py").write_text(source)
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    (folder / "new.txt").unlink()
    return trace


def test_keys_are_blank_offline(folder: Path, server: Everywhere, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "OPENAI_API_KEY",
        "MISTRAL_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "AWS_ACCESS_KEY_ID",
    )
    for name in names:
        monkeypatch.setenv(name, "planted-secret")
    monkeypatch.setenv("MONKEY", "seen")
    source = program(server, {}) + f"import os; print({names!r}, [os.environ.get(n) for n in {(*names, 'MONKEY')!r}])"
    (folder / "app.py").write_text(source)
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    again = check(trace, COMMAND).again
    assert again.ended is not None
    assert "planted-secret" not in again.ended.output
    assert again.ended.output.count("'none'") == len(names)
    assert "'seen'" in again.ended.output


def test_an_interpreter_outside_of_the_folder_that_is_a_link_is_kept(
    folder: Path, server: Everywhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "bin").mkdir()
    (folder.parent / "bin" / "python").symlink_to(sys.executable)
    (folder.parent / "pyvenv.cfg").write_text(Path(sys.prefix, "pyvenv.cfg").read_text())
    (folder.parent / "lib").symlink_to(Path(sys.prefix, "lib"))
    command = ("../bin/python", "app.py")
    (folder / "app.py").write_text(program(server, {}) + "import sys; print(sys.prefix)")
    trace = record(command, name="run.json", tape=folder.parent / "calls.jsonl")
    assert check(trace, command).same
    monkeypatch.setattr("butfor.replay.program.namespace._proved", lambda: None)
    assert check(trace, command).same
