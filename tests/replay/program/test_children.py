"""Processes that a program starts are seen, whatever environment it gives them, and whatever becomes of its own."""

import sys
from pathlib import Path

import pytest
from programs.llm_server import ModelServer

from butfor.replay.program.check import check
from butfor.replay.program.program import record

COMMAND = (sys.executable, "app.py")

ASK = """
import httpx
def ask(text):
    body = {{"model": "m", "messages": [{{"role": "user", "content": text}}]}}
    return httpx.post("{url}/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
"""
CHILD = "[sys.executable, '-c', 'from ask import ask; print(ask(\"I am the Writer, a child\"))']"
ENVIRONMENT = "{'PATH': os.environ['PATH']}"
WAYS = {
    "run": f"print(subprocess.run({CHILD}, env={ENVIRONMENT}, capture_output=True, text=True).stdout)",
    "empty": f"print(subprocess.run({CHILD}, env={{}}, capture_output=True, text=True).stdout)",
    "bytes": f"print(subprocess.run({CHILD}, env={{b'A': b'1'}}, capture_output=True, text=True).stdout)",
    "own-path": f"print(subprocess.run({CHILD}, env={{'PYTHONPATH': '.'}}, capture_output=True, text=True).stdout)",
    "positional": f"p = subprocess.Popen({CHILD}, -1, None, None, -1, None, None, True, False, None, {{}}); "
    "print(p.communicate()[0].decode())",
    "shell": "print(os.popen(f\"{sys.executable} -c 'from ask import ask; print(ask(1))'\").read())",
    "system": "sys.stdout.flush(); os.environ.clear(); "
    "os.system(f\"{sys.executable} -c 'from ask import ask; print(ask(1))'\")",
    "posix-spawn": f"os.waitpid(os.posix_spawn(sys.executable, {CHILD}, {ENVIRONMENT}), 0)",
    "fork-exec": f"""
if os.fork() == 0:
    os.execve(sys.executable, {CHILD}, {ENVIRONMENT})
os.wait()
""",
    "replaced": f"sys.stdout.flush(); os.execve(sys.executable, {CHILD}, {ENVIRONMENT})",
    "asyncio": f"""
async def main():
    p = await asyncio.create_subprocess_exec(*{CHILD}, env={ENVIRONMENT}, stdout=subprocess.PIPE)
    print((await p.communicate())[0].decode())
asyncio.run(main())
""",
    "spawn": """
if __name__ == "__main__":
    os.environ.clear()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(ask, ["I am the Writer, spawned"]))
""",
    "fork": """
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(ask, ["I am the Writer, forked"]))
""",
    "executor": """
from concurrent.futures import ProcessPoolExecutor
if __name__ == "__main__":
    with ProcessPoolExecutor(1) as pool:
        print(list(pool.map(ask, ["I am the Writer, in a pool"])))
""",
    "cleared": "os.environ.clear(); print(ask('I am the Writer, forgetful'))",
    "patched": """
from unittest import mock
with mock.patch.dict(os.environ, {"OPENAI_API_KEY": "k"}, clear=True):
    print(ask("I am the Writer, patched"))
""",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_child_is_recorded_and_answered(
    way: str, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "ask.py").write_text(ASK.format(url=server.url))
    imports = "import asyncio, multiprocessing, os, subprocess, sys\nfrom ask import ask\n"
    first = "print(ask('I am the Planner'), flush=True)\n"
    guarded = f"if __name__ == '__main__': {first}" if "__main__" in way else first
    (work / "app.py").write_text(imports + guarded + way)
    trace = record(COMMAND, name="run.json", tape=tmp_path / "tape")
    assert len(trace.steps) == 2
    assert trace.ended is not None
    assert trace.ended.status == 0
    checked = check(trace, COMMAND)
    assert checked.same, checked.differences
