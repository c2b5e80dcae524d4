"""Answers kept on disk, shared by threads and processes: `DiskStore`, on diskcache.

Three kinds of rows, each under a checksum that is verified on every read (`sealed`): `answer/KEY` (a completion),
`call/KEY` (what was asked, its messages by digest) and `message/DIGEST` (each message once, however many histories
hold it). A row that is cut short, changed or moved to another key is an error that names it, never an answer and
never a miss.
"""

import errno
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

import diskcache
from filelock import FileLock

from . import asked
from .call import Call, Completion
from .check import Progress, pages, problems
from .errors import StoreDamaged
from .high_water import HighWater
from .rows import Reads, as_text, packed, to_row
from .sealed import TextDisk, seal, unsealed

_MARK = "butfor-store.json"
_FORMAT = 1
_INSERT = """
INSERT OR IGNORE INTO Cache(key, raw, store_time, access_time, size, mode, value)
VALUES (?, 1, ?, ?, 0, ?, ?)
"""
_HINTS = {
    sqlite3.SQLITE_READONLY: " (it is read-only here: look at its permissions)",
    sqlite3.SQLITE_BUSY: " (another program has it locked, or its file system has no locks)",
    sqlite3.SQLITE_FULL: " (nothing of this call was kept, all before it was: make room)",
}
_AT_ONCE = 500
"""Keys in one query; SQLite takes 999 values at least."""


class Info(NamedTuple):
    """What a store holds."""

    directory: str
    answers: int
    messages: int
    bytes: int
    """On disk."""


