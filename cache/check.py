"""Whether a store's database holds what was written to it: every row read once, in the order of their keys."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from .asked import Sql
from .call import Completion, Message
from .errors import StoreDamaged
from .rows import digests_of, from_text
from .sealed import TextDisk, unsealed

Progress = Callable[[int, int], object]
"""Told how many rows were read, and how many there are."""

_PAGE = 1_000


def pages(sql: Sql, columns: str, prefix: str = "") -> Iterator[list[tuple[Any, ...]]]:
    """The rows whose keys begin with a prefix, keys first, a page at a time, so that no writer waits.

    Raises:
        StoreDamaged: a key is not text.
    """
    for odd in ("key >= x''", "key < ''", "key IS NULL"):
        if sql(f"SELECT 1 FROM Cache WHERE {odd} LIMIT 1").fetchall():  # noqa: S608
            raise StoreDamaged("the store holds a key that is not text; it was not written by butfor")
    last, end = prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"
    query = f"SELECT key, {columns} FROM Cache WHERE key > ? AND key < ? ORDER BY key LIMIT {_PAGE}"  # noqa: S608
    while page := sql(query, (last, end)).fetchall():
        last = page[-1][0]
        yield page


def problems(sql: Sql, disk: TextDisk, progress: Progress | None = None) -> Iterator[str]:
    """What is wrong, one sentence each.

    Every row is read by way of the index of keys, whose every entry is so compared with the table: what SQLite's slow
    `integrity_check` would do beyond the quick one.
    """
    try:
        for (said,) in sql("PRAGMA quick_check").fetchall():
            if said != "ok":
                yield f"database: {said}"
        ((total,),) = sql("SELECT count(*) FROM Cache NOT INDEXED").fetchall()
        yield from _rows(sql, disk, total, progress)
    except (sqlite3.Error, StoreDamaged) as error:
        yield f"database: {error}"


def _rows(sql: Sql, disk: TextDisk, total: int, progress: Progress | None) -> Iterator[str]:
    answers: set[str] = set()
    wanted: dict[str, str] = {}
    read = 0
    for page in pages(sql, "raw, mode, filename, expire_time, value"):
        for name, *columns in page:
            kind, _, key = name.partition("/")
            try:
                text = _text(disk, name, *columns)
                if kind == "answer":
                    from_text(Completion, text)
                elif kind == "message":
                    from_text(Message, text)
                elif kind == "call":
                    wanted.update(dict.fromkeys(digests_of(json.loads(text)), name))
            except StoreDamaged as error:
                yield str(error)
            except (ValidationError, ValueError, AttributeError) as error:
                yield f"{name} is not {'an' if kind == 'answer' else 'a'} {kind}: {error}"
            if kind == "answer":
                answers.add(key)
            elif kind == "call" and key not in answers:
                yield f"answer/{key} is gone"
            elif kind == "call":
                answers.discard(key)
            elif kind == "message":
                wanted.pop(key, None)
        read += len(page)
        if progress:
            progress(read, total)
    if read < total:
        yield f"database: {total - read} rows are not found by their keys"
    yield from (f"call/{key} is missing beside its answer" for key in sorted(answers))
    yield from (f"{name}: message/{digest} is missing" for digest, name in wanted.items())


def _text(disk: TextDisk, name: str, raw: object, mode: int, filename: object, expires: object, value: object) -> str:
    try:
        disk.get(name, raw)
        sealed = disk.fetch(mode, filename, value, False)
    except StoreDamaged as error:
        raise StoreDamaged(f"{name} cannot be read: {error}") from error
    if expires is not None:
        raise StoreDamaged(f"{name} was given an end that butfor never gives")
    return unsealed(name, sealed)
