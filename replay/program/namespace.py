"""A view of the machine for one run: the copy of the working directory at its own path, and, offline, no network.

It is made by bubblewrap: an empty network namespace holds whatever the program starts, in any language; sockets of
other programs in the file system are covered, since no namespace holds those.
"""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal

from butfor.cache.errors import ButforError
from butfor.replay.inside.relay import lead
from butfor.replay.sandbox.bubblewrap import bubblewraps

Closed = Literal["kernel", "python", "not held"]
"""What keeps an offline run off the network: an empty namespace; the guard inside Python only; nothing."""

_RELAY = Path(__file__).parents[1] / "inside" / "relay.py"
_KEPT_BY_ROOT = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID")
_SOCKET_FOLDERS = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - looked through, not written to
_DEPTH = 3
_MOST_LOOKED_AT = 20_000
_PROVE = (
    "lines = open('/proc/self/net/dev').read().splitlines()[2:]; "
    "raise SystemExit([l.split(':')[0].strip() for l in lines] != ['lo'])"
)


class Namespace:
    """What a command is wrapped in to run with `copy` in the place of `directory`.

    `lent` are folders of the directory that are not in the copy, and are shown read-only. With `offline`, there is
    no network but what is let through.
    """

    def __init__(
        self,
        directory: Path,
        copy: Path,
        *,
        lent: Iterable[str] = (),
        offline: bool = False,
    ) -> None:
        self._directory, self._copy = directory, copy
        self._lent = tuple(lent)
        self._offline = offline

    def wrapped(self, command: Sequence[str], environment: Mapping[str, str], *, doors: Mapping[str, str]) -> list[str]:
        """The command as it runs inside; `doors` has the socket of each address that is let through."""
        options = [*_options(), "--bind", str(self._copy), str(self._directory), "--chdir", str(self._directory)]
        for name in self._lent:
            options += ["--ro-bind", str(self._directory / name), str(self._directory / name)]
        if not self._offline:
            return [_bubblewrap(), *options, "--", *command]
        options.append("--unshare-net")
        for path in _sockets(environment):
            options += ["--ro-bind", os.devnull, str(path)]
        inner = list(command)
        if doors:
            led = [part for address, door in doors.items() for part in (address, door)]
            inner = [sys.executable, "-I", "-S", str(_RELAY), *led, "--", *command]
        return [_bubblewrap(), *options, "--", *inner]


class Doors:
    """Sockets behind which are addresses of this machine, for a run that has no network of its own; while entered."""

    def __init__(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        self._folder = tempfile.mkdtemp(prefix="butfor-")
        self.sockets = {text: str(Path(self._folder) / str(number)) for number, text in enumerate(addresses)}
        """The socket of each address."""
        self._listeners: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        for text, there in addresses.items():
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.sockets[text])
            listener.listen(128)
            self._listeners.append(listener)
            self._threads.append(threading.Thread(target=lead, args=(listener, there), daemon=True))
            self._threads[-1].start()

    def __enter__(self) -> "Doors":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for the next
        for thread, listener in zip(self._threads, self._listeners, strict=True):
            thread.join()
            listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def available() -> bool:
    """Whether there can be such a view here; proved once a process, by looking from inside of one."""
    return _proved() is not None


def address(text: str) -> tuple[str, int]:
    """A loopback address that a program may reach, from `HOST:PORT`.

    Raises:
        ButforError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not (host == "localhost" or host.startswith("127.")):
        raise ButforError(
            f"--reach {text}: only a service on this machine can be let through; give it as 127.0.0.1:PORT"
        )
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def _bubblewrap() -> str:
    return _proved_pair()[0]


def _options() -> tuple[str, ...]:
    return _proved_pair()[1]


def _proved_pair() -> tuple[str, tuple[str, ...]]:
    found = _proved()
    assert found is not None  # noqa: S101 - nobody makes a namespace where none is available
    return found


@cache
def _proved() -> tuple[str, tuple[str, ...]] | None:
    """The first bubblewrap, with its options, that gives an empty network here."""
    if sys.platform != "linux":
        return None
    dropped = ["--cap-drop", "ALL", *(p for c in _KEPT_BY_ROOT for p in ("--cap-add", c))] if os.getuid() == 0 else []
    base = ("--die-with-parent", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", *dropped)
    for path in bubblewraps():
        for options in ((*base, "--unshare-pid", "--unshare-ipc", "--proc", "/proc"), base):
            trial = [path, *options, "--unshare-net", "--", sys.executable, "-I", "-S", "-c", _PROVE]
            if subprocess.run(trial, capture_output=True, check=False).returncode == 0:  # noqa: S603
                return path, options
    return None


def _sockets(environment: Mapping[str, str]) -> set[Path]:
    """Sockets in the file system that a program could reach: the ones that are listened to, in the usual folders,
    and named by the environment.
    """
    found = set()
    try:
        lines = Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]
    except OSError:
        lines = []
    found |= {Path(parts[7]) for line in lines if len(parts := line.split(None, 7)) == 8 and parts[7][0] == "/"}
    found |= {Path(value.removeprefix("unix://")) for value in environment.values() if "/" in value[:8]}
    for folder in _SOCKET_FOLDERS:
        found.update(_below(Path(folder)))
    return {path.resolve() for path in found if _is_socket(path) and not path.parent.name.startswith("butfor-")}


def _below(folder: Path) -> Iterator[Path]:
    looked = 0
    for at, folders, files in os.walk(folder):
        if len(Path(at).relative_to(folder).parts) >= _DEPTH:
            folders.clear()
        looked += len(files)
        if looked > _MOST_LOOKED_AT:
            return
        yield from (Path(at) / name for name in files)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except (OSError, ValueError):
        return False
