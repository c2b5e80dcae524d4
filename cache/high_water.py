"""How much was ever written to a store, kept outside of its database: `HighWater`.

SQLite drops what stood in a write-ahead log that somebody deleted, and says nothing. The size of a file of its own,
one byte for each call ever added, says it: `pwrite` at the number of the call can only raise it, in whatever order
threads and processes come by, and it outlives a killed process.
"""

import os
from pathlib import Path


class HighWater:
    """The highest number that was ever written, in the size of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def read(self) -> int:
        """The number; 0 where there is no file."""
        return self._path.stat().st_size if self._path.exists() else 0

    def raise_to(self, number: int) -> None:
        """Note that so many were written.

        Raises:
            OSError: it cannot be noted.
        """
        if number <= 0:
            return
        if self._file < 0:
            self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        os.pwrite(self._file, b".", number - 1)

    def close(self) -> None:
        """Give the file back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
