"""Rows in Redis: `RedisRows`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from butfor.cache.errors import StoreDamaged

_PREFIX = "butfor:"
_LATEST = f"{_PREFIX}asked"
_KEPT = 200
_RETRIES = 6

_ADD = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i], 'NX') end
redis.call('SET', KEYS[1], ARGV[1])
for i = #KEYS + 1, #ARGV do
  redis.call('LPUSH', ARGV[i], KEYS[1])
  redis.call('LTRIM', ARGV[i], 0, 199)
end
return 1
"""
_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisRows:
    """Texts by name in one database of a Redis server, under `butfor:`."""

    def __init__(self, address: str) -> None:
        try:
            import redis
            from redis.backoff import ExponentialBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise StoreDamaged("a store in Redis needs the extra: pip install 'butfor[redis]'") from error
        self._error = redis.RedisError
        self._client: Any = self._do(
            lambda: redis.Redis.from_url(
                address,
                decode_responses=True,
                retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), _RETRIES),
                retry_on_error=[redis.ConnectionError, redis.TimeoutError],
                socket_timeout=30,
                socket_connect_timeout=10,
            )
        )
        self._do(self._client.ping)
        self._add, self._lease, self._release = map(self._client.register_script, (_ADD, _LEASE, _RELEASE))

    def get(self, name: str) -> str | None:
        """The text under a name."""
        found = self._do(lambda: self._client.get(_PREFIX + name))
        return None if found is None else str(found)

    def put(self, name: str, text: str) -> None:
        """Put a text under a name, whatever was there."""
        self._do(lambda: self._client.set(_PREFIX + name, text))

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of the names that nothing is under."""

        def ask() -> list[int]:
            with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.exists(_PREFIX + name)
                return list(pipe.execute())

        there = self._do(ask) if names else []
        return [name for name, found in zip(names, there, strict=True) if not found]

    def add(self, first: str, rows: Mapping[str, str], ends: Sequence[str]) -> bool:
        """Write all rows at once, or none where the first is there."""
        names = [first, *(name for name in rows if name != first)]
        lists = [_LATEST, *(f"{_PREFIX}end/{end}" for end in ends)]
        keys, values = [_PREFIX + name for name in names], [*(rows[name] for name in names), *lists]
        return bool(self._do(lambda: self._add(keys=keys, args=values)))

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so."""
        for kind in (prefix,) if prefix else ("answer/", "call/", "message/", "note/"):
            found = self._do(partial(self._scan, kind))
            yield from (name.removeprefix(_PREFIX) for name in sorted(found))

    def likes(self, ends: Sequence[str]) -> list[str]:
        """Names of first rows that were added with one of these ends, and of the latest."""
        lists = [*(f"{_PREFIX}end/{end}" for end in ends), _LATEST]
        found = [name for kept in lists for name in self._do(partial(self._client.lrange, kept, 0, _KEPT))]
        return [name.removeprefix(_PREFIX) for name in dict.fromkeys(found)]

    def lease(self, name: str, token: str, seconds: float) -> bool:
        """Take or renew a lease, by the server's clock."""
        key = f"{_PREFIX}lease/{name}"
        return bool(self._do(lambda: self._lease(keys=[key], args=[token, max(1, int(seconds * 1_000))])))

    def release(self, name: str, token: str) -> None:
        """End the lease if it is the token's."""
        self._do(lambda: self._release(keys=[f"{_PREFIX}lease/{name}"], args=[token]))

    def clear(self) -> None:
        """Forget everything."""

        def forget() -> None:
            for key in self._client.scan_iter(f"{_PREFIX}*", count=1_000):
                self._client.unlink(key)

        self._do(forget)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _scan(self, kind: str) -> set[str]:
        return set(self._client.scan_iter(f"{_PREFIX}{kind}*", count=1_000))

    def _do(self, operation: Callable[[], Any]) -> Any:
        try:
            return operation()
        except (self._error, ValueError) as error:
            raise StoreDamaged(
                f"the store in Redis failed: {type(error).__name__}: {error}. Nothing was asked live in its place; "
                "what was stored is there again when the server is"
            ) from error
