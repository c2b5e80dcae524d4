"""Writes files that a person asked for: whole or not at all, and never over the log that was read."""

import os
import stat
from errno import EISDIR
from pathlib import Path

from butfor.cache.errors import ButforError


def write(path: Path, content: str | bytes, *, read: Path | None = None) -> Path:
    """Write a file, whole or not at all; `read` is the file that must not be written over.

    A link is followed to the file it names; a pipe or a device is written to as it is.

    Raises:
        ButforError: it cannot be written.
    """
    if read and path.exists() and read.exists() and path.samefile(read):
        raise ButforError(f"{path} is the recording itself, which is never overwritten; choose another name")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ButforError(f"{path} cannot be written: {error.strerror or error}") from None
    return path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: an existing file is replaced only by a complete one.

    Raises:
        OSError: it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.is_dir():
        raise IsADirectoryError(EISDIR, "it is a folder", str(path))
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        with path.open("wb") as file:  # what is no file cannot be replaced, and must not become one
            file.write(data)
        return
    target = path.resolve() if path.is_symlink() else path
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.touch(mode=0o600)  # what is written tells of somebody's runs
        partial.write_bytes(data)
        if target.exists():
            partial.chmod(stat.S_IMODE(target.stat().st_mode))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
