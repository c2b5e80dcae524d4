"""What runs inside the sandbox: the recorded terminal, played by the first process of its own pid namespace.

As process 1 it cannot be signalled from inside, and whatever still runs when it ends dies with it. It reads its job
as JSON on standard input and writes the result as JSON on standard output; the blocks see neither. It imports nothing
but the standard library, because the interpreter that runs it has nothing else.
"""

import ctypes
import json
import os
import re
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import md5
from typing import NamedTuple

WORKSPACE = "/workspace"
"""The blocks' own folder; it lives in memory and is gone with the sandbox."""

_PROGRAMS = {"python": "python", "py": "python", "sh": "sh", "shell": "sh", "bash": "bash"}
_ONLY_SAVED = ("javascript", "html", "css")
_TIMED_OUT = 124
_OPEN_FILES = 256
_MOST_FILES = 65_536
_TICK_SECONDS = 0.01
_CHUNK_BYTES = 65_536

_PR_SET_DUMPABLE = 4
_CLONE_NEWUSER = 0x1000_0000
_AF_VSOCK = 40


class Limits(NamedTuple):
    """What the blocks may use."""

    seconds: float
    """Wall time of one block."""
    memory: int
    """Bytes of one process's address space, and of all processes' memory together."""
    disk: int
    """Bytes of all files."""
    output: int
    """Bytes that are kept of what the blocks print."""
    processes: int
    """Processes and threads at once."""


class Ended(NamedTuple):
    """How the blocks ended."""

    status: int
    """Exit status, 0 for success; negative for a signal."""
    output: str


class Outside(NamedTuple):
    """What a block must not reach."""

    port: int
    """TCP port of the host's loopback that takes connections."""
    abstract: str
    """Abstract Unix socket of the host that takes connections."""
    file: str
    """A file that everybody may read."""
    home: str
    home_identity: tuple[int, int]
    """Device and inode."""
    variables: tuple[str, ...]
    """The environment variables that a block may see."""


class _Ran(NamedTuple):
    status: int
    printed: str
    size: int = 0
    """Bytes of what was printed."""
    dropped: int = 0
    """Bytes that were printed and not kept."""


class _Stopped(NamedTuple):
    status: int
    limit: str | None = None
    """The limit that was passed, where one was."""


def execute(blocks: Iterable[tuple[str, str]], limits: Limits) -> Ended:
    """Run (language, code) blocks in order, each in a fresh process, up to the first that fails.

    The oddities are the recorded terminal's own: a comment in the first line names the file, a block that names no
    language is Python if it compiles, standard error comes before standard output, a block out of time says nothing.
    """
    log, status, dropped = "", 0, 0
    room = limits.output
    for named, code in blocks:
        language = named.lower() or _inferred(code, limits)
        if language not in _PROGRAMS and language not in _ONLY_SAVED:
            status, log = 1, f"{log}\nunknown language {language}"
            break
        source = code.encode(errors="replace")
        try:
            path = _path(source, language)
            _write(path, source)
        except ValueError:
            return Ended(1, "Filename is not in the workspace")
        except OSError as error:
            status, log = 1, f"{log}\n{error}"
            break
        if language in _ONLY_SAVED:
            log += f"Code saved to {path}\n"
            continue
        ran = _run([_PROGRAMS[language], path], limits, room)
        status, log = ran.status, log + ran.printed
        room -= ran.size
        dropped += ran.dropped
        if status:
            break
    if dropped:
        log += f"\n[output cut: {dropped} more bytes were printed]"
    return Ended(status, log)


