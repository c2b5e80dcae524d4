"""The file that a recorded program appends its calls to: a JSON object a line, whole lines only.

This module needs nothing but the standard library: the program's side loads it.
"""

import base64
import fcntl
import json
import os
from typing import Any, ClassVar


class Tape:
    """An append-only file that several threads and processes share."""

    _open: ClassVar["dict[str, Tape]"] = {}

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._process = os.getpid()

    @classmethod
    def of(cls, path: str) -> "Tape":
        """The tape at a path; a forked process opens its own, because a lock belongs to an open file."""
        found = cls._open.get(path)
        if found is None or found._process != os.getpid():
            found = cls._open[path] = cls(path)
        return found

    def append(self, entry: "dict[str, Any]") -> None:
        """Write one line; after a line that was cut short, on a new one."""
        line = json.dumps(entry).encode() + b"\n"
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            end = os.lseek(self._file, 0, os.SEEK_END)
            if end and os.pread(self._file, 1, end - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[os.write(self._file, line) :]
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def as_text(name: str, body: bytes) -> "dict[str, Any]":
    """A body as a field: text where it is UTF-8, else base64 beside a mark."""
    try:
        return {name: body.decode()}
    except UnicodeDecodeError:
        return {name: base64.b64encode(body).decode(), f"{name}_base64": True}
