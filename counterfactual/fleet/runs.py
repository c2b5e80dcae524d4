"""The runs that a person names: a folder, a pattern of files, or a file that holds many."""

from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import NamedTuple

from butfor.cache.errors import LogFormatError, TraceError
from butfor.counterfactual.case import Opened, is_case, opened
from butfor.replay.importers import import_file
from butfor.replay.trace import Trace

Where = str | Path | Trace | Sequence[str | Path | Trace]
"""A folder, a pattern such as `logs/*.json`, a file, a run, or several of them."""


class Named(NamedTuple):
    """A run under the name by which a person finds it again."""

    name: str
    run: Opened | TraceError
    """The run, or why it cannot be read."""


def named_runs(where: Where) -> Iterator[Named]:
    """Every run of a place, in the order of their names; what cannot be read comes as the error that says why.

    Raises:
        LogFormatError: there is no such place.
    """
    if isinstance(where, Trace):
        yield Named(where.source.name or where.digest[:12], Opened(where))
    elif isinstance(where, str | Path):
        for file in _files(where):
            yield from _of_file(file)
    else:
        for place in where:
            yield from named_runs(place)


def _files(where: str | Path) -> list[Path]:
    path = Path(where)
    if path.is_dir():
        every = sorted(path.rglob("*"))
        return [f for f in every if f.is_file() and not _hidden(f.relative_to(path))]
    if path.exists() or "#" in path.name:
        return [path]
    found = [file for name in sorted(glob(str(where), recursive=True)) for file in _files(name)]
    if not found:
        raise LogFormatError(f"{where}: there is no such file or folder, and no file fits it as a pattern")
    return list(dict.fromkeys(found))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _of_file(file: Path) -> Iterator[Named]:
    if is_case(file) or not file.exists():
        try:
            yield Named(str(file), opened(file))
        except TraceError as error:
            yield Named(str(file), error)
        return
    for path, found in import_file(file):
        yield Named(str(path), found if isinstance(found, TraceError) else Opened(found))