def open_locks(outside: Outside) -> list[str]:
    """What a block can reach that it must not; empty if the sandbox holds."""
    libc = ctypes.CDLL(None)

    def connect(family: int, address: tuple[str, int] | str) -> None:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(address)

    def home() -> None:
        found = os.stat(outside.home)
        if (found.st_dev, found.st_ino) != tuple(outside.home_identity):
            raise FileNotFoundError

    def namespace() -> None:
        if libc.unshare(_CLONE_NEWUSER):
            raise PermissionError

    attempts: dict[str, Callable[[], object]] = {
        "the network": lambda: connect(socket.AF_INET, ("127.0.0.1", outside.port)),
        "abstract sockets": lambda: connect(socket.AF_UNIX, f"\0{outside.abstract}"),
        "sockets of the hypervisor": lambda: socket.socket(_AF_VSOCK, socket.SOCK_STREAM).close(),
        "files": lambda: os.stat(outside.file),
        "the home folder": home,
        "the output of process 1": lambda: os.readlink("/proc/1/fd/1"),
        "the memory of process 1": lambda: open("/proc/1/mem").close(),
        "new namespaces": namespace,
    }
    found = [name for name, attempt in attempts.items() if _succeeds(attempt)]
    found += [f"process {pid}" for pid in _processes() if pid != str(os.getpid())]
    found += [f"writing to {place}" for place in _writable_places()]
    found += [f"the variable {name}" for name in os.environ if name not in outside.variables]
    return found + _privileges() + _missing_limits()


def _main() -> None:
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the blocks would inherit
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise PermissionError("process 1 cannot be closed to the blocks")
    job = json.load(sys.stdin)
    limits = Limits(*job["limits"])
    _confine(limits)
    json.dump(execute(job["blocks"], limits), sys.stdout)


def _confine(limits: Limits) -> None:
    """Set the limits that the kernel keeps; every process inside inherits them."""
    wanted = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 1,  # at 0, a host that pipes core dumps into a handler would still start it
        resource.RLIMIT_MSGQUEUE: 0,
    }
    major, minor = re.findall(r"\d+", os.uname().release)[:2]
    if (int(major), int(minor)) >= (5, 14):  # before, the count includes the user's processes outside
        wanted[resource.RLIMIT_NPROC] = 2 * limits.processes + 2
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


_NAMED = re.compile(
    r"<!-- (?:filename:)?(.+?) -->|/\* (?:filename:)?(.+?) \*/|// (?:filename:)?(.+)|# (?:filename:)?(.+)"
)


def _path(source: bytes, language: str) -> str:
    """Where a block's file goes; a `ValueError` says that it would be outside the folder."""
    first_line = source.decode().split("\n", 1)[0].strip()
    named = _NAMED.match(first_line)
    if named:
        name = next(group for group in named.groups() if group).strip()
    else:
        suffix = "py" if _PROGRAMS.get(language) == "python" else language
        name = f"tmp_code_{md5(source, usedforsecurity=False).hexdigest()}.{suffix}"
    path = os.path.realpath(os.path.join(WORKSPACE, name))
    if os.path.commonpath((path, WORKSPACE)) != WORKSPACE:
        raise ValueError(path)
    return path


