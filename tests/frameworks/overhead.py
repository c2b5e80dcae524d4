"""What recording and replaying cost a program: `python tests/frameworks/overhead.py`, medians against the
bare client.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from butfor.replay.program.program import Program, record

CALLS = 200
PROGRAM = """
import httpx, json, os, time
url, size, calls = os.environ["TARGET"], int(os.environ["SIZE"]), int(os.environ["CALLS"])
turns = max(1, size // 2000)
said = [{"role": "user", "content": f"{n} " + "x" * min(size, 2000)} for n in range(turns)]
times = []
with httpx.Client(timeout=60) as client:
    for n in range(calls):
        body = json.dumps({"model": "m", "messages": [*said, {"role": "user", "content": f"question {n}"}]})
        started = time.perf_counter()
        client.post(url, content=body).read()
        times.append(time.perf_counter() - started)
open(os.environ["TIMES"], "w").write(json.dumps(times))
"""
ANSWER = json.dumps({"choices": [{"message": {"role": "assistant", "content": "y" * 200}, "finish_reason": "stop"}]})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer, or the measurement is of delayed acknowledgements
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER.encode())

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    """Measure and print."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["TARGET"] = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    os.environ["CALLS"] = str(CALLS)
    print("| prompt | bare | recorded | replayed | recording adds |\n|---|---|---|---|---|")
    for size in (2_000, 50_000, 400_000):
        bare, recorded, replayed = _measured(size)
        adds = (recorded - bare) * 1000
        cells = (f"{seconds * 1000:.2f}" for seconds in (bare, recorded, replayed))
        print(f"| {size // 1000} KB | {' | '.join(cells)} | {adds:.2f} ms |")
    server.shutdown()


def _measured(size: int) -> tuple[float, float, float]:
    """The median seconds of a call: bare, recorded, replayed; each the best of three rounds."""
    os.environ["SIZE"] = str(size)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        (work / "app.py").write_text(PROGRAM)
        os.chdir(work)
        os.environ["TIMES"] = times = f"{folder}/times.json"
        command = (sys.executable, "app.py")
        bare, recorded, replayed = [], [], []
        for attempt in range(3):
            subprocess.run(command, check=True)
            bare.append(_median(times))
            trace = record(command, name="run.json", tape=Path(folder) / f"tape{attempt}")
            recorded.append(_median(times))
            Program(command).check(trace)
            replayed.append(_median(times))
        os.chdir("/")
    return min(bare), min(recorded), min(replayed)


def _median(path: str) -> float:
    return float(statistics.median(json.loads(Path(path).read_text())))


if __name__ == "__main__":
    main()
