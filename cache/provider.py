"""Who answers calls: the `Provider` protocol and the wrappers that make a chain of it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from pydantic import Field

from .call import Call, Completion, Frozen
from .errors import BudgetExceeded, CacheMiss
from .nearest import explain
from .store import CallStore


class Provider(Protocol):
    """Anything that answers calls: a live model, a script, a recording, a wrapper around one of them."""

    def complete(self, call: Call) -> Completion:
        """Answer one call.

        Raises:
            CallError: the call could not be answered; nothing was stored.
        """
        ...


class Cached:
    """Answers from a store; asks the provider once for what is missing, and the first answer stored wins.

    One instance serves one run: it counts identical calls, so that the n-th of them gets the n-th answer.
    `sample` is the repeat of the run (from 0): a repeat is a new draw today and the same draw tomorrow. It
    also seeds the provider, where the call names no seed, because a server with a fixed seed of its own
    repeats itself.
    """

    def __init__(self, provider: Provider, store: CallStore, *, sample: int = 0) -> None:
        self._provider = provider
        self._store = store
        self._sample = sample
        self._seen: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def complete(self, call: Call) -> Completion:
        """Answer from the store, or ask, store and answer with what was stored first."""
        with self._lock:
            occurrence = self._seen[call.content_key]
            self._seen[call.content_key] += 1
        key = call.key(occurrence=occurrence, sample=self._sample)
        stored = self._store.get(key)
        if stored is not None:
            return stored
        with self._store.flight(key):
            stored = self._store.get(key)
            if stored is not None:
                return stored
            fresh = self._provider.complete(self._seeded(call, occurrence))
            winner = self._store.add(key, call.asked_by(None), fresh)
        return fresh if winner == fresh.as_stored() else winner

    def _seeded(self, call: Call, occurrence: int) -> Call:
        if "seed" in call.params or call.model.startswith("sandbox:"):
            return call
        seed = self._sample * 1000 + occurrence
        return call.model_copy(update={"params": {**call.params, "seed": seed}})


class Remembered:
    """Gives equal calls one answer, however often they are asked: for questions that belong to no run."""

    def __init__(self, provider: Provider, store: CallStore) -> None:
        self._provider = provider
        self._store = store

    def complete(self, call: Call) -> Completion:
        """Answer from the store, or ask once."""
        return Cached(self._provider, self._store).complete(call)


class Price(Frozen):
    """What a model costs, in dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Budget(Frozen):
    """Limits on live calls; `None` means no limit."""

    calls: int | None = Field(default=None, ge=0)
    tokens: int | None = Field(default=None, ge=0)
    """Input and output together."""
    dollars: float | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, ge=0)
    """Since the first call; a call that has begun is waited for."""


class Spent(NamedTuple):
    """What live calls have cost so far."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = 0.0
    """`None` as soon as a call's price is not known."""
    seconds: float = 0.0
    """Time spent waiting for live answers, summed over parallel calls."""


