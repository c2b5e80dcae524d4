"""Recorded code, run again behind a lock: a provider that plays Who&When's `Computer_terminal`.

The code is untrusted. It runs in a bubblewrap jail: no network, no files but the interpreter's and the
system's programs (read-only), no environment, no other processes, no privileges, and limits on all it uses.
Before anything recorded runs, the jail has to prove from inside that it holds; where it does not, nothing
runs.

Not covered: faults of the kernel; the kernel's own memory (of sockets and pipes), bounded only by the numbers
of processes and open files; what all processes together take between two looks, a hundredth of a second
apart.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from butfor.cache.call import Call, Completion, answer
from butfor.cache.errors import SandboxUnavailable

from .breakout import Inside, Outside
from .bubblewrap import packaged
from .jail import WORKSPACE, Ended, Limits
from .system_calls import system_call_filter

NO_CODE = (
    "There is no code from the last 1 message for me to execute. Group chat manager should let other "
    "participants to continue the conversation. If the group chat manager want to end the conversation, you "
    'should let other participant reply me only with "TERMINATE"'
)
"""What the recorded terminal answers to a message without a code block."""

_GRACE_SECONDS = 30.0
_SHARED_MEMORY_BYTES = 16 << 20
_SYSTEM_FOLDERS = (
    "/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/etc/alternatives"
)  # fmt: skip
_INSTALL = "`pip install 'butfor[sandbox]'`, or your system's package `bubblewrap` (0.8 or newer)"
_ENABLE = (
    "it needs bubblewrap 0.8 or newer and user namespaces: sysctl kernel.unprivileged_userns_clone=1 or "
    "kernel.apparmor_restrict_unprivileged_userns=0 where there is one; most containers do not allow them"
)


class Block(NamedTuple):
    """One fenced piece of code in a message."""

    language: str
    """As the message names it; empty where it does not."""
    code: str


class Sandbox:
    """Answers a message by running its code blocks, locked down, and saying what they printed.

    The blocks of one message share an empty folder, each runs in a fresh process, and the first failure ends
    the answer. Their environment is the same everywhere: fixed hash seed, UTC, C.UTF-8, fixed paths, nothing
    inherited.

    `seconds` is the wall time of each block. `memory_mb` limits the address space of each process and the
    memory of all together, `disk_mb` all files together, `processes` counts threads too. The first
    `output_bytes` bytes printed are kept. What passes a limit is ended and answers as the recorded terminal
    would have: exit status 124 for time, -9 (killed) for the rest.

    Raises:
        SandboxUnavailable: recorded code cannot be locked down here; the message says what to install or
        enable.
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
        blocks = code_blocks(call.messages[-1].text if call.messages else "")
        if not blocks:
            return answer(NO_CODE)
        ended = _jailed(self._bubblewrap, blocks, self._limits)
        verdict = "failed" if ended.status else "succeeded"
        return answer(f"exitcode: {ended.status} (execution {verdict})\nCode output: {ended.output}")


_OPENING = re.compile(r"```[ \t]*+(\w*+)[ \t]*+\r?\n")
_CLOSING = re.compile(r"\r?\n[ \t]*+```")


