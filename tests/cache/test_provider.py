"""The chain of providers: asked once, kept for good, never past a limit, never live where it must not be."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from butfor.cache.call import Call, Completion, Message, Tool, Usage, answer
from butfor.cache.disk import DiskStore
from butfor.cache.errors import BudgetExceeded, CacheMiss, ProviderError, StoreDamaged
from butfor.cache.provider import Budget, Cached, Metered, Offline, Price, Provider, Remembered, Routed, Spent
from butfor.cache.scripted import Scripted
from butfor.cache.store import CallStore, MemoryStore, Tapped

CALL = Call(model="openai:a", messages=(Message(role="user", content="What now?"),))


class Numbered:
    """Answers every call with its own number."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def complete(self, call: Call) -> Completion:
        with self._lock:
            self.calls.append(call)
            return answer(str(len(self.calls)), usage=Usage(input_tokens=10, output_tokens=5))


class Failing:
    """Fails, always or so many times."""

    def __init__(self, times: int = 1_000) -> None:
        self.times = times

    def complete(self, call: Call) -> Completion:
        self.times -= 1
        if self.times >= 0:
            raise ProviderError("the server is on fire")
        return answer("well again")


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CallStore]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        with closing(DiskStore(tmp_path / "answers")) as opened:
            yield opened


def texts(provider: Provider, *calls: Call) -> list[str]:
    return [provider.complete(call).text for call in calls]


def test_the_n_th_identical_call_of_a_run_gets_the_n_th_answer_today_and_tomorrow(store: CallStore) -> None:
    live = Numbered()
    assert texts(Cached(live, store), CALL, CALL, CALL) == ["1", "2", "3"]
    assert texts(Cached(live, store), CALL, CALL, CALL) == ["1", "2", "3"]
    assert len(live.calls) == 3


def test_a_repeat_is_a_new_sample_today_and_the_same_one_tomorrow(store: CallStore) -> None:
    live = Numbered()
    first = [texts(Cached(live, store, sample=n), CALL)[0] for n in range(4)]
    assert first == ["1", "2", "3", "4"]
    assert [texts(Cached(live, store, sample=n), CALL)[0] for n in range(4)] == first
    assert len(live.calls) == 4


def test_repeats_and_occurrences_are_asked_with_seeds_of_their_own(store: CallStore) -> None:
    live = Numbered()
    for sample in range(3):
        texts(Cached(live, store, sample=sample), CALL, CALL)
    seeds = Counter(call.params["seed"] for call in live.calls)
    assert len(seeds) == 6
    texts(Cached(live, store), CALL.model_copy(update={"params": {"seed": 7}}))
    assert live.calls[-1].params == {"seed": 7}


def test_a_sandbox_is_not_seeded(store: CallStore) -> None:
    live = Numbered()
    Cached(live, store).complete(CALL.model_copy(update={"model": "sandbox:python"}))
    assert live.calls[0].params == {}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "openai:b"},
        {"params": {"tool_choice": "none"}},
        {"params": {"temperature": 1}},
        {"tools": (Tool(name="add"),)},
        {"messages": (Message(role="user", content="What now? "),)},
    ],
)
def test_another_question_is_never_served_with_a_stored_answer(store: CallStore, change: dict[str, Any]) -> None:
    live = Numbered()
    assert texts(Cached(live, store), CALL, CALL.model_copy(update=change)) == ["1", "2"]


def test_the_order_of_parameters_does_not_matter(store: CallStore) -> None:
    live = Numbered()
    one = CALL.model_copy(update={"params": {"temperature": 0, "stop": {"a": 1, "b": 2}}})
    other = CALL.model_copy(update={"params": {"stop": {"b": 2, "a": 1}, "temperature": 0}})
    assert texts(Cached(live, store), one) == texts(Cached(live, store), other) == ["1"]


def test_where_an_answer_came_from(store: CallStore) -> None:
    assert Cached(Numbered(), store).complete(CALL).origin == "live"
    assert Cached(Numbered(), store).complete(CALL).origin == "cached"


