"""A store on a server that many machines share: `SharedStore`.

The rows and their checksums are those of a folder. Identical misses of all machines wait for one lease; its holder
renews it while it asks, and a holder that dies lets it end.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn, Protocol

from butfor.cache.call import Call, Completion
from butfor.cache.errors import StoreDamaged
from butfor.cache.rows import Reads, as_text, packed, to_row
from butfor.cache.sealed import seal, unsealed

_LEASE_SECONDS = 15.0
_POLL_SECONDS = 0.02


class Rows(Protocol):
    """Texts by name on a server; every method may be called again after a lost connection."""

    def get(self, name: str) -> str | None:
        """The text under a name."""
        ...

    def put(self, name: str, text: str) -> None:
        """Put a text under a name, whatever was there."""
        ...

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of the names that nothing is under."""
        ...

    def add(self, first: str, rows: Mapping[str, str], ends: Sequence[str]) -> bool:
        """Write all rows at once, or none where the first is there; `ends` are what the call may be found by."""
        ...

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so."""
        ...

    def likes(self, ends: Sequence[str]) -> list[str]:
        """Names of first rows that were added with one of these ends, and of the latest."""
        ...

    def lease(self, name: str, token: str, seconds: float) -> bool:
        """Take or renew a lease, by the server's clock; whether it is the token's now."""
        ...

    def release(self, name: str, token: str) -> None:
        """End the lease if it is the token's."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...

    def close(self) -> None:
        """Give the connections back."""
        ...


class SharedStore(Reads):
    """A store on a server."""

    def __init__(self, rows: Rows, address: str, *, lease_seconds: float = _LEASE_SECONDS) -> None:
        self._rows = rows
        self.address = address
        """Where it is, without secrets."""
        self._lease_seconds = lease_seconds
        self._stripes = [threading.Lock() for _ in range(256)]

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        """Store call and answer at once; what is returned is the one that was first."""
        stored = completion.as_stored()
        row, messages = to_row(call)
        digests = [message._digest.hex() for message in call.messages]
        texts = {f"answer/{key}": as_text(stored), f"call/{key}": json.dumps({**row, "messages": packed(digests)})}
        for name in self._rows.missing([f"message/{digest}" for digest in messages]):
            texts[name] = as_text(messages[name.removeprefix("message/")])
        sealed = {name: seal(name, text) for name, text in texts.items()}
        if self._rows.add(f"answer/{key}", sealed, digests[-2:]):
            return stored
        return self._found(key)

    @contextmanager
    def flight(self, key: str) -> Iterator[None]:
        """A lease among machines, renewed for as long as it is held."""
        token, over = uuid.uuid4().hex, threading.Event()
        with self._stripes[hash(key) % len(self._stripes)]:
            renewing = threading.Thread(target=self._renew, args=(key, token, over), daemon=True)
            try:
                while not self._rows.lease(key, token, self._lease_seconds):
                    time.sleep(_POLL_SECONDS)
                renewing.start()
                yield
            finally:
                over.set()
                if renewing.ident is not None:
                    renewing.join()
                self._rows.release(key, token)

    def likes(self, call: Call) -> Iterator[Call]:
        """The stored calls most like one, for explaining a miss."""
        ends = [message._digest.hex() for message in call.messages[-3:]]
        return self._likest(call, (name.removeprefix("answer/") for name in self._rows.likes(ends)))

    def verify(self) -> list[str]:
        """What is wrong with the store, one sentence each."""
        problems = []
        for name in self._rows.names(""):
            try:
                self._read(name)
                if name.startswith("answer/"):
                    self.item(name.removeprefix("answer/"))
            except StoreDamaged as error:
                problems.append(str(error))
        return problems

    def clear(self) -> int:
        """Forget everything; the number of answers forgotten."""
        answers = sum(1 for _ in self._rows.names("answer/"))
        self._rows.clear()
        return answers

    def note(self, name: str, text: str) -> None:
        """Keep a text beside the answers, replacing what had the name."""
        self._rows.put(f"note/{name}", seal(f"note/{name}", text))

    def close(self) -> None:
        """Give the connections back."""
        self._rows.close()

    def _renew(self, key: str, token: str, over: threading.Event) -> None:
        while not over.wait(self._lease_seconds / 3):
            try:
                self._rows.lease(key, token, self._lease_seconds)
            except StoreDamaged:
                continue  # the call goes on; whoever asks beside it, the first answer stored stays

    def _keys(self) -> Iterator[str]:
        return (name.removeprefix("answer/") for name in self._rows.names("answer/"))

    def _read(self, name: str) -> str | None:
        sealed = self._rows.get(name)
        try:
            return None if sealed is None else unsealed(name, sealed)
        except StoreDamaged as error:
            self._damaged(str(error))

    def _damaged(self, what: str) -> NoReturn:
        raise StoreDamaged(f"{self.address}: {what}. Nothing was asked live in its place")
