"""Real servers on free ports, in folders of their own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[tuple[str, int]]:
    """A Redis server that keeps what it is told in the folder: its address and its process."""
    program = shutil.which("redis-server") or pytest.skip("redis-server is not installed")
    port = port or free_port()
    line = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"]
    with subprocess.Popen([*line, "--appendfsync", "always"], stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield f"redis://127.0.0.1:{port}/0", process.pid
        finally:
            process.send_signal(signal.SIGKILL)


@contextmanager
def postgres_server(folder: Path) -> Iterator[tuple[str, int]]:
    """A PostgreSQL server, of a user that is not root: its address and its process."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("postgresql is not installed")
    home, port = found[-1].parent, free_port()
    data = folder / "data"
    data.mkdir()
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(data, "postgres", "postgres")
        for parent in data.parents[:4]:
            if parent != Path("/tmp") and str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    made = [home / "initdb", "-D", data, "-U", "butfor", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    subprocess.run(made, check=True, **user, **quiet)  # type: ignore[call-overload]
    line = [home / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data]
    with subprocess.Popen(line, **user, **quiet) as process:  # type: ignore[call-overload]
        try:
            wait_for(port)
            yield f"postgresql://butfor@127.0.0.1:{port}/postgres", process.pid
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
