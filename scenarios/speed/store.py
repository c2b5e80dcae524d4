"""What keys and the store cost, beside their rivals in the same run; printed by `benchmark`."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from butfor.cache.call import Call, Message, answer
from butfor.cache.disk import DiskStore
from butfor.cache.errors import CacheMiss
from butfor.cache.provider import Offline

_ROUNDS = 200
_CHARACTERS = 2_048
_ANSWERS = int(os.environ.get("BUTFOR_BENCH_ANSWERS", "20000"))
_PROCESSES = 8
_THREADS = 8

_CROWD = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from butfor.cache.call import Call, Message, answer
from butfor.cache.disk import DiskStore

folder, who, threads, calls = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = DiskStore(folder)

def work(thread):
    times = []
    for kind in ("write", "read"):
        for n in range(calls):
            call = Call(model="m", messages=(Message(role="user", content=f"{who} {thread} {n} ".ljust(2048, "x")),))
            key, began = call.key(), time.perf_counter()
            store.add(key, call, answer("yes")) if kind == "write" else store.get(key)
            times.append((kind, began, time.perf_counter()))
    return times

with ThreadPoolExecutor(threads) as pool:
    for times in pool.map(work, range(threads)):
        for row in times:
            print(*row)
"""


def key_lines() -> Iterator[str]:
    """Keys of messages that were made anew, as they come over a socket, beside bare sha256."""
    for size, messages in (("2 KB", 1), ("50 KB", 25), ("183 KB", 90)):
        times, bare = [], []
        for _ in range(_ROUNDS):
            call = _call(messages)
            times.append(_microseconds(call.key))
            data = b"".join(message.text.encode() for message in call.messages)
            bare.append(_microseconds(partial(sha256, data)))
        key, digest = statistics.median(times), statistics.median(bare)
        yield _line(f"key of fresh messages, {size}", f"{key:8.1f} µs  (sha256 alone {digest:.1f})")
    for messages in (1_000, 4_000, 16_000):
        history = tuple(Message(role="user", content=f"{n} hi") for n in range(messages))
        spent = _microseconds(Call(model="m", messages=history).key)
        yield _line(f"key of {messages} messages", f"{spent / 1_000:8.1f} ms")


def store_lines(folder: Path) -> Iterator[str]:
    """Recording, a grown store, and a crowd of processes."""
    for size, messages in (("2 KB", 0), ("183 KB", 90)):
        yield _recording(folder / f"add-{messages}", size, messages)
    yield from _grown(folder / "grown")
    yield from _crowd(folder / "crowd")


def rival_lines(folder: Path) -> Iterator[str]:
    """A 2 KB answer written and read by others."""
    folder.mkdir(parents=True)
    rivals: dict[str, Callable[[Path], tuple[Callable[[str], Any], Callable[[str], Any]]]] = {
        "diskcache": _diskcache,
        "lmdb": _lmdb,
    }
    for name in ("diskcache", "lmdb", "frozentrace", "autogen_ext"):
        if find_spec(name) is None:
            yield _line(name, "not installed")
        elif name in rivals:
            write, read = rivals[name](folder / name)
            keys = [sha256(b"%d" % n).hexdigest() for n in range(_ROUNDS)]
            writing = statistics.median(_microseconds(partial(write, key)) for key in keys)
            reading = statistics.median(_microseconds(partial(read, key)) for key in keys)
            yield _line(f"{name}, bare, 2 KB", f"write {writing:8.1f} µs  read {reading:6.1f} µs")
        else:
            yield _line(name, "installed; not measured here")


def _diskcache(folder: Path) -> tuple[Callable[[str], Any], Callable[[str], Any]]:
    import diskcache

    cache = diskcache.Cache(str(folder), eviction_policy="none", cull_limit=0)
    return lambda key: cache.add(key, "y" * _CHARACTERS), cache.get


def _lmdb(folder: Path) -> tuple[Callable[[str], Any], Callable[[str], Any]]:
    import lmdb

    database = lmdb.open(str(folder), map_size=2**26, sync=False)

    def write(key: str) -> None:
        with database.begin(write=True) as transaction:
            transaction.put(key.encode(), b"y" * _CHARACTERS)

    def read(key: str) -> object:
        with database.begin() as transaction:
            return transaction.get(key.encode())

    return write, read


