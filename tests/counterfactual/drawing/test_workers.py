"""Tasks side by side end when they say: after the first error nothing begins, and nothing is left running."""

import signal
import threading
import time
from functools import partial

import pytest

from butfor.cache.errors import ProviderError
from butfor.counterfactual.drawing.workers import Stopped, Workers


class Calls:
    """Live calls that take a while, and know whether one is under way."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers
        self.begun: list[float] = []
        self.running = 0
        self.lock = threading.Lock()

    def ask(self) -> None:
        self.workers.check()
        with self.lock:
            self.begun.append(time.monotonic())
            self.running += 1
        time.sleep(0.02)
        with self.lock:
            self.running -= 1

    def many(self) -> None:
        for _ in range(50):
            self.ask()


def test_after_the_first_error_no_call_begins_and_none_is_left() -> None:
    workers = Workers(4)
    calls, failed = Calls(workers), list[float]()

    def fails() -> None:
        time.sleep(0.05)
        failed.append(time.monotonic())
        raise ProviderError("down")

    with pytest.raises(ProviderError, match="down"):
        workers.run([calls.many, calls.many, fails, *[calls.many] * 20])
    assert calls.running == 0
    assert calls.begun
    assert max(calls.begun) < failed[0] + 0.02
    begun = len(calls.begun)
    time.sleep(0.06)
    assert len(calls.begun) == begun


def test_the_error_of_the_earliest_task_is_raised() -> None:
    together = threading.Barrier(2)

    def fails(name: str) -> None:
        together.wait(5)
        time.sleep(0.05 if name == "first" else 0)
        raise ProviderError(name)

    with pytest.raises(ProviderError, match="first"):
        Workers(2).run([lambda: fails("first"), lambda: fails("second")])


def test_ctrl_c_ends_what_is_under_way_and_begins_nothing() -> None:
    workers = Workers(3)
    calls = Calls(workers)
    main = threading.main_thread()
    timer = threading.Timer(0.1, lambda: signal.pthread_kill(main.ident or 0, signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        workers.run([calls.many] * 30)
    assert time.monotonic() - began < 1
    assert calls.running == 0
    begun = len(calls.begun)
    time.sleep(0.06)
    assert len(calls.begun) == begun
    timer.join()


def test_a_batch_after_one_that_was_stopped_runs() -> None:
    workers = Workers(2)

    def fails() -> None:
        raise ProviderError("down")

    with pytest.raises(ProviderError):
        workers.run([fails, fails])
    done: list[int] = []
    workers.run([partial(done.append, n) for n in range(5)])
    assert sorted(done) == list(range(5))


def test_a_task_that_was_given_up_is_no_error() -> None:
    """`Stopped` is raised inside a task because of another one; only that other one is told of."""
    workers, ready = Workers(2), threading.Event()

    def waits() -> None:
        ready.set()
        for _ in range(100):
            time.sleep(0.01)
            workers.check()

    def fails() -> None:
        ready.wait(5)
        raise ProviderError("down")

    with pytest.raises(ProviderError) as raised:
        workers.run([waits, fails])
    assert not isinstance(raised.value, Stopped)
