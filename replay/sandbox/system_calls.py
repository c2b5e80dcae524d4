"""The system calls that code in the sandbox may not make: what namespaces leave open, closed by a filter."""

import errno
import platform
import socket
import struct
from typing import NamedTuple

from butfor.cache.errors import SandboxUnavailable


class _Number(NamedTuple):
    """A system call's number on each kind of processor (the kernel's `unistd.h`)."""

    x86_64: int
    aarch64: int


_SOCKET = _Number(41, 198)
_CLONE = _Number(56, 220)
_REFUSED = {
    # the keys that the user's session holds
    "add_key": _Number(248, 217),
    "request_key": _Number(249, 218),
    "keyctl": _Number(250, 219),
    # memory that no limit counts
    "shmget": _Number(29, 194),
    "semget": _Number(64, 190),
    "msgget": _Number(68, 186),
    "memfd_create": _Number(319, 279),
    "memfd_secret": _Number(447, 447),
    # sockets made past this filter
    "io_uring_setup": _Number(425, 425),
    # namespaces, in which a block would be root
    "unshare": _Number(272, 97),
    "setns": _Number(308, 268),
    "clone3": _Number(435, 435),
    # parts of the kernel that break often and that no block needs
    "bpf": _Number(321, 280),
    "perf_event_open": _Number(298, 241),
    "userfaultfd": _Number(323, 282),
}
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""`AUDIT_ARCH` of the kernel's headers."""

_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
"""A network namespace shuts these in; it does not know, for instance, those that lead to a hypervisor."""

_X32_CALLS, _CLONE_NEWUSER = 0x4000_0000, 0x1000_0000


def system_call_filter() -> bytes:
    """A seccomp program (classic BPF) for this kind of processor.

    Raises:
        SandboxUnavailable: the system calls of this kind of processor are not known.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise SandboxUnavailable(f"the sandbox knows the system calls of {known}, not of {machine}")
    load, equal, at_least, any_bit, end = 0x20, 0x15, 0x35, 0x45, 0x06
    number, architecture, argument = 0, 4, 16  # offsets in the kernel's `seccomp_data`
    allow, kill, fail = 0x7FFF0000, 0x80000000, 0x00050000
    # Each instruction: what to do, how many to skip if true, how many if false, operand.
    program = [(load, 0, 0, architecture), (equal, 1, 0, _ARCHITECTURES[machine]), (end, 0, 0, kill)]
    program += [(load, 0, 0, number), (at_least, 0, 1, _X32_CALLS), (end, 0, 0, kill)]
    for call in _REFUSED.values():
        program += [(equal, 0, 1, getattr(call, machine)), (end, 0, 0, fail | errno.ENOSYS)]
    program += [(equal, 0, 4, getattr(_CLONE, machine)), (load, 0, 0, argument)]
    program += [(any_bit, 0, 1, _CLONE_NEWUSER), (end, 0, 0, fail | errno.EPERM), (end, 0, 0, allow)]
    program += [(equal, 0, len(_FAMILIES) + 2, getattr(_SOCKET, machine)), (load, 0, 0, argument)]
    program += [(equal, len(_FAMILIES) - n, 0, family) for n, family in enumerate(_FAMILIES)]
    program += [(end, 0, 0, fail | errno.EAFNOSUPPORT), (end, 0, 0, allow)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
