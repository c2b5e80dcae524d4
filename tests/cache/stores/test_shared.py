"""Stores on real servers: one live call among processes, the first answer stays, nothing dies with a worker."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from store_servers import free_port, postgres_server, redis_server

from butfor.cache.call import Call, Completion, Message, answer
from butfor.cache.disk import DiskStore
from butfor.cache.errors import CacheMiss, StoreDamaged
from butfor.cache.provider import Cached, Offline
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.cache.stores.opening import open_store, shown
from butfor.cache.stores.shared import SharedStore

SERVERS = {"redis": redis_server, "postgres": postgres_server}


def asked(text: str = "What now?") -> Call:
    return Call(model="m", agent="Ann", messages=(Message(role="system", content="Be brief."), user(text)))


def user(text: str) -> Message:
    return Message(role="user", content=text)


@pytest.fixture(scope="module", params=sorted(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as (address, _):
        yield request.param, address


@pytest.fixture
def store(server: tuple[str, str]) -> Iterator[SharedStore]:
    opened = open_store(server[1])
    assert isinstance(opened, SharedStore)
    opened.clear()
    with closing(opened):
        yield opened


@pytest.mark.slow
def test_what_is_stored_comes_back(store: SharedStore) -> None:
    call, given = asked("end  \0\x85🙂 \ud83d"), answer("yes \0 \ud83d", origin="cached")
    assert store.get(call.key()) is None
    assert store.add(call.key(), call, given) == given
    assert store.add(call.key(), call, answer("another")) == given
    assert store.get(call.key()) == given
    assert list(store.items()) == [(call.key(), call, given)]
    assert list(store.calls()) == [call]
    store.note("audit/1", "{}")
    store.note("audit/1", "[]")
    assert (store.noted("audit/1"), store.noted("audit/2")) == ("[]", None)
    assert store.verify() == []
    assert store.clear() == 1
    assert store.get(call.key()) is None


@pytest.mark.slow
def test_a_miss_shows_the_nearest_call(store: SharedStore) -> None:
    for n in range(300):
        call = asked(f"question {n}")
        store.add(call.key(), call, answer("yes"))
    with pytest.raises(CacheMiss, match="question 299"):
        Offline(store).complete(asked("question 299!"))


@pytest.mark.slow
def test_a_row_that_was_changed_is_an_error_that_names_it(store: SharedStore) -> None:
    call = asked()
    store.add(call.key(), call, answer("yes"))
    name = f"answer/{call.key()}"
    store._rows.put(name, (store._rows.get(name) or "").replace("yes", "yet"))
    with pytest.raises(StoreDamaged, match=name):
        store.get(call.key())
    assert any(name in problem for problem in store.verify())


ASK = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from butfor.cache.call import Call, Message
from butfor.cache.provider import Cached
from butfor.cache.scripted import Scripted
from butfor.cache.stores.opening import open_store

address, log, seconds, threads = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
call = Call(model="m", messages=(Message(role="user", content="What now?"),))

def live(call):
    with open(log, "a") as file:
        file.write("asked\\n")
    time.sleep(seconds)
    return "an answer"

store = open_store(address)
with ThreadPoolExecutor(threads) as pool:
    for found in pool.map(lambda _: Cached(Scripted(live), store).complete(call), range(threads)):
        print(found.text)
"""


def worker(address: str, log: Path, *, seconds: float = 0.3, threads: int = 2) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", ASK, address, str(log), str(seconds), str(threads)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_identical_misses_of_four_processes_make_one_live_call(
    store: SharedStore, server: tuple[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(server[1], log)) for _ in range(4)]
        said = [line for process in workers for line in process.communicate(timeout=60)[0].splitlines()]
    assert said == ["an answer"] * 8
    assert log.read_text() == "asked\n"


@pytest.mark.slow
def test_the_lease_of_a_killed_worker_ends(store: SharedStore, server: tuple[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with worker(server[1], log, seconds=600, threads=1) as process:
        while not log.exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    began = time.monotonic()
    call = Call(model="m", messages=(user("What now?"),))
    assert Cached(Scripted(["mine"]), store).complete(call).text == "mine"
    assert 1 < time.monotonic() - began < 40
    assert store.verify() == []


@pytest.mark.slow
def test_a_lease_is_renewed_while_its_holder_asks(server: tuple[str, str], store: SharedStore) -> None:
    quick = SharedStore(store._rows, "", lease_seconds=0.6)
    other = SharedStore(store._rows, "", lease_seconds=0.6)
    order: list[str] = []

    def wait() -> None:
        with other.flight("k"):
            order.append("other")

    with quick.flight("k"):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(2)
        order.append("holder")
    waiting.join(timeout=10)
    assert order == ["holder", "other"]


@pytest.mark.slow
def test_an_interrupt_ends_the_lease(store: SharedStore) -> None:
    class Interrupted:
        def complete(self, call: Call) -> Completion:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cached(Interrupted(), store).complete(asked())
    began = time.monotonic()
    Cached(Scripted(["yes"]), store).complete(asked())
    assert time.monotonic() - began < 2


@pytest.mark.slow
def test_a_connection_that_is_cut_is_made_again(server: tuple[str, str], store: SharedStore) -> None:
    call = asked()
    store.add(call.key(), call, answer("yes"))
    if server[0] == "redis":
        import redis

        redis.Redis.from_url(server[1]).client_kill_filter(_type="normal", skipme=True)
    else:
        import psycopg

        with psycopg.connect(server[1], autocommit=True) as other:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            other.execute(cut + " AND backend_type = 'client backend'")
    assert store.get(call.key()) == answer("yes", origin="cached")
    again = asked("And now?")
    assert store.add(again.key(), again, answer("no")).text == "no"


@pytest.mark.slow
def test_a_server_that_restarts_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    call = asked()
    with redis_server(tmp_path, port) as (address, _):
        store = open_store(address)
        store.add(call.key(), call, answer("yes"))
    with pytest.raises(StoreDamaged, match="Redis failed"):
        store.get(call.key())
    with redis_server(tmp_path, port):
        assert store.get(call.key()) == answer("yes", origin="cached")


def test_an_address_says_which_store(tmp_path: Path) -> None:
    memory = MemoryStore()
    assert open_store(memory) is memory
    folder = open_store(str(tmp_path / "answers"))
    assert isinstance(folder, DiskStore)
    folder.close()
    with pytest.raises(StoreDamaged, match="mysql"):
        open_store("mysql://host/name")


def test_a_server_that_is_not_there_is_one_message_without_secrets() -> None:
    for scheme in ("redis", "postgresql"):
        with pytest.raises(StoreDamaged, match="Nothing was asked live") as caught:
            open_store(f"{scheme}://me:secret@127.0.0.1:{free_port()}/0")
        assert "secret" not in str(caught.value)
    assert shown("postgresql://me:secret@host:5/name?sslpassword=secret") == "postgresql://host:5/name"
