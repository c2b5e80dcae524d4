"""The files of a working directory before a run, so that what the run changes can be put back for a replay."""

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from butfor.cache.errors import LogFormatError
from butfor.replay.world import World

from .workspace import LEFT_OUT, LENT

_LARGEST_FILE_BYTES = 2**20
_LARGEST_SNAPSHOT_BYTES = 64 * 2**20
_LARGEST_KEPT_BYTES = 8 * 2**20
_MOST_FILES = 20_000


class _Known(NamedTuple):
    """A file as it was."""

    size: int
    changed: int
    """Nanoseconds."""
    content: bytes | None
    """`None` where it was too large to keep."""


class Changed(NamedTuple):
    """What a run changed, as it was before; see `World` for the fields."""

    files: Mapping[str, str | None]
    binary: Mapping[str, str]
    unkept: tuple[str, ...]


class Snapshot:
    """The files of a directory now: 1 MB of each, 64 MB and 20,000 files of all; `complete` says if it is all."""

    def __init__(self, directory: Path, *, apart: frozenset[Path] = frozenset()) -> None:
        self._directory = directory
        self._apart = apart
        self._folders: set[str] = set()
        self._known: dict[str, _Known] = {}
        self.complete = True
        room = _LARGEST_SNAPSHOT_BYTES
        for path in self._files():
            if len(self._known) >= _MOST_FILES:
                self.complete = False
                return
            found = path.lstat()
            content = path.read_bytes() if found.st_size <= min(_LARGEST_FILE_BYTES, room) else None
            room -= len(content or b"")
            self._known[self._name(path)] = _Known(found.st_size, found.st_mtime_ns, content)

    def changed(self) -> Changed:
        """What is different by now."""
        if not self.complete:
            return Changed({}, {}, ("more files than are looked at",))
        before, self._folders = self._folders, set()
        now = {self._name(path): path for path in self._files()}
        new = [name for name in sorted(self._folders - before) if str(Path(name).parent) not in self._folders - before]
        files: dict[str, str | None] = dict.fromkeys(new)
        files |= {n: None for n in sorted(now.keys() - self._known.keys()) if not any(f"{f}/" in n for f in new)}
        binary: dict[str, str] = {}
        unkept, room = [], _LARGEST_KEPT_BYTES
        for name, known in sorted(self._known.items()):
            if name in now and self._same(now[name], known):
                continue
            room -= len(known.content or b"")
            if known.content is None or room < 0:
                unkept.append(name)
                continue
            try:
                files[name] = known.content.decode()
            except UnicodeDecodeError:
                binary[name] = base64.b64encode(known.content).decode()
        return Changed(files, binary, tuple(unkept))

    def _same(self, path: Path, known: _Known) -> bool:
        found = path.lstat()
        if (found.st_size, found.st_mtime_ns) == (known.size, known.changed):
            return True
        return known.content is not None and found.st_size == known.size and path.read_bytes() == known.content

    def _files(self) -> Iterator[Path]:
        for at, folders, names in os.walk(self._directory):
            folders[:] = [n for n in folders if n not in LENT | LEFT_OUT | {".git"} and not _is_environment(at, n)]
            self._folders.update(self._name(Path(at) / name) for name in folders)
            paths = (Path(at) / name for name in names)
            yield from (path for path in paths if path.is_file() and not path.is_symlink() and path not in self._apart)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._directory).as_posix()


def put_back(world: World, directory: Path) -> None:
    """Make the files of a copy what they were before the recorded run.

    Raises:
        LogFormatError: the run names a file that is not in the directory.
    """
    kept = {name: text.encode() for name, text in world.files.items() if text is not None}
    kept |= {name: base64.b64decode(text) for name, text in world.binary.items()}
    for name in world.files.keys() - kept.keys():
        path = _within(directory, name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name, content in kept.items():
        path = _within(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def _within(directory: Path, name: str) -> Path:
    """A path in the directory, whatever a run from somebody else calls it."""
    path = Path(os.path.normpath(directory / name))
    if not path.is_relative_to(directory) or path == directory or not _leads_within(path.parent, directory):
        raise LogFormatError(f"the run names a file outside of its working directory: {name}")
    return path


def _leads_within(folder: Path, directory: Path) -> bool:
    return folder.resolve().is_relative_to(directory.resolve())


def _is_environment(at: str, name: str) -> bool:
    return os.path.exists(os.path.join(at, name, "pyvenv.cfg"))