def test_a_failure_is_never_stored(store: CallStore) -> None:
    live = Failing(times=1)
    with pytest.raises(ProviderError, match="on fire"):
        Cached(live, store).complete(CALL)
    assert list(store.calls()) == []
    assert Cached(live, store).complete(CALL).text == "well again"


def test_a_damaged_store_is_no_reason_to_ask(tmp_path: Path) -> None:
    live = Numbered()
    with closing(DiskStore(tmp_path / "answers")) as store:
        Cached(live, store).complete(CALL)
        store._cache.set(f"answer/{CALL.key()}", "rubbish")
        with pytest.raises(StoreDamaged):
            Cached(live, store).complete(CALL)
    assert len(live.calls) == 1


def test_the_first_answer_stored_is_the_one_that_is_given(store: CallStore) -> None:
    def slow(call: Call) -> str:
        store.add(call.model_copy(update={"params": {}}).key(), CALL, answer("quicker"))
        return "slower"

    assert Cached(Scripted(slow), store).complete(CALL).text == "quicker"


def test_identical_misses_of_threads_make_one_live_call(store: CallStore) -> None:
    barrier, live = threading.Barrier(8), Numbered()

    def run(_: int) -> str:
        mine = Cached(live, store)
        barrier.wait()
        return mine.complete(CALL).text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(8))) == ["1"] * 8
    assert len(live.calls) == 1


def test_different_misses_are_asked_side_by_side() -> None:
    together = threading.Barrier(4, timeout=10)

    def meet(call: Call) -> str:
        together.wait()
        return call.model

    provider = Cached(Scripted(meet), MemoryStore())
    calls = [CALL.model_copy(update={"model": f"openai:{n}"}) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert [c.text for c in pool.map(provider.complete, calls)] == [call.model for call in calls]


def test_remembered_gives_equal_questions_one_answer(store: CallStore) -> None:
    live = Numbered()
    assert texts(Remembered(live, store), CALL, CALL) == ["1", "1"]


def test_tapped_counts_what_was_there_and_notes_what_was_used(store: CallStore) -> None:
    tapped = Tapped(store)
    texts(Cached(Numbered(), tapped), CALL, CALL)
    assert (tapped.hits, len(tapped.used)) == (0, 2)
    texts(Cached(Numbered(), tapped), CALL)
    assert (tapped.hits, len(tapped.used)) == (1, 2)
    assert tapped.used == {CALL.key(occurrence=n) for n in range(2)}
    assert len(list(tapped.calls())) == 2


class Limit(NamedTuple):
    """A budget, and how many calls of 10 + 5 tokens at $1 and $2 a million it allows."""

    budget: Budget
    calls: int
    says: str


@pytest.mark.parametrize(
    "limit",
    [
        Limit(Budget(calls=3), 3, "3 live calls is used up; raise --max-calls"),
        Limit(Budget(calls=0), 0, "--max-calls"),
        Limit(Budget(tokens=45), 3, "--max-total-tokens"),
        Limit(Budget(dollars=0.00006), 3, "--max-cost"),
    ],
)
def test_the_call_that_would_pass_a_limit_is_not_made(limit: Limit) -> None:
    live = Numbered()
    metered = Metered(live, limit.budget, prices={"openai:a": Price(input=1, output=2)})
    for _ in range(limit.calls):
        metered.complete(CALL)
    with pytest.raises(BudgetExceeded, match=limit.says):
        metered.complete(CALL)
    assert len(live.calls) == limit.calls


def test_parallel_calls_do_not_pass_a_limit_together() -> None:
    done = threading.Event()
    metered = Metered(Scripted(lambda call: str(done.wait(10))), Budget(tokens=250))
    call = CALL.model_copy(update={"params": {"max_tokens": 100}})
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(metered.complete, call) for _ in range(6)]
        refused = list(islice(as_completed(asked), 4))
        done.set()
    assert all(isinstance(future.exception(), BudgetExceeded) for future in refused)
    assert metered.spent.calls == 2


