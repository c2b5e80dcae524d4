"""Connections that a recorded program makes around the clients that are seen, counted by host.

Only what Python's own sockets connect is noticed: no program in another language, and no client that is not Python.
"""

import os
import socket
import sys
from typing import Any

from .asked import LOCAL, is_sending
from .settings import MODE, TAPE, setting
from .tape import Tape

_names: "dict[str, str]" = {}
"""Hosts by the addresses that they were found at."""


def install() -> None:
    """Count from now on."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        found = original(host, *rest, **options)
        if isinstance(host, str):
            _names.update((str(entry[4][0]), host) for entry in found)
        return found

    socket.getaddrinfo = getaddrinfo
    sys.addaudithook(_hear)


def _hear(event: str, arguments: Any) -> None:
    if event != "socket.connect" or setting(MODE) != "record" or is_sending():
        return
    address = arguments[1]
    if not isinstance(address, tuple) or len(address) < 2 or getattr(arguments[0], "type", None) != socket.SOCK_STREAM:
        return
    note(str(address[0]), address[1])


def note(host: str, port: object) -> None:
    """Count one."""
    name = "localhost" if host in LOCAL or host.startswith("127.") else _names.get(host, host)
    line = {"kind": "world", "unseen": f"{name}:{port}", "process": os.getpid()}
    Tape.of(setting(TAPE)).append(line)
