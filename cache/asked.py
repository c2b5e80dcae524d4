"""Which calls a store has answers to: the table that finds a call's likes without reading them all."""

import sqlite3
from collections.abc import Callable

from .call import Call

_LIKES = 40
"""Rows that each way of being alike may bring."""

_TABLE = """
CREATE TABLE Asked (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, agent TEXT, model TEXT, length INTEGER,
    last TEXT, before TEXT
)
"""
_INDEXES = (
    "CREATE INDEX Asked_last ON Asked(last)",
    "CREATE INDEX Asked_before ON Asked(before)",
    "CREATE INDEX Asked_who ON Asked(agent, model, length)",
)
_FILL = """
INSERT INTO Asked(key, agent, model, length, last, before)
SELECT substr(key, 6), row ->> '$.agent', row ->> '$.model', json_array_length(row, '$.messages'),
    row ->> '$.messages[#-1]', row ->> '$.messages[#-2]'
FROM (SELECT rowid, key, CASE WHEN json_valid(substr(value, 33)) THEN substr(value, 33) ELSE '{}' END AS row
      FROM Cache WHERE key >= 'call/' AND key < 'call0' AND typeof(value) = 'text')
ORDER BY rowid
"""
_ADD = "INSERT INTO Asked(key, agent, model, length, last, before) VALUES (?, ?, ?, ?, ?, ?)"

Sql = Callable[..., sqlite3.Cursor]
"""The `execute` of a connection to the store's database."""


def prepare(sql: Sql) -> None:
    """Make the table in a store that has none, with what the store holds already."""
    if not sql("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'Asked'").fetchall():
        sql("BEGIN IMMEDIATE")
        try:
            for statement in (_TABLE, *_INDEXES, _FILL):
                sql(statement)
        except BaseException:
            sql("ROLLBACK")
            raise
        sql("COMMIT")


def note(sql: Sql, key: str, call: Call) -> int:
    """Enter a call; the number of calls that were ever entered."""
    ends = [message._digest.hex() for message in reversed(call.messages[-2:])]
    last, before, *_ = (*ends, None, None)
    return int(
        sql(_ADD, (key, _written(call.agent), _written(call.model), len(call.messages), last, before)).lastrowid or 0
    )


def entered(sql: Sql) -> int:
    """How many calls were ever entered, those forgotten since among them."""
    rows = sql("SELECT seq FROM sqlite_sequence WHERE name = 'Asked'").fetchall()
    return int(rows[0][0]) if rows else 0


def likes(sql: Sql, call: Call) -> list[str]:
    """The keys of calls that may be most like one: by their last messages, by who asks, and the latest."""
    ends = [message._digest.hex() for message in call.messages[-3:]]
    marks = ", ".join("?" * len(ends))
    who = (_written(call.agent), _written(call.model), len(call.messages), _LIKES)
    queries: list[tuple[str, tuple[object, ...]]] = [
        (f"SELECT key FROM Asked WHERE last IN ({marks}) LIMIT ?", (*ends, _LIKES)),  # noqa: S608 - only marks
        (f"SELECT key FROM Asked WHERE before IN ({marks}) LIMIT ?", (*ends, _LIKES)),  # noqa: S608
        ("SELECT key FROM Asked WHERE agent IS ? AND model = ? AND length >= ? ORDER BY length LIMIT ?", who),
        ("SELECT key FROM Asked WHERE agent IS ? AND model = ? AND length < ? ORDER BY length DESC LIMIT ?", who),
        ("SELECT key FROM Asked ORDER BY number DESC LIMIT ?", (5 * _LIKES,)),
    ]
    return list(dict.fromkeys(key for query, values in queries for (key,) in sql(query, values)))


def _written(name: str | None) -> str | None:
    """A name as the database takes it: half an emoji as its escape."""
    return name and name.encode(errors="backslashreplace").decode()
