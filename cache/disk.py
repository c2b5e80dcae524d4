"""Answers kept on disk, shared by threads and processes: `DiskStore`, on diskcache.

diskcache unpickles whatever its database says is pickled (CVE-2025-69872), so its `Disk` is replaced by one
that knows nothing but text. Every row starts with a checksum over its own key and content, verified on every
read: a row that is cut short, changed or moved to another key is an error that names it, never an answer and
never a miss.

Three kinds of rows: `answer/KEY` (a completion), `call/KEY` (what was asked, its messages by digest) and
`message/DIGEST` (each message once, however many histories hold it).
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import diskcache
from diskcache.core import MODE_RAW
from filelock import FileLock
from pydantic import ValidationError

from .call import Call, Completion, Message
from .errors import StoreDamaged
from .rows import from_row, to_row

_MARK = "butfor-store.json"
_FORMAT = 1
_CHECKSUM_DIGITS = 32


class TextDisk(diskcache.Disk):  # type: ignore[misc]
    """A `Disk` that keeps `str` under `str` inside the database, and refuses everything else."""

    def put(self, key: object) -> tuple[Any, Any]:
        """Only text is a key."""
        if not isinstance(key, str):
            raise TypeError(f"a key must be text, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """Only a raw text key is a key."""
        if not raw or not isinstance(key, str):
            raise StoreDamaged("the store holds a key that is not text; it was not written by butfor")
        return key

    def store(self, value: object, read: bool, key: object = diskcache.UNKNOWN) -> tuple[int, int, None, str]:
        """Only text is a value; it never leaves the database for a file."""
        if read or not isinstance(value, str):
            raise TypeError(f"a value must be text, not {type(value).__name__}")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: int, filename: object, value: object, read: bool) -> str:
        """Refuse pickles, files and bytes: nothing here was ever stored as one of them."""
        if mode != MODE_RAW or filename is not None or read or not isinstance(value, str):
            raise StoreDamaged("the store holds a row that is not plain text; it was not written by butfor")
        return value


class Info(NamedTuple):
    """What a store holds."""

    directory: str
    answers: int
    messages: int
    bytes: int
    """On disk."""


class DiskStore:
    """A store in a directory.

    Raises:
        StoreDamaged: the directory cannot be used, or its database was lost or cannot be read.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._locks = self.directory / "locks"
        self._thread_locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        with self._guarded():
            self._locks.mkdir(parents=True, exist_ok=True)
            with self._lock("open"):
                self._cache = self._opened()

    def get(self, key: str) -> Completion | None:
        """The stored answer, checked; `None` only where its call is not there either."""
        text = self._read(f"answer/{key}")
        if text is None and self._read(f"call/{key}") is not None:
            text = self._read(f"answer/{key}") or self._damaged(f"answer/{key} is gone")
        if text is None:
            return None
        try:
            return Completion.model_validate_json(text)
        except ValidationError as error:
            self._damaged(f"answer/{key} is not an answer: {error}")

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        """Store call and answer in one transaction, so that a killed process leaves both or neither."""
        stored = completion.as_stored()
        row, messages = to_row(call)
        with self._guarded(), self._cache.transact():
            for digest, message in messages.items():
                self._write(f"message/{digest}", message.model_dump_json(exclude_defaults=True))
            self._write(f"call/{key}", json.dumps(row))
            if self._write(f"answer/{key}", stored.model_dump_json(exclude_none=True)):
                return stored
        return self._found(key)

    @contextmanager
    def flight(self, key: str) -> Iterator[None]:
        """A lock among threads and processes; the kernel frees it where a process dies."""
        stripe = key[:3]
        with self._guard:
            ours = self._thread_locks.setdefault(stripe, threading.Lock())
        with ours:
            with self._guarded():
                lock = self._lock(stripe).acquire()
            with lock:
                yield

    def calls(self) -> Iterator[Call]:
        """Every call that has an answer."""
        for name in self._names("answer/"):
            yield self._call(f"call/{name.removeprefix('answer/')}")

    def items(self) -> Iterator[tuple[str, Call, Completion]]:
        """Every key with its call and its answer."""
        for name in self._names("answer/"):
            key = name.removeprefix("answer/")
            yield key, self._call(f"call/{key}"), self._found(key)

    def item(self, key: str) -> tuple[Call, Completion]:
        """The call and the answer under one key."""
        return self._call(f"call/{key}"), self._found(key)

    def info(self) -> Info:
        """Counts and size."""
        with self._guarded():
            answers = sum(1 for _ in self._names("answer/"))
            messages = sum(1 for _ in self._names("message/"))
            size = sum(f.stat().st_size for f in self.directory.glob("cache.db*"))
        return Info(str(self.directory), answers, messages, size)

    def verify(self) -> list[str]:
        """What is wrong with the store, one sentence each; empty where every row is what was written."""
        with self._guarded():
            rows = self._cache._sql("PRAGMA integrity_check").fetchall()
        problems = [f"database: {said}" for (said,) in rows if said != "ok"]
        for name in self._names(""):
            try:
                self._read(name)
                if name.startswith("answer/"):
                    self.item(name.removeprefix("answer/"))
            except StoreDamaged as error:
                problems.append(str(error))
        return problems

    def clear(self) -> int:
        """Forget everything; the number of answers forgotten."""
        with self._guarded():
            answers = sum(1 for _ in self._names("answer/"))
            self._cache.clear()
        return answers

    def note(self, name: str, text: str) -> None:
        """Keep a text beside the answers, replacing what had the name."""
        with self._guarded():
            self._cache.set(f"note/{name}", _seal(f"note/{name}", text))

    def noted(self, name: str) -> str | None:
        """The text kept under a name."""
        return self._read(f"note/{name}")

    def close(self) -> None:
        """Give the database's file handles back."""
        self._cache.close()

    def _found(self, key: str) -> Completion:
        return self.get(key) or self._damaged(f"answer/{key} is gone")

    def _call(self, name: str) -> Call:
        text = self._read(name) or self._damaged(f"{name} is missing beside its answer")
        try:
            row = json.loads(text)
            return from_row(row, {digest: self._message(digest) for digest in row["messages"]})
        except (ValueError, KeyError, TypeError) as error:
            self._damaged(f"{name} is not a call: {error}")

    def _message(self, digest: str) -> Message:
        name = f"message/{digest}"
        return Message.model_validate_json(self._read(name) or self._damaged(f"{name} is missing"))

    def _names(self, prefix: str) -> Iterator[str]:
        with self._guarded():
            yield from (name for name in self._cache.iterkeys() if name.startswith(prefix))

    def _write(self, name: str, text: str) -> bool:
        return bool(self._cache.add(name, _seal(name, text)))

    def _read(self, name: str) -> str | None:
        try:
            sealed = self._cache.get(name, retry=True)
        except (sqlite3.Error, OSError, StoreDamaged, diskcache.Timeout) as error:
            self._damaged(f"{name} cannot be read: {error}")
        if sealed is None:
            return None
        checksum, text = sealed[:_CHECKSUM_DIGITS], sealed[_CHECKSUM_DIGITS:]
        if checksum != _checksum(name, text):
            self._damaged(f"{name} is not what was written (its checksum differs)")
        return text  # type: ignore[no-any-return]

    def _opened(self) -> diskcache.Cache:
        """The database; made only in a folder that has none, or in which the making of one was cut short."""
        mark, database = self.directory / _MARK, self.directory / "cache.db"
        filled = database.exists() and database.stat().st_size > 0
        if not mark.exists():
            if filled:
                self._damaged(f"the folder holds a database that butfor did not make ({_MARK} is missing)")
            mark.write_text("")
        found = mark.read_text()
        if found and json.loads(found) != {"format": _FORMAT}:
            self._damaged("it was written by another version of butfor")
        if found and not filled:
            self._damaged("its database is gone or empty")
        cache = diskcache.Cache(
            str(self.directory),
            timeout=60,
            disk=TextDisk,
            eviction_policy="none",
            cull_limit=0,
            size_limit=2**62,
            statistics=0,
        )
        if not found:
            partial = mark.with_suffix(".partial")
            partial.write_text(json.dumps({"format": _FORMAT}))
            partial.replace(mark)
        return cache

    def _lock(self, name: str) -> FileLock:
        return FileLock(self._locks / f"{name}.lock", poll_interval=0.01)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except diskcache.Timeout:
            self._damaged("it cannot be written to (is it read-only, or locked by another program?)")
        except (sqlite3.Error, OSError, ValueError) as error:
            self._damaged(f"{type(error).__name__}: {error}")

    def _damaged(self, what: str) -> NoReturn:
        raise StoreDamaged(
            f"{self.directory}: {what}. Nothing was asked live in its place. Look with "
            "`butfor cache verify`; restore the folder from a backup, or choose another with --cache"
        )


def _checksum(name: str, text: str) -> str:
    return blake2b(f"{name}\0{text}".encode(errors="surrogatepass"), digest_size=_CHECKSUM_DIGITS // 2).hexdigest()


def _seal(name: str, text: str) -> str:
    return _checksum(name, text) + text
