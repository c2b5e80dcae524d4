"""Import every log of a folder, replay it offline, and compare the bytes: `python scripts/check_folder.py DIR`."""

import sys
import time
from collections import Counter
from pathlib import Path

from butfor.cache.errors import ButforError
from butfor.replay.executor import rerun
from butfor.replay.importers import import_log
from butfor.replay.simulator import Simulator
from butfor.replay.trace import read_trace


def main(folder: Path) -> int:
    """Print what was checked, and how many logs failed as the exit status."""
    counts: Counter[str] = Counter()
    failed = []
    started = time.monotonic()
    for path in sorted(folder.rglob("*.json")):
        try:
            trace = import_log(path)
            simulator = Simulator()
            recording = simulator.recording(trace)
            again = rerun(trace, executor=simulator, recording=recording)
        except ButforError as error:
            failed.append(f"{path}: {error}")
            continue
        same = again.to_json() == trace.to_json() and read_trace(trace.to_json()) == trace
        counts.update(logs=1, steps=len(trace.steps), calls=len(recording.recorded), identical=same)
        counts["speakers"] += len({step.agent for step in trace.steps})
        if not same:
            failed.append(f"{path}: not reproduced")
    for line in failed:
        print(line)
    print(
        f"{counts['logs']} logs imported, {counts['steps']} steps by {counts['speakers']} speakers; {counts['calls']} "
        f"calls replayed offline, all from the recording; {counts['identical']} logs reproduced byte for byte; "
        f"{len(failed)} failed; {time.monotonic() - started:.1f} s"
    )
    return 1 if failed or not counts["logs"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
