"""Tasks side by side that end when they say: `Workers`."""

import threading
from collections.abc import Callable, Iterable, Iterator

from butfor.cache.errors import CallError


class Stopped(CallError):  # noqa: N818 - it says what happened
    """A run was given up, because another one of the same batch failed or the person stopped it."""


class Workers:
    """Runs tasks in threads; after the first error no further task and no further live call begins.

    When `run` returns or raises, no task is running any more. The error raised is that of the earliest task, whatever
    the order in which they ended.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = max(1, jobs)
        self._stop = threading.Event()

    def check(self) -> None:
        """Give up where the batch is being stopped; called before every live call.

        Raises:
            Stopped: it is.
        """
        if self._stop.is_set():
            raise Stopped("the batch was stopped before this call was made")

    def run(self, tasks: Iterable[Callable[[], object]]) -> None:
        """Run every task, or end with the first error once everything that had begun has ended."""
        listed = list(tasks)
        if min(self._jobs, len(listed)) <= 1 or threading.current_thread() is not threading.main_thread():
            for task in listed:
                task()
            return
        self._stop.clear()
        errors: dict[int, BaseException] = {}
        queue = iter(list(enumerate(listed)))
        lock = threading.Lock()
        threads = [
            threading.Thread(target=self._work, args=(queue, lock, errors), daemon=True)
            for _ in range(min(self._jobs, len(listed)))
        ]
        try:
            self._wait(threads)
        finally:
            self._stop.clear()
        if errors:
            raise errors[min(errors)]

    def _wait(self, threads: list[threading.Thread]) -> None:
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C: whatever is under way is waited for, and nothing new begins
            self._stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise

    def _work(
        self,
        queue: Iterator[tuple[int, Callable[[], object]]],
        lock: "threading.Lock",
        errors: dict[int, BaseException],
    ) -> None:
        while not self._stop.is_set():
            with lock:
                place, task = next(queue, (0, None))
            if task is None:
                return
            try:
                task()
            except Stopped:
                return
            except BaseException as error:  # raised again by `run`
                with lock:
                    errors[place] = error
                self._stop.set()
                return
