"""Where answers are kept: the `CallStore` protocol, and `MemoryStore`."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from .call import Call, Completion


class CallStore(Protocol):
    """Answers by key; the first answer added under a key stays."""

    def get(self, key: str) -> Completion | None:
        """The stored answer, or `None` where there is none.

        Raises:
            StoreDamaged: there is something under the key, and it is not what was written.
        """
        ...

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        """Store the answer unless there is one already; what is returned is the one that is stored."""
        ...

    def flight(self, key: str) -> AbstractContextManager[object]:
        """A lock to hold while the key's answer is fetched, so that identical misses make one live call."""
        ...

    def calls(self) -> Iterator[Call]:
        """Every call that has an answer."""
        ...

    def likes(self, call: Call) -> Iterable[Call]:
        """The stored calls most like one, for explaining a miss."""
        ...

    def item(self, key: str) -> tuple[Call, Completion]:
        """The call and the answer under one key, for packing a case.

        Raises:
            KeyError: there is none.
        """
        ...


@runtime_checkable
class Noting(Protocol):
    """A store that keeps texts beside its answers, such as what the last audit of a run rested on."""

    def note(self, name: str, text: str) -> None:
        """Keep a text, replacing what had the name."""
        ...

    def noted(self, name: str) -> str | None:
        """The text kept under a name; `None` where there is none."""
        ...


class MemoryStore:
    """Answers kept for as long as the process lives."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[Call, Completion]] = {}
        self._flights: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Completion | None:
        """The stored answer, or `None`."""
        found = self._answers.get(key)
        return found and found[1]

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        """Store the answer unless there is one; return the stored one."""
        return self._answers.setdefault(key, (call, completion.as_stored()))[1]

    def flight(self, key: str) -> AbstractContextManager[object]:
        """One lock per key."""
        with self._lock:
            return self._flights.setdefault(key, threading.Lock())

    def calls(self) -> Iterator[Call]:
        """Every call that has an answer."""
        return (call for call, _ in list(self._answers.values()))

    def likes(self, call: Call) -> Iterator[Call]:
        """Every call: memory is quick to read."""
        return self.calls()

    def item(self, key: str) -> tuple[Call, Completion]:
        """The call and the answer under one key.

        Raises:
            KeyError: there is none.
        """
        return self._answers[key]


class Tapped:
    """A store that notes which answers were used."""

    def __init__(self, store: CallStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.hits = 0
        """How often an answer was there already."""
        self.used: set[str] = set()
        """The keys of the answers given out."""

    def get(self, key: str) -> Completion | None:
        """The stored answer, or `None`."""
        found = self._store.get(key)
        if found is not None:
            with self._lock:
                self.hits += 1
                self.used.add(key)
        return found

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        """Store the answer unless there is one; return the stored one."""
        with self._lock:
            self.used.add(key)
        return self._store.add(key, call, completion)

    def flight(self, key: str) -> AbstractContextManager[object]:
        """The store's own lock."""
        return self._store.flight(key)

    def calls(self) -> Iterator[Call]:
        """Every call that has an answer."""
        return self._store.calls()

    def item(self, key: str) -> tuple[Call, Completion]:
        """The call and the answer under one key."""
        return self._store.item(key)

    def likes(self, call: Call) -> Iterable[Call]:
        """The stored calls most like one."""
        return self._store.likes(call)