def code_blocks(text: str) -> list[Block]:
    """The fenced code blocks of a message as the recorded terminal saw them, in time linear in the text."""
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
    """Run blocks in a jail of their own, which ends with them, with their time, or with this process."""
    job = {"limits": limits, "user": _nobody(), "blocks": blocks}
    rules, rules_end = os.pipe()
    # Where root becomes nobody, --die-with-parent fails: bwrap may not signal a process of another user.
    lifeline, lifeline_end = os.pipe()
    try:
        with open(rules_end, "wb") as pipe:
            pipe.write(system_call_filter())
        ran = subprocess.run(  # noqa: S603 - what is untrusted goes to the jail's standard input
            _command(bubblewrap, limits, rules, lifeline),
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=2 * len(blocks) * limits.seconds + _GRACE_SECONDS,
            env={},
            cwd="/",
            pass_fds=(rules, lifeline),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SandboxUnavailable("the sandbox outlived its time and was ended; is the machine overloaded?") from None
    except OSError as error:
        raise SandboxUnavailable(f"{bubblewrap} cannot be started: {error.strerror or error}") from None
    finally:
        for end in (rules, lifeline, lifeline_end):
            os.close(end)
    if ran.returncode:
        why = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"status {ran.returncode}"
        raise SandboxUnavailable(f"{bubblewrap} broke down ({why[:500]}); {_ENABLE}")
    return Ended(*json.loads(ran.stdout))


def _nobody() -> int | None:
    """A user that nobody is, for root to become in the jail: no limit on processes binds root."""
    return None if os.geteuid() else secrets.randbelow(2**30) + 2**30


def _command(bubblewrap: str, limits: Limits, rules: int, lifeline: int) -> list[str]:
    python = f"python{sysconfig.get_config_var('LDVERSION')}"
    command = [
        bubblewrap,
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--new-session", "--die-with-parent", "--as-pid-1", "--clearenv", "--hostname", "sandbox"),
        *("--seccomp", str(rules), "--cap-drop", "ALL"),
    ]
    if os.geteuid():
        command += ["--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"]
    else:  # all that becoming nobody takes
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
    for name, value in _environment().items():
        command += ["--setenv", name, value]
    for folder in ("/usr", "/etc", "/python", "/python/bin"):
        command += ["--perms", "0755", "--dir", folder]
    for folder in _SYSTEM_FOLDERS:
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            command += ["--ro-bind", folder, folder]
    # A path of its own: the interpreter's real one may lie in the user's home, and tracebacks show it.
    command += ["--ro-bind", f"{sys.base_prefix}/bin/{python}", f"/python/bin/{python}"]
    for folder in sorted({"lib", sys.platlibdir}):
        command += ["--ro-bind", f"{sys.base_prefix}/{folder}", f"/python/{folder}"]
    return [
        *command,
        *("--symlink", python, "/python/bin/python", "--symlink", python, "/python/bin/python3"),
        *("--ro-bind", str(Path(__file__).with_name("jail.py")), "/jail.py"),
        *("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--perms", "1777", "--size", str(limits.disk), "--tmpfs", WORKSPACE),
        *("--symlink", WORKSPACE, "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"),  # noqa: S108
        *("--chdir", WORKSPACE, f"/python/bin/{python}", "-I", "-S", "-B", "/jail.py", str(lifeline)),
    ]


def _environment() -> dict[str, str]:
    fixed = {
        "HOME": WORKSPACE,
        "LC_ALL": "C.UTF-8",
        "PATH": "/python/bin:/usr/bin:/bin",
        "PWD": WORKSPACE,
        "PYTHONHASHSEED": "0",
        "PYTHONNODEBUGRANGES": "1",  # tracebacks without markers: the same in all versions, and as recorded
        "TZ": "UTC",
    }
    return fixed | ({"LD_LIBRARY_PATH": "/python/lib"} if sysconfig.get_config_var("Py_ENABLE_SHARED") else {})


def _proven_bubblewrap() -> str:
    """The first bubblewrap whose jail holds here."""
    if sys.platform != "linux":
        raise SandboxUnavailable("recorded code can only be locked down on Linux; run there, or without a sandbox")
    candidates = [found for found in (shutil.which("bwrap"), _packaged_bubblewrap()) if found]
    if not candidates:
        raise SandboxUnavailable(f"recorded code only runs inside bubblewrap, which is not here; install {_INSTALL}")
    reasons = []
    for candidate in candidates:
        try:
            _prove(candidate)
        except SandboxUnavailable as error:
            reasons.append(str(error))
        else:
            return candidate
    raise SandboxUnavailable(f"recorded code cannot be locked down here: {'; '.join(reasons)}")


_packaged_bubblewrap = packaged


@cache
def _prove(bubblewrap: str) -> None:
    """Let a block try to break out, once a process.

    Raises:
        SandboxUnavailable: the jail could not be set up, or the block found a way out.
    """
    home = os.path.expanduser("~")
    abstract = f"butfor-{secrets.token_hex(16)}"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as unix,
        tempfile.NamedTemporaryFile() as file,
    ):
        unix.bind(f"\0{abstract}")
        unix.listen()
        status = os.stat(home if os.path.isdir(home) else file.name)
        port = server.getsockname()[1]
        outside = Outside(port, abstract, file.name, home, (status.st_dev, status.st_ino))
        inside = Inside(WORKSPACE, tuple(_environment()))
        attempts = Path(__file__).with_name("breakout.py").read_text(encoding="utf-8")
        block = Block("python", f"{attempts}\nprint(ways_out({outside!r}, {inside!r}))")
        limits = Limits(seconds=_GRACE_SECONDS, memory=512 << 20, disk=1 << 20, output=4096, processes=8)
        ended = _jailed(bubblewrap, [block], limits)
    if ended != Ended(0, "[]\n"):
        raise SandboxUnavailable(f"the jail of {bubblewrap} leaves ways out: {ended.output.strip()}")
