"""A replay finds the world that was recorded: files, input, clock, chance, variables, order, and what was given up."""

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Reply, Request, Server

from butfor.cache.errors import ButforError, Divergence
from butfor.replay.inside import held
from butfor.replay.program import namespace
from butfor.replay.program.check import Checked, check
from butfor.replay.program.learn import learn
from butfor.replay.program.program import record
from butfor.replay.program.same import first_difference
from butfor.replay.program.surroundings import faketime
from butfor.replay.trace import Trace, read_trace

ASK = """
import asyncio, datetime, httpx, json, os, random, subprocess, sys, tempfile, threading, time, uuid

def body(text):
    return {{"model": "m", "messages": [{{"role": "user", "content": str(text)}}]}}

def ask(text):
    return httpx.post("{url}/v1/chat/completions", json=body(text)).json()["choices"][0]["message"]["content"]

async def later(client, text, **more):
    found = await client.post("{url}/v1/chat/completions", json={{**body(text), **more}})
    return found.text if more else found.json()["choices"][0]["message"]["content"]
"""
COMMAND = (sys.executable, "app.py")
kernel = pytest.mark.skipif(not namespace.available(), reason="no namespace can be had here")


def echo(request: Request) -> Reply:
    """An answer that takes as many tenths of a second as its question says, and no two of which are alike."""
    text = request.json["messages"][0]["content"]
    if text.startswith("wait"):
        time.sleep(int(text.split()[1]) / 10)
    said = {"role": "assistant", "content": f"said {text[:40]} {time.monotonic_ns()}"}
    return Reply({"choices": [{"index": 0, "finish_reason": "stop", "message": said}]})


def recorded(
    folder: Path, source: str, reply: Callable[[Request], Reply] = echo, *, ignore: tuple[str, ...] = ()
) -> Trace:
    with Server(reply) as server:
        (folder / "app.py").write_text(ASK.format(url=server.url) + source)
        (folder.parent / "calls.jsonl").unlink(missing_ok=True)
        trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl", ignore=ignore)
    return read_trace(trace.to_json())


def same(trace: Trace) -> Checked:
    checked = check(trace, COMMAND)
    assert checked.same, checked.differences
    return checked


def days_ago(trace: Trace, days: int) -> Trace:
    """The run as if it had been recorded that long ago: with a question that has its day."""
    assert trace.world is not None
    return trace.model_copy(
        update={"world": trace.world.model_copy(update={"started": trace.world.started - days * 86_400})}
    )


@kernel
def test_the_working_directory_stands_in_a_question(folder: Path) -> None:
    same(recorded(folder, "print(ask(f'I work in {os.getcwd()}, on {os.path.abspath(__file__)}'))"))


def test_a_temporary_name_stands_in_a_question(folder: Path) -> None:
    same(recorded(folder, "print(ask(f'Write to {tempfile.mkdtemp()} or {tempfile.mktemp()}'))"))


STATE = """
old = json.load(open("session.json")) if os.path.exists("session.json") else []
old.append(ask(f"so far: {old}"))
json.dump(old, open("session.json", "w"))
with open("log.bin", "ab") as log:
    print(ask(f"log of {log.tell()} bytes"))
    log.write(bytes([255, 0, 254]) * 4)
os.makedirs("out/deep", exist_ok=True) if os.path.exists("twice") else os.mkdir("out")
open("out/new.txt", "w").write("x")
if os.path.exists("old.txt"): os.remove("old.txt"); print("removed")
"""


def test_files_are_what_they_were_before_the_run(folder: Path) -> None:
    (folder / "session.json").write_text('["before"]')
    (folder / "log.bin").write_bytes(b"\xff\xfe" * 10)
    (folder / "old.txt").write_text("old")
    trace = recorded(folder, STATE)
    assert not (folder / "old.txt").exists()
    assert trace.world is not None
    assert dict(trace.world.files) == {"session.json": '["before"]', "old.txt": "old", "out": None}
    assert set(trace.world.binary) == {"log.bin"}
    after = (folder / "session.json").read_text()
    same(trace)
    assert (folder / "session.json").read_text() == after, "the user's own files stay as the run left them"
    with pytest.raises(Divergence):
        check(trace, COMMAND, hold=False)


