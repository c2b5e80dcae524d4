"""What is going on, on a terminal: calls, cache hits and cost, once a command takes over a second."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from butfor.counterfactual.verdict import Cost

from .report import console, cost_line

_AFTER_SECONDS = 1.0


@contextmanager
def progress(cost: Callable[[], Cost]) -> Iterator[None]:
    """Show the running cost on standard error while the block runs; nothing where that is no terminal."""
    shown = console(error=True)
    if not shown.is_terminal:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        if done.wait(_AFTER_SECONDS):
            return
        with shown.status("") as status:
            while not done.wait(0.2):
                status.update(cost_line(cost()))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
