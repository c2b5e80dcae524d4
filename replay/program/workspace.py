"""What one run has of its own: a copy of the working directory, a home, an environment without keys."""

import os
import shutil
import site
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from butfor.cache.errors import ProgramFailed
from butfor.replay.inside.held import SECRET

_INJECTED = Path(__file__).parents[1] / "inside" / "start"
LENT = frozenset({".venv", "venv", "node_modules", ".tox", ".nox"})
"""Folders that are not copied, but lent as they are: installed code."""
LEFT_OUT = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
"""Folders that no run needs."""
_LARGEST_COPY_BYTES = 500 * 2**20
_LARGEST_HISTORY_BYTES = 50 * 2**20
"""A larger `.git` is lent and not copied."""
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""Without these, some clients do not start."""
_BLANK = "none"


class Workspace:
    """The copy of a directory in a folder of the run's own.

    Raises:
        ProgramFailed: the directory is too large to be copied for every run.
    """

    def __init__(self, directory: Path, folder: Path) -> None:
        self.copy = folder / "work"
        self.home = folder / "home"
        self.lent: list[str] = []
        """Folders that are not in the copy, by their path in the directory."""
        self._directory = directory
        self._size = 0
        shutil.copytree(directory, self.copy, ignore=self._skip, symlinks=True, ignore_dangling_symlinks=True)
        for name in self.lent:
            (self.copy / name).mkdir(parents=True)

    def link(self) -> None:
        """Lend the folders by links, where they cannot be mounted."""
        for name in self.lent:
            (self.copy / name).rmdir()
            (self.copy / name).symlink_to(self._directory / name)

    def _skip(self, folder: str, names: list[str]) -> set[str]:
        at = Path(folder)
        left = {name for name in names if name in LEFT_OUT or _is_special(at / name)}
        lent = {name for name in names if name not in left and self._is_lent(at / name)}
        self.lent += sorted(str((at / name).relative_to(self._directory)) for name in lent)
        self._size += sum(_size(at / name) for name in names if name not in left | lent)
        if self._size > _LARGEST_COPY_BYTES:
            raise ProgramFailed(
                f"{self._directory} holds more than {_LARGEST_COPY_BYTES >> 20} MB, too much to copy for every "
                "run; start butfor in a folder that holds only what the program needs"
            )
        return left | lent

    def _is_lent(self, path: Path) -> bool:
        if path.is_symlink() or not path.is_dir():
            return False
        if path.name == ".git":
            return sum(_size(file) for file in path.rglob("*")) > _LARGEST_HISTORY_BYTES
        return path.name in LENT or (path / "pyvenv.cfg").exists()

    def environment(self, *, offline: bool, reach: Sequence[str] = ()) -> dict[str, str]:
        """The environment of a run: a home of its own and, offline, no key that is worth anything.

        Passwords stay where a service on this machine may be reached, which may ask for one.
        """
        folders = {
            "XDG_DATA_HOME": "data",
            "XDG_CONFIG_HOME": "config",
            "XDG_STATE_HOME": "state",
            "XDG_CACHE_HOME": "cache",
        }
        own = {name: self.home / f".{folder}" for name, folder in folders.items()}
        for path in (self.home, *own.values()):
            path.mkdir(parents=True, exist_ok=True)
        blank = _blanked(os.environ, passwords=not reach) if offline else {}
        return {
            **os.environ,
            "PYTHONUSERBASE": os.environ.get("PYTHONUSERBASE") or site.getuserbase(),
            **{name: os.environ.get(name) or _BLANK for name in _KEYS},
            **blank,
            **{name: str(path) for name, path in own.items()},
            "HOME": str(self.home),
        }


def injected() -> dict[str, str]:
    """The environment in which a Python program loads the interceptor when it starts."""
    path = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([str(_INJECTED), *([path] if path else [])]),
        # the order of sets is no part of what is recorded, so it has to be the same every time
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0"),
    }


def from_copy(part: str, directory: Path) -> str:
    """A part of a command as it holds in a copy elsewhere: a path that leads out of the directory becomes absolute.

    Links are not followed: the interpreter of a virtual environment is one.
    """
    path = Path(os.path.normpath(directory / part))
    if not part.startswith("..") or not path.exists() or path.is_relative_to(directory):
        return part
    return str(path)


def _blanked(environment: Mapping[str, str], *, passwords: bool) -> dict[str, str]:
    names = (name for name, value in environment.items() if value and SECRET.search(name))
    return {name: _BLANK for name in names if passwords or "PASSW" not in name.upper()}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _is_special(path: Path) -> bool:
    """Whether it is a socket, a pipe or a device, which cannot be copied."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return True
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