def test_a_run_from_a_stranger_writes_nothing_outside_of_the_copy(folder: Path) -> None:
    trace = recorded(folder, "ask('Hello')")
    assert trace.world is not None
    (folder / "link").symlink_to(folder.parent)
    for name in ("../planted", "/planted", "link/planted", "."):
        world = trace.world.model_copy(update={"files": {name: "x"}})
        with pytest.raises(ButforError, match="outside of its working directory"):
            check(trace.model_copy(update={"world": world}), COMMAND)
    assert not (folder.parent / "planted").exists()


STDIN = "q = input('Question? '); a = ask(q); ok = input('OK? '); print(ask(ok + ': ' + a), sys.stdin.isatty())"


@pytest.mark.parametrize("terminal", [False, True])
def test_what_was_typed_is_typed_again(folder: Path, terminal: bool) -> None:
    with Server(echo) as server:
        (folder / "app.py").write_text(ASK.format(url=server.url) + STDIN)
        ours, theirs = pty.openpty() if terminal else os.pipe()[::-1]
        command = [sys.executable, "-m", "butfor", "record", "-o", "run.json", "--", *COMMAND]
        process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, start_new_session=not terminal)
        os.close(theirs)
        os.write(ours, b"What?\nyes\n")
        if not terminal:
            os.close(ours)
        said, _ = process.communicate(timeout=30)
        if terminal:
            os.close(ours)
    trace = read_trace((folder / "run.json").read_text())
    assert trace.world is not None
    assert trace.world.stdin == "What?\nyes\n"
    assert [step.call and step.call.messages[0].text.partition(":")[0] for step in trace.steps] == ["What?", "yes"]
    same(trace)
    assert str(trace.world.terminal).encode() in said


DATES = (
    "ask(f\"{datetime.date.today()} {datetime.datetime.now():%A, %B %d, %Y} {time.strftime('%m/%d/%Y')} "
    '{datetime.datetime.now(datetime.timezone.utc).date()} {int(time.time()) // 86400}")'
)


def test_the_clock_goes_on_from_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded today and looked at from ten days on: what butfor takes for now is moved, and nothing else."""
    trace = recorded(folder, DATES)
    same(trace)
    later = time.time() + 10 * 86_400
    days = days_ago(trace, 10)
    with pytest.raises(Divergence):
        check(days, COMMAND)
    monkeypatch.setattr("butfor.replay.program.surroundings.time.time", lambda: later)
    assert days.world is not None
    with pytest.raises(Divergence):
        check(days_ago(trace, -20), COMMAND)


def test_the_clock_of_other_programs_too(folder: Path) -> None:
    if faketime() is None or not namespace.available():
        pytest.skip("libfaketime is not installed")
    source = "print(ask('Hello'), subprocess.run(['date', '+%Y-%m'], capture_output=True, text=True).stdout)"
    source += "\nprint(subprocess.run([sys.executable, '-I', '-c', 'import time; print(time.gmtime()[0])'])) "
    trace = days_ago(recorded(folder, source), 1000)
    assert trace.world is not None
    then = time.strftime("%Y-%m", time.localtime(trace.world.started))
    again = check(trace, COMMAND).again
    assert again.ended is not None
    assert then in again.ended.output


CLOCK = """
import datetime, pickle, copy, time
from datetime import datetime as dt, date, timedelta
now = dt.now()
assert isinstance(now, dt) and isinstance(now, date) and not isinstance(date.today(), dt), "instances"
assert issubclass(dt, date) and isinstance(dt(2020, 1, 1), datetime.datetime)
assert pickle.loads(pickle.dumps(now)) == now and copy.deepcopy(now) == now
assert pickle.loads(pickle.dumps(dt)) is dt and pickle.loads(pickle.dumps([date.today()])) == [date.today()]
aware = dt.now(datetime.timezone.utc)
assert pickle.loads(pickle.dumps(aware)) == aware
assert dt.strptime("2020-02-03", "%Y-%m-%d") == dt(2020, 2, 3) == dt.fromisoformat("2020-02-03")
assert now - timedelta(days=1) < now and dt.combine(now.date(), now.time()) == now
class Mine(dt):
    pass
