"""An audit that is killed again and again ends with the same verdict, and no stored answer is paid for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from butfor.scenarios import scenario

KILLS = 100

# A provider outside butfor: it answers like the scenario's team, slowly, and notes every call it is asked.
PROVIDER = """
import os, time
from butfor.scenarios import scenario

class Slow:
    def __init__(self):
        self.team = scenario("flaky").provider()

    def complete(self, call):
        with open(os.environ["ASKED"], "a") as log:
            log.write(call.content_key.hex() + "\\n")
        time.sleep(0.004)
        return self.team.complete(call)

provider = Slow()
"""


@pytest.mark.slow
def test_an_audit_killed_at_random_moments_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "slow_team.py").write_text(PROVIDER)
    log = tmp_path / "flaky.json"
    log.write_text(scenario("flaky").record().to_json())
    undisturbed = _finished(tmp_path, log, "whole")
    chance, interrupted, asked = Random(7), set[str](), list[str]()
    for _ in range(KILLS):
        before = _asked(tmp_path, "killed")
        if _killed(tmp_path, log, chance.uniform(0, 0.05)):
            new = _asked(tmp_path, "killed")[len(before) :]
            assert not {*new} & ({*before} - interrupted), "an answer that was stored was asked for again"
            interrupted = {new[-1]} if new else interrupted
    found = _finished(tmp_path, log, "killed")
    asked = _asked(tmp_path, "killed")
    assert (found["verdict"], found["step"]) == (undisturbed["verdict"], undisturbed["step"])
    assert json.dumps(found["trials"]).replace('"live"', '"cached"') == json.dumps(undisturbed["trials"]).replace(
        '"live"', '"cached"'
    )
    assert set(asked) == set(_asked(tmp_path, "whole"))
    assert len(asked) - len(set(asked)) <= KILLS


def _command(folder: Path, log: Path, name: str) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-m", "butfor", "blame", str(log), "--model", "slow_team:provider", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "ASKED": str(folder / f"{name}.asked")}
    return [*command, "--jobs", "1", "--cache", str(folder / name)], environment


def _killed(folder: Path, log: Path, after: float) -> bool:
    """Start an audit, kill it this many seconds after its first call; whether it was killed before its end."""
    command, environment = _command(folder, log, "killed")
    count = len(_asked(folder, "killed"))
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as audit:
        until = time.monotonic() + 20
        while len(_asked(folder, "killed")) == count and audit.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(after)
        if audit.poll() is None:
            audit.send_signal(signal.SIGKILL)
    return audit.returncode == -signal.SIGKILL


def _finished(folder: Path, log: Path, name: str) -> dict[str, object]:
    command, environment = _command(folder, log, name)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def _asked(folder: Path, name: str) -> list[str]:
    path = folder / f"{name}.asked"
    return path.read_text().split() if path.exists() else []
