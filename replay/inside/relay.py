"""Runs a command in a network of its own, and leads the addresses that are let through to sockets of butfor's.

`relay.py HOST:PORT SOCKET … -- COMMAND …`, with nothing but the standard library.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

_CHUNK_BYTES = 65_536


def lead(listener: socket.socket, there: "tuple[str, int] | str") -> None:
    """Join every connection to one with another address: a host and a port, or a socket's path."""
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return  # the listener is closed
        far = socket.socket(socket.AF_UNIX if isinstance(there, str) else socket.AF_INET)
        try:
            far.connect(there)
        except OSError:
            near.close()
            far.close()
            continue
        threading.Thread(target=_join, args=(near, far), daemon=True).start()


def _join(near: socket.socket, far: socket.socket) -> None:
    """Copy both ways until both are done."""
    with near, far:
        back = threading.Thread(target=_copy, args=(far, near), daemon=True)
        back.start()
        _copy(near, far)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _main(arguments: "list[str]") -> int:
    end = arguments.index("--")
    for address, door in zip(arguments[:end:2], arguments[1:end:2], strict=True):
        host, _, port = address.rpartition(":")
        listener = socket.create_server((host, int(port)))
        threading.Thread(target=lead, args=(listener, door), daemon=True).start()
    with subprocess.Popen(arguments[end + 1 :]) as child:  # noqa: S603 - it is the user's own command
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: child.send_signal(number))
        return child.wait()


if __name__ == "__main__":
    status = _main(sys.argv[1:])
    if status < 0:  # ended by a signal, and so does this one
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    sys.exit(status)
