"""Logs of every format to `Trace`s: one module a format, the format recognised by its content."""

import json
import sys
from pathlib import Path
from typing import Protocol

from butfor.cache.errors import LogFormatError, UnknownFormat

from ..trace import Trace
from . import native, who_and_when

_SNIFFED_CHARACTERS = 65_536
_LARGEST_BYTES = 512 * 2**20


class Importer(Protocol):
    """One log format: a module or object with these two functions."""

    def sniff(self, head: str) -> bool:
        """Whether a file that begins like this is in the format."""
        ...

    def load(self, text: str, *, name: str) -> Trace:
        """The trace in a log's text.

        Raises:
            LogFormatError: the log breaks the format; the message names the position.
        """
        ...


IMPORTERS: dict[str, Importer] = {"butfor": native, "who-and-when": who_and_when}
"""By the name that `--format` takes, in the order in which they are tried."""


def import_log(path: str | Path, *, format: str | None = None) -> Trace:  # noqa: A002
    """The trace in a log file of any supported format.

    Raises:
        UnknownFormat: no importer recognises the file.
        LogFormatError: the file cannot be read, or breaks the format it appears to be in.
    """
    text = read_text(Path(path))
    name = Path(path).name
    if format is not None and format not in IMPORTERS:
        raise UnknownFormat(f"no importer is called {format!r}; there are {', '.join(IMPORTERS)}")
    importer = IMPORTERS[format] if format else _recognise(text, name)
    try:
        return importer.load(text, name=name)
    except RecursionError:
        raise LogFormatError(f"{name}: nested too deeply to be a log") from None


def read_text(path: Path) -> str:
    """A log's text.

    Raises:
        LogFormatError: there is no such file, it is too large, or it is not text.
    """
    try:
        if path.is_dir():
            raise LogFormatError(f"{path} is a folder; name one log in it")
        if path.stat().st_size > _LARGEST_BYTES:
            raise LogFormatError(f"{path} is larger than {_LARGEST_BYTES >> 20} MB; split it")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LogFormatError(f"{path}: byte {error.start} is not UTF-8; is it a text log?") from None
    except OSError as error:
        raise LogFormatError(f"{path}: {error.strerror or error}") from None


def parse_json(text: str, *, name: str) -> object:
    """A log's JSON.

    Raises:
        LogFormatError: it is not JSON, or a key stands in it twice; the message names line and column.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise LogFormatError(f"{name}: the key {twice!r} stands twice in one object; keep one")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise LogFormatError(
            f"{name}: line {error.lineno}, column {error.colno}: {error.msg}; is the file complete?"
        ) from None
    except ValueError as error:  # a number past sys.get_int_max_str_digits
        raise LogFormatError(f"{name}: {str(error).split(';')[0]}") from None
    except RecursionError:
        raise LogFormatError(f"{name}: nested too deeply to be a log (limit {sys.getrecursionlimit()})") from None


def _recognise(text: str, name: str) -> Importer:
    head = text[:_SNIFFED_CHARACTERS]
    if not head.strip():
        raise LogFormatError(f"{name}: the file is empty")
    for importer in IMPORTERS.values():
        if importer.sniff(head):
            return importer
    if head.lstrip()[0] in "{[":
        parse_json(text, name=name)
    raise UnknownFormat(f"{name}: not a log that butfor knows ({', '.join(IMPORTERS)}); name its format with --format")