class DiskStore(Reads):
    """A store in a directory.

    Raises:
        StoreDamaged: the directory cannot be used, or its database was lost or cannot be read.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._locks = self.directory / "locks"
        self._thread_locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        with self._guarded():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._locks.mkdir(mode=0o700, exist_ok=True)
            self._written = HighWater(self.directory / "written")
            with self._lock("open"):
                self._cache = self._opened()
                self._nothing_lost()

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        """Store call and answer in one transaction, so that a killed process leaves both or neither."""
        stored = completion.as_stored()
        answered = as_text(stored)
        row, messages = to_row(call)
        asked_row = json.dumps(
            {**row, "messages": packed([m._digest.hex() for m in call.messages])}, separators=(",", ":")
        )
        with self._guarded():
            with self._transaction() as sql:
                fresh = self._insert(sql, {f"answer/{key}": answered}) == 1
                if fresh:
                    number = asked.note(sql, key, call)
                    self._insert(sql, {f"call/{key}": asked_row})
                    missing = self._missing(sql, [f"message/{digest}" for digest in messages])
                    self._insert(sql, {n: as_text(messages[n[8:]]) for n in missing})
            if fresh:
                self._written.raise_to(number)
                return stored
        return self._found(key)

    @contextmanager
    def flight(self, key: str) -> Iterator[None]:
        """A lock among threads and processes; the kernel frees it where a process dies."""
        stripe = key[:3]
        with self._guard:
            ours = self._thread_locks.setdefault(stripe, threading.Lock())
        with ours:
            lock = self._lock(stripe)
            try:
                with self._guarded():
                    lock.acquire()
                yield
            finally:  # an interrupt may come between the two
                lock.release(force=True)

    def likes(self, call: Call) -> Iterator[Call]:
        """The stored calls most like one, for explaining a miss: a few, found without reading the others."""
        with self._guarded():
            keys = asked.likes(self._cache._sql, call)
        return self._likest(call, keys)

    def info(self) -> Info:
        """Counts and size."""
        with self._guarded():
            size = sum(f.stat().st_size for f in self.directory.glob("cache.db*"))
            return Info(str(self.directory), self._count("answer"), self._count("message"), size)

    def verify(self, *, progress: Progress | None = None) -> list[str]:
        """What is wrong with the store, one sentence each; empty where every row is what was written.

        `progress` is told how many rows were read and how many there are.
        """
        with self._guarded():
            return [f"{self.directory}: {what}" for what in problems(self._cache._sql, self._cache.disk, progress)]

    def clear(self) -> int:
        """Forget everything; the number of answers forgotten."""
        with self._guarded(), self._transaction() as sql:
            answers = self._count("answer")
            sql("DELETE FROM Asked")
            sql("DELETE FROM Cache")
        return answers

    def note(self, name: str, text: str) -> None:
        """Keep a text beside the answers, replacing what had the name."""
        with self._guarded():
            self._cache.set(f"note/{name}", seal(f"note/{name}", text))

    def close(self) -> None:
        """Give the database's file handles back."""
        try:
            self._cache._sql("PRAGMA busy_timeout = 0")
            self._cache._sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error:
            pass  # another program reads or writes: it will do that when it closes
        self._cache.close()
        self._written.close()

    def _keys(self) -> Iterator[str]:
        with self._guarded():
            for page in pages(self._cache._sql, "raw", "answer/"):
                yield from (self._cache.disk.get(name, raw).removeprefix("answer/") for name, raw in page)

    def _count(self, kind: str) -> int:
        query = "SELECT count(*) FROM Cache WHERE key > ? AND key < ?"
        ((count,),) = self._cache._sql(query, (f"{kind}/", f"{kind}0")).fetchall()
        return int(count)

    @contextmanager
    def _transaction(self) -> Iterator[asked.Sql]:
        sql = self._cache._sql
        with self._writing:  # a queue among threads: SQLite has none, and lets the unlucky wait long
            sql("BEGIN IMMEDIATE")
            try:
                yield sql
                sql("COMMIT")
            except BaseException:
                if self._cache._con.in_transaction:  # a full disk has rolled it back already
                    sql("ROLLBACK")
                raise

    def _insert(self, sql: asked.Sql, texts: dict[str, str]) -> int:
        """Write the rows that are not there; how many."""
        now = time.time()
        rows = [(name, now, now, diskcache.core.MODE_RAW, seal(name, text)) for name, text in texts.items()]
        before = self._cache._con.total_changes
        self._cache._con.executemany(_INSERT, rows)
        return int(self._cache._con.total_changes > before) * len(rows)

    def _missing(self, sql: asked.Sql, names: list[str]) -> list[str]:
        """Those of the rows that are not there, asked for together."""
        found: set[str] = set()
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            query = f"SELECT key FROM Cache WHERE raw = 1 AND key IN ({','.join('?' * len(some))})"  # noqa: S608
            found.update(name for (name,) in sql(query, some))
        return [name for name in names if name not in found]

    def _write(self, name: str, text: str) -> bool:
        with self._transaction() as sql:
            return self._insert(sql, {name: text}) == 1

    def _read(self, name: str) -> str | None:
        try:
            sealed = self._cache.get(name, retry=True)
            return None if sealed is None else unsealed(name, sealed)
        except StoreDamaged as error:
            self._damaged(str(error) if name in str(error) else f"{name} cannot be read: {error}")
        except (sqlite3.Error, OSError, diskcache.Timeout) as error:
            self._damaged(f"{name} cannot be read: {error}")

    def _nothing_lost(self) -> None:
        """Compare what the database says was ever added with what is noted outside of it."""
        asked.prepare(self._cache._sql)
        noted, entered = self._written.read(), asked.entered(self._cache._sql)
        if noted > entered:
            self._cache.close()
            self._damaged(
                f"{noted - entered} answers that were recorded are gone: the end of the database (its write-ahead log "
                "cache.db-wal) was deleted or lost. Put cache.db-wal back, or delete the file `written` in the folder "
                "to go on without them"
            )
        self._written.raise_to(entered)

    def _opened(self) -> diskcache.Cache:
        """The database; made only in a folder that has none, or in which the making of one was cut short."""
        mark, database = self.directory / _MARK, self.directory / "cache.db"
        filled = database.exists() and database.stat().st_size > 0
        if not mark.exists():
            if filled:
                self._damaged(f"the folder holds a database that butfor did not make ({_MARK} is missing)")
            mark.touch(mode=0o600)
        found = mark.read_text()
        if found and json.loads(found) != {"format": _FORMAT}:
            self._damaged("it was written by another version of butfor")
        if found and not filled:
            self._damaged("its database is gone or empty")
        if not database.exists():
            os.close(os.open(database, os.O_CREAT | os.O_WRONLY, 0o600))  # its logs get the same permissions
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
            partial.touch(mode=0o600)
            partial.write_text(json.dumps({"format": _FORMAT}))
            partial.replace(mark)
        return cache

    def _lock(self, name: str) -> FileLock:
        return FileLock(self._locks / f"{name}.lock", mode=0o600, poll_interval=0.01, fallback_to_soft=False)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except diskcache.Timeout:
            self._damaged("it cannot be written to (is it read-only, or locked by another program?)")
        except (sqlite3.Error, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                self._damaged(f"its file system has no locks ({error}); choose a folder on a local disk")
            hint = _HINTS.get(getattr(error, "sqlite_errorcode", -1) & 0xFF, "")
            self._damaged(f"{type(error).__name__}: {error}{hint}")

    def _damaged(self, what: str) -> NoReturn:
        raise StoreDamaged(
            f"{self.directory}: {what}. Nothing was asked live in its place. Look with "
            "`butfor cache verify`; restore the folder from a backup, or choose another with --cache"
        )
