"""A command run to its end, or until it is stopped; nothing that it started is left running."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from butfor.cache.errors import ProgramFailed

LARGEST_OUTPUT_BYTES = 2 * 2**20
"""How much of an output or of a file is kept."""

_GRACE_SECONDS = 2.0
_OWN_WAY_SECONDS = 1.0
"""How long a program that was interrupted along with butfor gets to end by itself."""
_PARENT_DIED = 1
"""PR_SET_PDEATHSIG."""


class Ran(NamedTuple):
    """How a process ended."""

    status: int
    output: str
    errors: str
    late: bool = False
    """Whether it was ended because its time was over."""
    interrupted: int = 0
    """The signal that butfor got meanwhile; 0 where none."""

    @property
    def cut(self) -> bool:
        """Whether it was ended before its end."""
        return self.late or bool(self.interrupted)


class Stop(threading.Event):
    """Set when a command has to end; `signal` says by which signal, if by one."""

    signal = 0


def carry_out(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    *,
    timeout: float | None,
    stop: threading.Event | None = None,
    shown: bool = False,
    stdin: int | None = None,
) -> Ran:
    """Run a command; `timeout` is in seconds. Where it is `shown`, it has the terminal as it would have without
    butfor, and butfor's signals are its own. `stdin` is a file that it reads from.

    Raises:
        ProgramFailed: it cannot be started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams: dict[str, int | IO[bytes]]
        streams = {"stdout": subprocess.PIPE} if shown else {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
        streams |= {} if stdin is None else {"stdin": stdin}
        try:
            process = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603
                list(command),
                cwd=directory,
                env=dict(environment),
                start_new_session=not shown,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
                **streams,
            )
        except OSError as error:
            raise ProgramFailed(f"{command[0]} cannot be started: {error.strerror or error}") from None
        pump = threading.Thread(target=_pump, args=(process.stdout, out), daemon=True) if shown else None
        if pump:
            pump.start()
        late = _wait(process, timeout, stop)
        if not shown:
            _kill_group(process.pid)
        if pump and process.stdout:
            pump.join(_GRACE_SECONDS)  # something that the program left running may hold its output open
            if not pump.is_alive():
                process.stdout.close()
        number = stop.signal if isinstance(stop, Stop) else 0
        return Ran(process.returncode, _text(out), _text(err), late, number)


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Turn the signals that would end butfor into a stop, while it has something to write down; in the main thread
    only, where Python hears of them.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def heard(number: int, _: object) -> None:
        stop.signal = number
        stop.set()

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PARENT_DIED, signal.SIGKILL)


def _wait(process: "subprocess.Popen[bytes]", timeout: float | None, stop: threading.Event | None) -> bool:
    """Wait for the end; whether the time limit came first."""
    limit = None if timeout is None else time.monotonic() + timeout
    pause = 0.002
    while process.poll() is None:
        over = limit is not None and time.monotonic() > limit
        if over or (stop is not None and stop.is_set()):
            _end(process, stop.signal if isinstance(stop, Stop) else 0)
            return over
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return False


def _end(process: "subprocess.Popen[bytes]", number: int) -> None:
    """End a process and everything below it, gently first."""
    below = list(_descendants(process.pid))
    if number == signal.SIGINT:  # the terminal has interrupted it too, and a second time would break its own way out
        _ended(process, _OWN_WAY_SECONDS)
        below = below if process.poll() is not None else [*below, *_descendants(process.pid)]
    for how in (number or signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(how)
            _ended(process, _GRACE_SECONDS)
    for pid in set(below):
        _kill(pid)


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _descendants(pid: int) -> Iterator[int]:
    """Every process below one, where the system tells."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from _descendants(child)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _pump(source: IO[bytes], out: IO[bytes]) -> None:
    """Show what a program prints, and keep it; it is kept where nobody looks any more, too."""
    seen = True
    while chunk := source.read1(65_536):  # type: ignore[attr-defined]
        out.write(chunk)
        try:
            if seen:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
        except OSError:
            seen = False


def _text(file: IO[bytes]) -> str:
    file.flush()
    file.seek(0)
    return file.read(LARGEST_OUTPUT_BYTES).decode(errors="backslashreplace")
