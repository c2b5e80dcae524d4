"""What a program reads on its standard input: passed on from butfor's own and kept, or given again."""

import os
import pty
import select
import termios
import threading
from types import TracebackType

_CHUNK_BYTES = 4096
_LARGEST_BYTES = 2**20
_LOOK_SECONDS = 0.05
_END = b"\x04"
_ENDS = 64
"""How often a terminal says that there is no more, since each reader takes one."""
_ECHO = 3
"""The place of the local flags in what termios gives."""


class Typed:
    """The standard input of a program, while it is entered: `given`, or what comes on butfor's own.

    With `terminal` the program sees a terminal, which echoes nothing, because the real one has.
    """

    def __init__(self, given: bytes | None = None, *, terminal: bool = False, source: int = 0) -> None:
        self.kept = b""
        """What has been passed on, the first megabyte of it."""
        self.terminal = terminal
        self._given, self._source = given, source
        self._sink, self.file = pty.openpty() if terminal else os.pipe()[::-1]
        if terminal:
            mode = termios.tcgetattr(self.file)
            mode[_ECHO] &= ~termios.ECHO
            termios.tcsetattr(self.file, termios.TCSANOW, mode)
        os.set_blocking(self._sink, False)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pass_on if given is None else self._give, daemon=True)

    def __enter__(self) -> "Typed":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        os.close(self.file)
        self._close()

    def _pass_on(self) -> None:
        while not self._over.is_set():
            if not select.select([self._source], [], [], _LOOK_SECONDS)[0]:
                continue
            try:
                chunk = os.read(self._source, _CHUNK_BYTES)
            except OSError:
                chunk = b""
            if not chunk:
                self._end(1)
                return
            self.kept = (self.kept + chunk)[:_LARGEST_BYTES]
            self._write(chunk)

    def _give(self) -> None:
        for line in (self._given or b"").splitlines(keepends=True):
            self._write(line)
        self._end(_ENDS)

    def _end(self, times: int) -> None:
        if self.terminal:
            self._write(_END * times)
        else:
            self._close()

    def _write(self, data: bytes) -> None:
        while data and not self._over.is_set():
            if select.select([], [self._sink], [], _LOOK_SECONDS)[1]:
                try:
                    data = data[os.write(self._sink, data) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return  # nobody reads any more

    def _close(self) -> None:
        sink, self._sink = self._sink, -1
        if sink >= 0:
            os.close(sink)
