"""No-edit replays of runs of a real local model, under load: `python tests/frameworks/soak.py [RUNS]`.

Two frameworks each run 25 teams at once against SmolLM2; then the model is gone, and each recording is checked again
and again, four processes side by side. RUNS (default 20) checks of two programs with 25 teams are 1,000 replays.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS)]

from local_model import serving  # noqa: E402

from frameworks.environments import FRAMEWORKS, python_of  # noqa: E402

TEAMS, SIDE_BY_SIDE = 25, 4
PROGRAMS = {"AutoGen": "many_autogen", "LangGraph": "many_langgraph"}


def main() -> int:
    """Record each program, replay it, and print how many replays were identical."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    identical = 0
    with tempfile.TemporaryDirectory() as folder:
        with serving() as address:
            for name, program in PROGRAMS.items():
                started = time.monotonic()
                _butfor(Path(folder), name, program, address, "record", "-o", f"{program}.json").check_returncode()
                print(f"{name}: {TEAMS} teams recorded in {time.monotonic() - started:.0f} s", flush=True)
        for name, program in PROGRAMS.items():
            started = time.monotonic()

            def check(_: int, name: str = name, program: str = program) -> str:
                done = _butfor(Path(folder), name, program, "http://127.0.0.1:9/v1", "check", f"{program}.json")
                return "" if done.returncode == 0 else done.stdout + done.stderr

            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                failures = [text for text in pool.map(check, range(runs)) if text]
            same = (runs - len(failures)) * TEAMS
            identical += same
            print(f"{name}: {same} of {runs * TEAMS} replays identical, {time.monotonic() - started:.0f} s", flush=True)
            print("".join(failures[:2]), end="")
    print(f"{identical} of {len(PROGRAMS) * runs * TEAMS} replays identical, the model gone")
    return 0 if identical == len(PROGRAMS) * runs * TEAMS else 1


def _butfor(
    folder: Path, name: str, program: str, address: str, command: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    framework = next(framework for framework in FRAMEWORKS if framework.name == name)
    line = [sys.executable, "-m", "butfor", command, *arguments, "--"]
    line += [str(python_of(framework)), str(TESTS / "programs" / f"{program}.py")]
    environment = {**os.environ, "OPENAI_BASE_URL": address, "OPENAI_API_KEY": "x", "TEAMS": str(TEAMS)}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