assert type(Mine.now()) is Mine and isinstance(Mine.now(), dt) and not isinstance(dt.now(), Mine)
assert abs(dt.now().timestamp() - time.time()) < 5 and abs(time.time_ns() / 1e9 - time.time()) < 5
assert time.localtime()[:3] == now.timetuple()[:3] and time.strftime("%Y", time.gmtime(0)) == "1970"
print(now.isoformat(), time.ctime(), time.asctime(), dt.utcnow().year, dt.today().year)
"""


def test_dates_stay_what_dates_are_under_another_clock(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CLOCK)
    started = Path(held.__file__).parent / "start"
    environment = {
        "PYTHONPATH": str(started), "BUTFOR_MODE": "replay", "BUTFOR_SOCKET": "none", "PATH": os.environ["PATH"],
        held.SHIFT: str(1_000_000_000 - time.time()), "TZ": "UTC",
    }  # fmt: skip
    ran = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("2001-09-09T01:46:4")
    assert ran.stdout.count("2001") == 5


CHANCE = """
numbers = [uuid.uuid4().hex, random.random(), random.Random(3).random(), {*"abcdef"}]
child = "import uuid, random; print(uuid.uuid4().hex, random.random())"
numbers += [subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout for _ in range(2)]
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, f"{uuid.uuid4().hex}".encode()); os._exit(0)
os.wait()
numbers += [os.read(read, 100), uuid.uuid4().hex]
assert len({str(n) for n in numbers}) == len(numbers), numbers
print(ask(numbers))
"""


def test_chance_is_the_same_again_and_another_in_the_next_recording(folder: Path) -> None:
    first, second = recorded(folder, CHANCE), recorded(folder, CHANCE)
    assert first.steps[0].call != second.steps[0].call
    same(second)


def test_variables_that_the_program_reads_are_what_they_were(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLE", "short")
    monkeypatch.setenv("SERVICE_TOKEN", "planted-value")
    monkeypatch.setenv("SERVICE_AT", "https://user:planted-value@example.org")
    monkeypatch.setenv("UNREAD", "planted-value")
    monkeypatch.delenv("TODAY", raising=False)
    source = "ask(os.environ['STYLE'] + str(os.environ.get('TODAY')) + str(os.getenv('MISSING')))\n"
    trace = recorded(folder, source + "os.getenv('SERVICE_TOKEN'); os.getenv('SERVICE_AT')")
    assert trace.world is not None
    assert dict(trace.world.environment) == {"STYLE": "short", "TODAY": None, "MISSING": None}
    assert "planted-value" not in trace.to_json()
    monkeypatch.setenv("STYLE", "long")
    monkeypatch.setenv("TODAY", "2030-01-01")
    same(trace)
    with pytest.raises(Divergence):
        check(trace, COMMAND, hold=False)


FAN_IN = """
async def main():
    async with httpx.AsyncClient() as client:
        jobs = [later(client, f"wait {n} worker {n}") for n in (6, 4, 2, 0)]
        got = [await found for found in asyncio.as_completed(jobs)]
        print(await later(client, got))
asyncio.run(main())
"""
THREADS = """
from concurrent.futures import ThreadPoolExecutor, as_completed
with ThreadPoolExecutor() as pool:
    jobs = [pool.submit(ask, f"wait {n} worker {n}") for n in (6, 4, 2, 0)]
    print(ask([job.result() for job in as_completed(jobs)]))
"""


@pytest.mark.parametrize("source", [FAN_IN, THREADS], ids=["tasks", "threads"])
def test_answers_come_in_the_order_in_which_they_came(folder: Path, source: str) -> None:
    trace = recorded(folder, source)
    for _ in range(3):
        same(trace)


TIMEOUT = """
async def main():
    async with httpx.AsyncClient() as client:
        try:
            first = await asyncio.wait_for(later(client, "wait 20 slow"), 0.3)
        except asyncio.TimeoutError:
            first = "TIMEOUT"
        print(first, await later(client, first))
asyncio.run(main())
"""
HEDGE = """
async def main():
    async with httpx.AsyncClient() as client:
        tasks = [asyncio.create_task(later(client, text)) for text in ("wait 20 big", "wait 1 small")]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        print(await later(client, [task.result() for task in done]))
