"""Rows in PostgreSQL: `PostgresRows`."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from butfor.cache.errors import StoreDamaged

_ATTEMPTS = 6
_FIRST_WAIT = 0.05
"""Seconds before the first further attempt; doubled each time."""
_LIKES = 40

_TABLES = """
SELECT pg_advisory_xact_lock(7215604111);
CREATE TABLE IF NOT EXISTS butfor_rows (name text COLLATE "C" PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS butfor_asked (number bigserial PRIMARY KEY, name text NOT NULL, ends text[] NOT NULL);
CREATE INDEX IF NOT EXISTS butfor_asked_ends ON butfor_asked USING gin (ends);
CREATE TABLE IF NOT EXISTS butfor_leases (
    name text COLLATE "C" PRIMARY KEY, token text NOT NULL, until timestamptz NOT NULL
);
"""
_INSERT = "INSERT INTO butfor_rows VALUES (%s, %s) ON CONFLICT DO NOTHING"
_LEASE = """
INSERT INTO butfor_leases AS held VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (name) DO UPDATE SET token = EXCLUDED.token, until = EXCLUDED.until
WHERE held.until < clock_timestamp() OR held.token = EXCLUDED.token RETURNING 1
"""
_ALIKE = "SELECT name FROM butfor_asked WHERE ends && %s::text[] ORDER BY number DESC LIMIT %s"


class PostgresRows:
    """Texts by name in the tables `butfor_*` of a PostgreSQL database; a connection a thread."""

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise StoreDamaged("a store in PostgreSQL needs the extra: pip install 'butfor[postgres]'") from error
        self._psycopg = psycopg
        self._address = address
        self._local = threading.local()
        self._guard = threading.Lock()
        self._connections: list[Any] = []
        self._do(self._prepare)

    def get(self, name: str) -> str | None:
        """The text under a name."""
        rows = self._ask("SELECT value FROM butfor_rows WHERE name = %s", name)
        return str(rows[0][0]) if rows else None

    def put(self, name: str, text: str) -> None:
        """Put a text under a name, whatever was there."""
        update = "INSERT INTO butfor_rows VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value"
        self._do(lambda connection: connection.execute(update, (name, text)))

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of the names that nothing is under."""
        there = {name for (name,) in self._ask("SELECT name FROM butfor_rows WHERE name = ANY(%s)", list(names))}
        return [name for name in names if name not in there]

    def add(self, first: str, rows: Mapping[str, str], ends: Sequence[str]) -> bool:
        """Write all rows at once, or none where the first is there."""

        def write(connection: Any) -> bool:
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(_INSERT, (first, rows[first]))
                if cursor.rowcount != 1:
                    return False
                others = sorted((name, text) for name, text in rows.items() if name != first)
                cursor.executemany(_INSERT, others)  # in one order everywhere, so that no two wait for each other
                cursor.execute("INSERT INTO butfor_asked(name, ends) VALUES (%s, %s)", (first, list(ends)))
                return True

        return bool(self._do(write))

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so."""
        last = ""
        page = "SELECT name FROM butfor_rows WHERE name > %s AND starts_with(name, %s) ORDER BY name LIMIT 1000"
        while rows := self._ask(page, last or prefix, prefix):
            last = rows[-1][0]
            yield from (name for (name,) in rows)

    def likes(self, ends: Sequence[str]) -> list[str]:
        """Names of first rows that were added with one of these ends, and of the latest."""
        alike = self._ask(_ALIKE, list(ends), _LIKES)
        latest = self._ask("SELECT name FROM butfor_asked ORDER BY number DESC LIMIT %s", _LIKES)
        return list(dict.fromkeys(name for (name,) in [*alike, *latest]))

    def lease(self, name: str, token: str, seconds: float) -> bool:
        """Take or renew a lease, by the server's clock."""
        return bool(self._ask(_LEASE, name, token, seconds))

    def release(self, name: str, token: str) -> None:
        """End the lease if it is the token's."""
        statement = "DELETE FROM butfor_leases WHERE name = %s AND token = %s"
        self._do(lambda connection: connection.execute(statement, (name, token)))

    def clear(self) -> None:
        """Forget everything."""
        self._do(lambda connection: connection.execute("TRUNCATE butfor_rows, butfor_asked"))

    def close(self) -> None:
        """Give the connections back."""
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _prepare(self, connection: Any) -> None:
        with connection.transaction():
            connection.execute(_TABLES)

    def _ask(self, query: str, *values: object) -> list[Any]:
        return list(self._do(lambda connection: connection.execute(query, values).fetchall()))

    def _connection(self) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed or connection.broken:
            connection = self._psycopg.connect(self._address, autocommit=True, connect_timeout=10)
            self._local.connection = connection
            with self._guard:
                self._connections = [*(c for c in self._connections if not c.closed), connection]
        return connection

    def _do(self, operation: Callable[[Any], Any]) -> Any:
        """Run it, again on a new connection where the old one was lost: every operation may be done twice."""
        wait = _FIRST_WAIT
        for attempt in range(_ATTEMPTS):
            try:
                return operation(self._connection())
            except (self._psycopg.OperationalError, self._psycopg.InterfaceError) as error:
                if attempt == _ATTEMPTS - 1:
                    self._failed(error)
            except self._psycopg.Error as error:
                self._failed(error)
            time.sleep(wait)
            wait *= 2
        return None

    def _failed(self, error: Exception) -> None:
        raise StoreDamaged(
            f"the store in PostgreSQL failed: {type(error).__name__}: {error}. Nothing was asked live in its place; "
            "what was stored is there again when the server is"
        ) from error