def _write(path: str, source: bytes) -> None:
    """Write a file; a named pipe that an earlier block left in its place is an error, not a wait without end."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(path, flags, 0o644), "wb") as file:
        file.write(source)


def _inferred(code: str, limits: Limits) -> str:
    """The language of a block that names none; compiled in a process of its own, because it may crash it."""
    if code.startswith(("python ", "pip", "python3 ")):
        return "sh"
    path = os.path.join(WORKSPACE, ".block")
    try:
        _write(path, code.encode(errors="replace"))
        compiles = _run(["python", "-c", f"compile(open({path!r}).read(), '', 'exec')"], limits, 0)
        os.unlink(path)
    except OSError:
        return ""
    return "" if compiles.status else "python"


def _run(command: list[str], limits: Limits, room: int) -> _Ran:
    """Run one process until it has ended and closed its output, or passed a limit; then end all that it left."""
    error, error_end = os.pipe()
    output, output_end = os.pipe()
    try:
        pid = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, error_end, 2),
                (os.POSIX_SPAWN_DUP2, output_end, 1),
            ],
            setsid=True,
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as failed:
        return _Ran(127, f"{command[0]}: {failed.strerror}\n")
    finally:
        os.close(error_end)
        os.close(output_end)
    kept = {error: bytearray(), output: bytearray()}
    try:
        stopped, dropped = _watch(pid, kept, limits, room)
    finally:
        _end_all()
        os.close(error)
        os.close(output)
    if stopped.status == _TIMED_OUT and stopped.limit:
        return _Ran(_TIMED_OUT, "\nTimeout")
    first = kept[error][:room]
    second = kept[output][: room - len(first)]
    size = len(first) + len(second)
    dropped += len(kept[error]) + len(kept[output]) - size
    limit = f"\nKilled: {stopped.limit}" if stopped.limit else ""
    return _Ran(stopped.status, f"{_text(first)}{_text(second)}{limit}", size, dropped)


def _watch(
    pid: int, kept: dict[int, bytearray], limits: Limits, room: int
) -> tuple[_Stopped, int]:
    status, dropped = None, 0
    started = looked = time.monotonic()
    with selectors.DefaultSelector() as reading:
        for pipe in kept:
            reading.register(pipe, selectors.EVENT_READ)
        while reading.get_map() or status is None:
            for key, _ in reading.select(_TICK_SECONDS):
                chunk = os.read(key.fd, _CHUNK_BYTES)
                if not chunk:
                    reading.unregister(key.fd)
                fits = chunk[: room - len(kept[key.fd])]
                kept[key.fd] += fits
                dropped += len(chunk) - len(fits)
            now = time.monotonic()
            if now - started > limits.seconds:
                return _Stopped(_TIMED_OUT, "time"), 0
            if status is None:
                status = _reaped(pid)
            if now - looked > _TICK_SECONDS:
                looked = now
                limit = _passed(limits)
                if limit:
                    return _Stopped(-signal.SIGKILL, limit), dropped
    return _Stopped(status), dropped


def _reaped(pid: int) -> int | None:
    """Bury everything that has ended; the exit status of one of them, if it is among them."""
    status = None
    with suppress(ChildProcessError):
        while True:
            ended, how = os.waitpid(-1, os.WNOHANG)
            if not ended:
                break
            if ended == pid:
                status = os.waitstatus_to_exitcode(how)
    return status


def _end_all() -> None:
    """End every process but this one; the kernel does it in one step, so that forking does not outrun it."""
    with suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _passed(limits: Limits) -> str | None:
    """The first limit that all processes together have passed."""
    pids = _processes()
    if sum(map(_threads, pids)) > limits.processes:
        return f"more than {limits.processes} processes"
    # What is resident counts shared memory once a process, so it only says when to look closer.
    if sum(map(_resident, pids)) > limits.memory and sum(map(_proportional, pids)) > limits.memory:
        return f"more than {limits.memory >> 20} MB of memory"
    files = os.statvfs(WORKSPACE)
    if files.f_files - files.f_ffree > _MOST_FILES:
        return f"more than {_MOST_FILES} files"
    return None


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _threads(pid: str) -> int:
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:  # it has ended
        return 0


def _resident(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _proportional(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))
    except OSError:  # it has ended, or hides
        return _resident(pid)


def _text(printed: bytes | bytearray) -> str:
    return printed.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _writable_places() -> list[str]:
    """Mounted places that can be written to and are neither the folder nor a device."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split()[4:6] for line in file]
    found = [place for place, options in mounts if "rw" in options.split(",")]
    return [place for place in found if place != WORKSPACE and not place.startswith("/dev/")]


def _privileges() -> list[str]:
    expected = {f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    expected |= {"NoNewPrivs": "1", "Seccomp": "2"}
    with open("/proc/self/status") as file:
        fields = dict(line.split(":\t") for line in file.read().splitlines())
    return [f"{name} {fields.get(name)}" for name, value in expected.items() if fields.get(name) != value]


def _missing_limits() -> list[str]:
    kinds = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
    return [kind for kind in kinds if resource.getrlimit(getattr(resource, kind))[1] == resource.RLIM_INFINITY]


if __name__ == "__main__":
    _main()