def _recording(folder: Path, size: str, history: int) -> str:
    store, times = DiskStore(folder), []
    for n in range(_ROUNDS):
        call = _call(history, last=f"question {n} ")
        key = call.key()
        times.append(_microseconds(partial(store.add, key, call, answer("yes"))))
    store.close()
    per_call = (folder / "cache.db").stat().st_size / _ROUNDS / 1_000
    return _line(f"recording a new call, {size}", f"{statistics.median(times):8.1f} µs  {per_call:.1f} KB a call")


def _grown(folder: Path) -> Iterator[str]:
    store, began = DiskStore(folder), time.perf_counter()
    for n in range(_ANSWERS):
        call = _small(n)
        store.add(call.key(), call, answer(f"answer {n}"))
    yield _line(f"writing {_ANSWERS} answers", f"{_ANSWERS / (time.perf_counter() - began):8.0f} /s")
    store.close()
    began = time.perf_counter()
    store = DiskStore(folder)
    yield _line("opening it", f"{(time.perf_counter() - began) * 1e3:8.1f} ms")
    keys = [_small(n * _ANSWERS // _ROUNDS).key() for n in range(_ROUNDS)]
    reads = [_microseconds(partial(store.get, key)) for key in keys]
    yield _line("an answer", f"{statistics.median(reads):8.1f} µs")
    yield _line("an offline miss with its explanation", f"{_microseconds(lambda: _missed(store)) / 1e3:8.1f} ms")
    yield _line("info", f"{_microseconds(store.info) / 1e6:8.3f} s")
    yield _line("verify", f"{_ANSWERS / (_microseconds(store.verify) / 1e6):8.0f} answers/s")
    store.close()


def _missed(store: DiskStore) -> None:
    asked = _small(_ANSWERS // 2)
    changed = Message(role="user", content=asked.messages[-1].text + "!")
    try:
        Offline(store).complete(asked.model_copy(update={"messages": (*asked.messages[:-1], changed)}))
    except CacheMiss:
        return


def _crowd(folder: Path) -> Iterator[str]:
    DiskStore(folder).close()
    calls = 20
    line = [sys.executable, "-c", _CROWD, str(folder)]
    began = time.perf_counter()
    workers = [
        subprocess.Popen([*line, str(n), str(_THREADS), str(calls)], stdout=subprocess.PIPE, text=True)  # noqa: S603
        for n in range(_PROCESSES)
    ]
    rows = [row.split() for worker in workers for row in worker.communicate()[0].splitlines()]
    spent = time.perf_counter() - began
    yield _line(f"{_PROCESSES} processes of {_THREADS} threads, start-up included", f"{len(rows) / spent:8.0f} /s")
    for kind in ("write", "read"):
        spans = [(float(start), float(end)) for found, start, end in rows if found == kind]
        times = sorted((end - start) * 1e3 for start, end in spans)
        p99 = times[len(times) * 99 // 100]
        rate = len(spans) / (max(end for _, end in spans) - min(start for start, _ in spans))
        yield _line(f"  {kind}", f"{rate:8.0f} /s  median {statistics.median(times):.2f} ms, p99 {p99:.1f} ms")


def _call(messages: int, *, last: str = "") -> Call:
    texts = [f"{i} ".ljust(_CHARACTERS, "x") for i in range(messages)]
    texts += [last.ljust(_CHARACTERS, "y")] if last else []
    said = tuple(Message(role="user", content=text) for text in texts)
    return Call(model="openai:m", messages=said, params={"temperature": 0.5})


def _small(n: int) -> Call:
    texts = ("You are careful.", f"run {n // 10}", f"question {n} " * 10)
    return Call(model="m", agent=f"a{n % 5}", messages=tuple(Message(role="user", content=text) for text in texts))


def _microseconds(operation: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    operation()
    return (time.perf_counter_ns() - began) / 1_000


def _line(name: str, figure: str) -> str:
    return f"{name:58} {figure}"