asyncio.run(main())
"""


@pytest.mark.parametrize("source", [TIMEOUT, HEDGE], ids=["timeout", "hedge"])
def test_a_call_that_was_given_up_is_given_up_again(folder: Path, source: str) -> None:
    trace = recorded(folder, source)
    assert sum("Cancelled" in (step.error or "") for step in trace.steps) == 1
    checked = same(trace)
    assert checked.calls == len(trace.steps)


DURATIONS = "print(ask('Hello')); time.sleep(random.SystemRandom().random() / 5)\n"
TIMED = DURATIONS + (
    "took = time.perf_counter() - BEGAN; print(f'[Step 1: Duration {took:.2f} seconds| ok]')\n"
    "print(f'===== 1 passed in {took:.2f}s =====', f'{took * 1000:.1f} ms', datetime.timedelta(seconds=took))"
)


def test_durations_are_no_difference_and_a_difference_is_shown(folder: Path) -> None:
    trace = recorded(folder, "BEGAN = time.perf_counter()\n" + TIMED)
    same(trace)
    changed = (folder / "app.py").read_text().replace("1 passed", "2 failed")
    (folder / "app.py").write_text(changed)
    checked = check(trace, COMMAND)
    assert not checked.same
    assert "1 passed" in checked.differences[0]
    assert "2 failed" in checked.differences[0]


def test_lines_that_threads_print_in_another_order_are_the_same() -> None:
    assert first_difference("a\nb\nc\n", "b\na\nc\n") is None
    assert first_difference("a\nb\n", "a\nb\nc\n") == ("", "c")
    assert first_difference("a 1.2s\nb", "a 3.4s\nx") == ("b", "x")
    assert first_difference("took 12 ms", "took 12 m") == ("took 12 ms", "took 12 m")
    assert first_difference("ticket 77", "ticket 78") == ("ticket 77", "ticket 78")
    assert first_difference("ticket 77", "ticket 78", [r"ticket \d+"]) is None


def test_what_differs_by_itself_can_be_ignored_and_stands_in_the_run(folder: Path) -> None:
    source = "t = random.SystemRandom().getrandbits(40); print('ticket', t, ask(f'ticket {t} please'))"
    trace = recorded(folder, source)
    with pytest.raises(Divergence):
        check(trace, COMMAND)
    assert check(trace, COMMAND, ignore=[r"ticket \d+"]).same
    kept = recorded(folder, source, ignore=(r"ticket \d+",))
    same(kept)
    with pytest.raises(ButforError, match="not a regular expression"):
        check(trace, COMMAND, ignore=["("])


LEARNED = """
import secrets
ticket, token = random.SystemRandom().getrandbits(40), secrets.token_hex(8)
fact = ask(f"Your ticket is {ticket}. Say hello, session={token}; done.")
print(ask(f"He said {fact.split()[0]} about ticket {ticket}"))
"""


def test_what_changes_by_itself_is_learned_and_nothing_else(folder: Path) -> None:
    trace = recorded(folder, LEARNED)
    patterns = learn(trace, COMMAND)
    assert patterns
    assert all("hello" not in pattern for pattern in patterns)
    assert check(trace, COMMAND, ignore=patterns).calls == 2
    (folder / "app.py").write_text((folder / "app.py").read_text().replace("Say hello", "Say good bye to everybody"))
    with pytest.raises(Divergence, match="good bye"):
        learn(trace, COMMAND)
    same_run = recorded(folder, "print(ask('Hello'))")
    assert learn(same_run, COMMAND) == ()


def test_what_could_not_be_held_is_said(folder: Path) -> None:
    (folder / "large.bin").write_bytes(bytes(2**20 + 1))
    source = "print(ask('Hello')); open('large.bin', 'ab').write(b'x'); import socket; s = socket.socket()\n"
    trace = recorded(folder, source + "s.settimeout(0.1); s.connect_ex(('127.0.0.1', 9))")
    checked = same(trace)
    assert any("large.bin" in note for note in checked.notes)
    assert any("localhost:9 (1)" in note for note in checked.notes)
    assert "\n  note: " in checked.sentence("run.json")
    assert check(trace, COMMAND, hold=False).notes == ("the world of the recording was not held",)
