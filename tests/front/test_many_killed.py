"""An audit of many runs that is killed goes on where it was, and pays for nothing twice."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fleets import folder

pytestmark = pytest.mark.slow

_TEAM = """
import os, time
from fleets import team
from butfor.cache.scripted import Scripted

def slow(call):
    time.sleep(0.05)
    said = team(call)
    with open("asked.txt", "a") as file:
        file.write(f"{call.agent} {call.step} {call.params} {call.messages}".replace("\\n", " ") + "\\n")
    return said

TEAM = Scripted(slow)
"""


def test_a_killed_audit_pays_for_nothing_twice(tmp_path: Path) -> None:
    folder(tmp_path / "logs", *["Counter"] * 6)
    (tmp_path / "slowly.py").write_text(_TEAM)
    path = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[1]}:{tmp_path}"}
    line = [
        sys.executable,
        "-m",
        "butfor",
        "audit",
        "logs",
        "--model",
        "slowly:TEAM",
        "--cache",
        "cache",
        "--jobs",
        "2",
    ]
    first = subprocess.Popen(line, cwd=tmp_path, env=path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    asked = tmp_path / "asked.txt"
    deadline = time.monotonic() + 60
    while (not asked.exists() or len(asked.read_text().splitlines()) < 20) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.kill()
    first.wait()
    before = len(asked.read_text().splitlines())
    second = subprocess.run(line, cwd=tmp_path, env=path, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    calls = asked.read_text().splitlines()
    assert 20 <= before < len(calls)
    assert len(calls) - len(set(calls)) <= 2  # those that were on their way when it was killed