class Metered:
    """Counts every live call and refuses the one that would pass the budget.

    The size of a call is estimated before it is made (four characters a token, and `max_tokens` of output
    where given) and corrected by what the provider reports, so that parallel calls cannot pass a limit
    together. Where it reports nothing, four characters are a token to the budget.
    """

    def __init__(
        self, provider: Provider, budget: Budget | None = None, *, prices: Mapping[str, Price] | None = None
    ) -> None:
        self._provider = provider
        self._budget = budget or Budget()
        self._prices = prices or {}
        self._lock = threading.Lock()
        self._spent = Spent()
        self._unreported = 0
        self._pending: Counter[str] = Counter()
        self._pending_dollars = 0.0
        self._began: float | None = None

    @property
    def spent(self) -> Spent:
        """What the live calls have cost so far."""
        with self._lock:
            return self._spent

    def complete(self, call: Call) -> Completion:
        """Ask the provider, within the budget.

        Raises:
            BudgetExceeded: the call was not made, because it would pass a limit.
        """
        estimate = _estimate(call)
        cost = self._dollars(call.model, estimate[0], estimate[1])
        self._reserve(call, sum(estimate), cost)
        started = time.monotonic()
        completion = None
        try:
            completion = self._provider.complete(call)
            return completion
        finally:
            self._settle(call, completion, estimate, cost, time.monotonic() - started)

    def _reserve(self, call: Call, tokens: int, dollars: float | None) -> None:
        with self._lock:
            budget, spent = self._budget, self._spent
            self._began = self._began or time.monotonic()
            if budget.seconds is not None and time.monotonic() - self._began > budget.seconds:
                raise BudgetExceeded(f"the budget of {budget.seconds:g} seconds is used up; raise --max-time")
            used = spent.input_tokens + spent.output_tokens + self._unreported + self._pending["tokens"]
            if budget.calls is not None and spent.calls + self._pending["calls"] >= budget.calls:
                raise BudgetExceeded(f"the budget of {budget.calls} live calls is used up; raise --max-calls")
            if budget.tokens is not None and used + tokens > budget.tokens:
                raise BudgetExceeded(
                    f"the next call (about {tokens} tokens) would pass the budget of {budget.tokens} tokens, "
                    f"{used} used; raise --max-total-tokens"
                )
            if budget.dollars is not None:
                if dollars is None or spent.dollars is None:
                    raise BudgetExceeded(
                        f"a budget in money needs the price of {call.model}; "
                        f"give --price {call.model}=IN/OUT (dollars per million tokens)"
                    )
                if spent.dollars + self._pending_dollars + dollars > budget.dollars:
                    raise BudgetExceeded(
                        f"the next call (about ${dollars:.4f}) would pass the budget of "
                        f"${budget.dollars:.2f}, ${spent.dollars:.4f} spent; raise --max-cost"
                    )
            self._pending.update(calls=1, tokens=tokens)
            self._pending_dollars += dollars or 0.0

    def _settle(
        self,
        call: Call,
        completion: Completion | None,
        estimate: tuple[int, int],
        dollars: float | None,
        seconds: float,
    ) -> None:
        usage = completion.usage if completion else None
        cost = self._dollars(call.model, usage.input_tokens, usage.output_tokens) if usage else dollars
        with self._lock:
            if completion and usage is None:
                self._unreported += estimate[0] + len(completion.text) // 4 + 1
            self._pending.subtract({"calls": 1, "tokens": sum(estimate)})
            self._pending_dollars -= dollars or 0.0
            spent = self._spent
            self._spent = Spent(
                spent.calls + 1,
                spent.input_tokens + (usage.input_tokens if usage else 0),
                spent.output_tokens + (usage.output_tokens if usage else 0),
                None if cost is None or spent.dollars is None else spent.dollars + cost,
                spent.seconds + seconds,
            )

    def _dollars(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        price = self._prices.get(model)
        return None if price is None else (price.input * input_tokens + price.output * output_tokens) / 1e6


def _estimate(call: Call) -> tuple[int, int]:
    limit = call.params.get("max_tokens") or call.params.get("max_completion_tokens")
    return sum(len(m.text) for m in call.messages) // 4 + 1, limit if isinstance(limit, int) else 0


class Offline:
    """Answers nothing: every call is an error that shows the nearest answer there is.

    `stored` is the store of the answers at hand, or yields their calls; it is only read when a call misses.
    """

    def __init__(self, stored: CallStore | Callable[[], Iterable[Call]] | None = None) -> None:
        self._stored = stored

    def complete(self, call: Call) -> Completion:
        """Refuse.

        Raises:
            CacheMiss: always.
        """
        why = explain(call, self._near(call))
        raise CacheMiss(f"no stored answer for {call.agent or 'a call'} ({call.model}), and live calls are off\n{why}")

    def _near(self, call: Call) -> Iterable[Call]:
        if self._stored is None:
            return ()
        return self._stored() if callable(self._stored) else self._stored.likes(call)


class Routed:
    """Sends each call to the provider that its `provider:model` names, connecting to each only once."""

    def __init__(self, connect: Callable[[str], Provider]) -> None:
        self._connect = connect
        self._connected: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def complete(self, call: Call) -> Completion:
        """Ask the model that the call names.

        Raises:
            ProviderError: no provider has that name, or it could not be reached.
        """
        with self._lock:
            provider = self._connected.get(call.model)
            if provider is None:
                provider = self._connected[call.model] = self._connect(call.model)
        return provider.complete(call)