def test_tokens_count_against_a_budget_though_nobody_reports_them() -> None:
    live = Scripted(lambda call: "x" * 400)
    metered = Metered(live, Budget(tokens=300))
    for _ in range(3):
        metered.complete(CALL)
    with pytest.raises(BudgetExceeded):
        metered.complete(CALL)
    assert metered.spent.input_tokens == metered.spent.output_tokens == 0


def test_what_was_spent() -> None:
    metered = Metered(Numbered(), prices={"openai:a": Price(input=2, output=4)})
    for _ in range(3):
        metered.complete(CALL)
    spent = metered.spent
    assert (spent.calls, spent.input_tokens, spent.output_tokens) == (3, 30, 15)
    assert spent.dollars == pytest.approx(3 * (20 + 20) / 1e6)
    assert spent.seconds >= 0


def test_a_price_that_is_not_known_is_not_guessed() -> None:
    metered = Metered(Numbered())
    metered.complete(CALL)
    assert metered.spent.dollars is None
    assert Metered(Numbered()).spent == Spent()


def test_a_budget_in_money_needs_a_price() -> None:
    live = Numbered()
    with pytest.raises(BudgetExceeded, match=r"--price openai:a=IN/OUT"):
        Metered(live, Budget(dollars=1)).complete(CALL)
    assert live.calls == []


def test_a_call_that_failed_was_made() -> None:
    metered = Metered(Failing(), Budget(calls=2))
    for _ in range(2):
        with pytest.raises(ProviderError):
            metered.complete(CALL)
    with pytest.raises(BudgetExceeded):
        metered.complete(CALL)
    assert metered.spent.calls == 2


def test_offline_refuses_and_shows_the_nearest_answer(store: CallStore) -> None:
    live = Numbered()
    Cached(live, store).complete(CALL.model_copy(update={"agent": "Ann"}))
    other = Call(model="openai:a", messages=(Message(role="user", content="What then?"),), agent="Ann")
    with pytest.raises(CacheMiss) as caught:
        Cached(Offline(store.calls), store).complete(other)
    said = str(caught.value)
    assert "no stored answer for Ann (openai:a)" in said
    assert "-What now?" in said
    assert "+What then?" in said
    assert "seed" not in said


def test_offline_says_when_only_the_repeat_is_another(store: CallStore) -> None:
    Cached(Numbered(), store).complete(CALL)
    with pytest.raises(CacheMiss, match=r"the same call of .* is stored, but not as often"):
        Cached(Offline(store.calls), store, sample=1).complete(CALL)


def test_offline_with_nothing_at_hand() -> None:
    with pytest.raises(CacheMiss, match="nothing is stored at all"):
        Offline().complete(CALL)


def test_routed_connects_to_each_model_once() -> None:
    connected: list[str] = []

    def connect(model: str) -> Provider:
        connected.append(model)
        return Scripted(lambda call: model)

    routed = Routed(connect)
    calls = [CALL.model_copy(update={"model": f"openai:{n % 2}"}) for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert [c.text for c in pool.map(routed.complete, calls)] == [call.model for call in calls]
    assert sorted(connected) == ["openai:0", "openai:1"]


def test_routed_tries_again_where_connecting_failed() -> None:
    attempts: list[Callable[[str], Provider]] = [_unreachable, lambda model: Scripted(lambda call: "there")]
    routed = Routed(lambda model: attempts.pop(0)(model))
    with pytest.raises(ProviderError):
        routed.complete(CALL)
    assert routed.complete(CALL).text == "there"


def _unreachable(model: str) -> Provider:
    raise ProviderError(f"{model} cannot be reached")


def test_an_interrupt_while_asking_ends_the_flight(store: CallStore) -> None:
    class Interrupted:
        def complete(self, call: Call) -> Completion:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cached(Interrupted(), store).complete(CALL)
    with ThreadPoolExecutor(1) as pool:  # another thread, which shares no lock with this one
        said = pool.submit(Cached(Scripted(["yes"]), store).complete, CALL).result(timeout=10)
    assert said.text == "yes"
