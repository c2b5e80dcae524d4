"""The ways out of the sandbox, tried from inside: a block of the jail's own, run before anybody else's.

Runs inside as it stands, so it imports nothing but the standard library.
"""

import ctypes
import os
import resource
import socket
from collections.abc import Callable
from typing import NamedTuple

_CLONE_NEWUSER = 0x1000_0000
_AF_VSOCK = 40


class Outside(NamedTuple):
    """What a block must not reach."""

    port: int
    """TCP port of the host's loopback that takes connections."""
    abstract: str
    """Abstract Unix socket of the host that takes connections."""
    file: str
    """A file that exists."""
    home: str
    """The user's home folder."""
    home_identity: tuple[int, int]
    """Its device and inode."""


class Inside(NamedTuple):
    """What a block may have."""

    folder: str
    """The only place to write to, shared memory aside."""
    variables: tuple[str, ...]
    """Environment variables."""


def ways_out(outside: Outside, inside: Inside) -> list[str]:
    """What a block can reach that it must not; empty if the sandbox holds."""
    libc = ctypes.CDLL(None)

    def connect(family: int, address: tuple[str, int] | str) -> None:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(address)

    def home() -> None:
        found = os.stat(outside.home)
        if (found.st_dev, found.st_ino) != outside.home_identity:
            raise FileNotFoundError

    def namespace() -> None:
        if libc.unshare(_CLONE_NEWUSER):
            raise PermissionError

    attempts: dict[str, Callable[[], object]] = {
        "the network": lambda: connect(socket.AF_INET, ("127.0.0.1", outside.port)),
        "abstract sockets": lambda: connect(socket.AF_UNIX, f"\0{outside.abstract}"),
        "sockets of the hypervisor": lambda: socket.socket(_AF_VSOCK, socket.SOCK_STREAM).close(),
        "files outside": lambda: os.stat(outside.file),
        "the home folder": home,
        "the output of process 1": lambda: os.readlink("/proc/1/fd/1"),
        "the memory of process 1": lambda: open("/proc/1/mem").close(),
        "a new namespace": namespace,
    }
    own = ("1", str(os.getpid()))
    return [
        *(way for way, attempt in attempts.items() if _succeeds(attempt)),
        *(f"process {name}" for name in os.listdir("/proc") if name.isdigit() and name not in own),
        *(f"writing to {place}" for place in _writable() if place != inside.folder),
        *(f"the variable {name}" for name in os.environ if name not in inside.variables),
        *_privileges(),
        *_missing_limits(),
    ]


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _writable() -> list[str]:
    """Mounted places that can be written to, devices aside."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split()[4:6] for line in file]
    return [place for place, options in mounts if "rw" in options.split(",") and not place.startswith("/dev/")]


def _privileges() -> list[str]:
    expected = {f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    expected |= {"NoNewPrivs": "1", "Seccomp": "2"}
    with open("/proc/self/status") as file:
        fields = dict(line.split(":\t") for line in file.read().splitlines())
    return [f"{name} {fields.get(name)}" for name, value in expected.items() if fields.get(name) != value]


def _missing_limits() -> list[str]:
    kinds = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
    return [f"no {kind}" for kind in kinds if resource.getrlimit(getattr(resource, kind))[1] == resource.RLIM_INFINITY]
