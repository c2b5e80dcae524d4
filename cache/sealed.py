"""Rows that are what was written: text under a checksum over its own key and content, and never a pickle.

diskcache unpickles whatever its database says is pickled (CVE-2025-69872), so its `Disk` is replaced by one that
knows nothing but text.
"""

from hashlib import blake2b
from typing import Any

import diskcache
from diskcache.core import MODE_RAW

from .errors import StoreDamaged

_CHECKSUM_DIGITS = 32


class TextDisk(diskcache.Disk):  # type: ignore[misc]
    """A `Disk` that keeps `str` under `str` inside the database, and refuses everything else."""

    def put(self, key: object) -> tuple[Any, Any]:
        """Only text is a key."""
        if not isinstance(key, str):
            raise TypeError(f"a key must be text, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """Only a raw text key is a key."""
        if not raw or not isinstance(key, str):
            raise StoreDamaged("the store holds a key that is not text; it was not written by butfor")
        return key

    def store(self, value: object, read: bool, key: object = diskcache.UNKNOWN) -> tuple[int, int, None, str]:
        """Only text is a value; it never leaves the database for a file."""
        if read or not isinstance(value, str):
            raise TypeError(f"a value must be text, not {type(value).__name__}")
        return 0, MODE_RAW, None, value

    def fetch(self, mode: int, filename: object, value: object, read: bool) -> str:
        """Refuse pickles, files and bytes: nothing here was ever stored as one of them."""
        if mode != MODE_RAW or filename is not None or read or not isinstance(value, str):
            raise StoreDamaged("the store holds a row that is not plain text; it was not written by butfor")
        return value


def seal(name: str, text: str) -> str:
    """The text under its checksum."""
    return _checksum(name, text) + text


def unsealed(name: str, sealed: str) -> str:
    """The text again.

    Raises:
        StoreDamaged: it is not what was written under that name.
    """
    checksum, text = sealed[:_CHECKSUM_DIGITS], sealed[_CHECKSUM_DIGITS:]
    if checksum != _checksum(name, text):
        raise StoreDamaged(f"{name} is not what was written (its checksum differs)")
    return text


def _checksum(name: str, text: str) -> str:
    return blake2b(f"{name}\0{text}".encode(errors="surrogatepass"), digest_size=_CHECKSUM_DIGITS // 2).hexdigest()
