"""What runs inside the sandbox: the recorded terminal, played by the first process of its own pid namespace.

As process 1 it cannot be signalled from inside, and whatever still runs when it ends dies with it. It reads
its job as JSON on standard input and writes the result as JSON on standard output; the blocks see neither. It
imports nothing but the standard library, because the interpreter that runs it has nothing else.
"""

import ctypes
import json
import os
import re
import resource
import selectors
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from hashlib import md5
from typing import NamedTuple

WORKSPACE = "/workspace"
"""The blocks' own folder; it lives in memory and is gone with the sandbox."""

_PROGRAMS = {"python": "python", "py": "python", "sh": "sh", "shell": "sh", "bash": "bash"}
_ONLY_SAVED = ("javascript", "html", "css")
_TIMED_OUT, _TIME = 124, "Timeout"
_OPEN_FILES = 256
_MOST_FILES = 65_536
_TICK_SECONDS = 0.01
_CHUNK_BYTES = 65_536

_PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 4, 24
_CAPABILITY_VERSION = 0x2008_0522


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


class _Ran(NamedTuple):
    status: int
    printed: str
    size: int = 0
    """Bytes of what was printed."""
    dropped: int = 0
    """Bytes that were printed and not kept."""


class _Stopped(NamedTuple):
    status: int
    dropped: int
    limit: str = ""
    """What was too much, where a limit was passed."""


def execute(blocks: Iterable[tuple[str, str]], limits: Limits) -> Ended:
    """Run (language, code) blocks in order, each in a fresh process, up to the first that fails.

    The oddities are the recorded terminal's own: a comment in the first line names the file, a block that
    names no language is Python if it compiles, standard error comes before standard output, and a block that
    runs out of time has printed nothing.
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


def _main() -> None:
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the blocks would inherit
    job = json.load(sys.stdin)
    lifeline = int(sys.argv[1])
    os.set_inheritable(lifeline, False)
    if job["user"] is not None:
        _become(job["user"])
    if ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise PermissionError("process 1 cannot be closed to the blocks")
    limits = Limits(*job["limits"])
    _confine(limits, counts_own=job["user"] is not None)
    threading.Thread(target=_end_with_host, args=(lifeline,), daemon=True).start()
    json.dump(execute(job["blocks"], limits), sys.stdout)


def _end_with_host(lifeline: int) -> None:
    """Wait until nobody holds the other end of the pipe; then end, and everything inside with it."""
    os.read(lifeline, 1)
    os._exit(1)


def _become(user: int) -> None:
    """Stop being root for good."""
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # those that the kernel does not have fail
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()):
        raise PermissionError("process 1 cannot give up its capabilities")


def _confine(limits: Limits, *, counts_own: bool) -> None:
    """Set the limits that the kernel keeps; every process inside inherits them.

    `counts_own`: no process outside is of the same user.
    """
    wanted = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 1,  # at 0, a host that pipes core dumps into a handler would still start it
        resource.RLIMIT_MSGQUEUE: 0,
    }
    major, minor = re.findall(r"\d+", os.uname().release)[:2]
    if counts_own or (int(major), int(minor)) >= (5, 14):  # before, those outside count too
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
    """Write a file; a named pipe left in its place by an earlier block is an error, not an endless wait."""
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
    """Run one process until it has ended and closed its output, or passed a limit; then end all it left."""
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
        stopped = _watch(pid, kept, limits, room)
    finally:
        _end_all()
        os.close(error)
        os.close(output)
    if stopped.limit == _TIME:
        return _Ran(stopped.status, f"\n{_TIME}")
    first = kept[error]
    second = kept[output][: room - len(first)]
    dropped = stopped.dropped + len(kept[output]) - len(second)
    killed = f"\nKilled: {stopped.limit}" if stopped.limit else ""
    return _Ran(stopped.status, f"{_text(first)}{_text(second)}{killed}", len(first) + len(second), dropped)


def _watch(pid: int, kept: dict[int, bytearray], limits: Limits, room: int) -> _Stopped:
    """Read what a process prints into `kept`, `room` bytes a pipe, until it has ended or has to."""
    status: int | None = None
    dropped = 0
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
                return _Stopped(_TIMED_OUT, dropped, _TIME)
            if status is None:
                status = _reaped(pid)
            if now - looked > _TICK_SECONDS:
                looked = now
                passed = _passed(limits)
                if passed:
                    return _Stopped(-signal.SIGKILL, dropped, passed)
    return _Stopped(status, dropped)


def _reaped(pid: int) -> int | None:
    """Bury everything that has ended; the exit status of one of them, if it is among them."""
    status = None
    with suppress(ChildProcessError):
        for _ in range(64):  # a fork bomb's dead come faster than they can be buried
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
    if len(pids) > limits.processes or sum(map(_threads, pids)) > limits.processes:
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


if __name__ == "__main__":
    _main()
