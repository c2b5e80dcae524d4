"""What can go wrong while a program runs is recorded as it was, replayed as it was, and loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers import Reply, Server, unused_port

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_log
from butfor.replay.inside.tape import Tape
from butfor.replay.program.acts import read_entries
from butfor.replay.program.program import Program, record
from butfor.replay.trace import Ended, Trace

ASK = """
import httpx, sys

def ask(text, **more):
    body = {{"model": "m", "messages": [{{"role": "user", "content": text}}], **more}}
    return httpx.post("{url}/v1/chat/completions", json=body)
"""
COMMAND = (sys.executable, "app.py")


def said(text: str) -> Reply:
    return Reply({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]})


def recorded(folder: Path, url: str, source: str, *, timeout: float | None = None) -> Trace:
    (folder / "app.py").write_text(ASK.format(url=url) + source)
    return record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl", timeout=timeout)


RETRYING = """
for attempt in range(6):
    try:
        response = ask("Hello")
    except httpx.HTTPError as error:
        print(type(error).__name__, error)
        continue
    print(response.status_code, response.text)
    if response.status_code == 200:
        break
"""


@pytest.mark.parametrize(
    "fault",
    [
        Reply("busy", status=503),
        Reply("slow down", status=429, headers={"retry-after": "1"}),
        Reply("", fault="reset"),
        Reply("x" * 1000, fault="half"),
    ],
    ids=["503", "429", "reset", "half"],
)
def test_what_is_tried_again_is_one_call(folder: Path, fault: Reply) -> None:
    with Server(fault, fault, said("Hi")) as server:
        trace = recorded(folder, server.url, RETRYING)
    assert [step.output for step in trace.steps] == ["Hi"]
    assert trace.steps[0].error is None
    again = Program(COMMAND).check(trace)
    assert again.steps == trace.steps
    assert again.ended is not None
    assert again.ended.output.startswith("200 ")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Reply("broken", status=500), "status 500"),
        (Reply("", fault="reset"), "Error"),
        (Reply("x" * 1000, fault="half"), "RemoteProtocolError"),
    ],
    ids=["500", "reset", "half"],
)
def test_what_never_worked_fails_the_same_way_again(folder: Path, fault: Reply, error: str) -> None:
    with Server(fault) as server:
        trace = recorded(folder, server.url, RETRYING)
    assert len(trace.steps) == 1
    assert error in (trace.steps[0].error or "")
    assert Program(COMMAND).check(trace) == trace


def test_no_server_at_all_is_recorded_and_replayed(folder: Path) -> None:
    trace = recorded(folder, f"http://127.0.0.1:{unused_port()}", RETRYING)
    assert trace.steps[0].error is not None
    assert trace.steps[0].error.startswith("ConnectError")
    assert Program(COMMAND).check(trace) == trace


@pytest.mark.parametrize("garbage", ["", "not json", '{"choices": []}', "[1, 2"])
def test_garbage_is_given_again(folder: Path, garbage: str) -> None:
    with Server(Reply(garbage)) as server:
        trace = recorded(folder, server.url, 'print(repr(ask("Hello").text))')
    assert trace.steps[0].output == ""
    assert Program(COMMAND).check(trace) == trace


def test_a_stream_that_breaks_off_breaks_off_again(folder: Path) -> None:
    source = """
body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
try:
    with httpx.stream("POST", URL, json=body) as response:
        for line in response.iter_lines():
            print(line)
except httpx.HTTPError as error:
    print(type(error).__name__, error)
"""
    chunk = "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "He"}}]}) + "\n\n"
    half = Reply(chunk + chunk, headers={"content-type": "text/event-stream"}, fault="half")
    with Server(half) as server:
        trace = recorded(folder, server.url, f'URL = "{server.url}/v1/chat/completions"\n{source}')
    assert trace.ended is not None
    assert "RemoteProtocolError" in trace.ended.output
    assert '"He"' in trace.ended.output
    assert Program(COMMAND).check(trace) == trace


def test_a_program_that_crashes_keeps_its_calls(folder: Path) -> None:
    with Server(said("One"), said("Two")) as server:
        trace = recorded(folder, server.url, 'ask("a"); ask("b"); raise RuntimeError("it broke")')
    assert [step.output for step in trace.steps] == ["One", "Two"]
    assert trace.ended == Ended(status=1)
    assert Program(COMMAND).check(trace) == trace


def test_a_program_that_prints_binary(folder: Path) -> None:
    source = r'ask("a"); sys.stdout.buffer.write(b"\xff\xfe\x00 \xc3\xa4")'
    with Server(said("One")) as server:
        trace = recorded(folder, server.url, source)
    assert trace.ended is not None
    assert trace.ended.output == "\\xff\\xfe\x00 ä"
    assert Program(COMMAND).check(trace) == trace


def test_a_program_that_forks(folder: Path) -> None:
    source = """
import os
ask("parent before")
for number in range(3):
    if os.fork() == 0:
        ask(f"child {number}")
        os._exit(0)
    os.wait()
ask("parent after")
"""
    with Server(said("Hi")) as server:
        trace = recorded(folder, server.url, source)
    assert len(trace.steps) == 5
    assert Program(COMMAND).check(trace) == trace


def test_a_program_that_hangs_keeps_its_calls_and_says_that_there_may_be_more(folder: Path) -> None:
    with Server(said("One")) as server:
        trace = recorded(folder, server.url, 'ask("a")\nimport time; time.sleep(60)', timeout=2)
    assert [step.output for step in trace.steps] == ["One"]
    assert trace.ended is not None
    assert trace.ended.partial


def test_a_killed_recorder_leaves_every_completed_call(folder: Path) -> None:
    source = 'ask("a"); ask("b")\nprint("asked", flush=True)\nimport time; time.sleep(60)'
    with Server(said("One"), said("Two")) as server:
        (folder / "app.py").write_text(ASK.format(url=server.url) + source)
        command = [sys.executable, "-m", "butfor", "record", "-o", "run.json", "--", *COMMAND]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        assert process.stdout.readline() == b"asked\n"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    tape = folder / ".run.json.calls.jsonl"
    trace = import_log(tape)
    assert [step.output for step in trace.steps] == ["One", "Two"]
    assert trace.ended is not None
    assert trace.ended.partial


def test_a_line_that_was_cut_short_is_left_out_and_said(tmp_path: Path) -> None:
    tape = tmp_path / "calls.jsonl"
    for text in ("one", "two"):
        Tape(str(tape)).append({"kind": "llm", "text": text})
    whole = tape.read_text()
    tape.write_text(whole[:-5])
    assert read_entries(tape.read_text(), name="tape").partial
    Tape(str(tape)).append({"kind": "llm", "text": "three"})
    found = read_entries(tape.read_text(), name="tape")
    assert [entry["text"] for entry in found.entries] == ["one", "three"]
    assert found.partial
    assert not read_entries(whole, name="tape").partial


def test_a_file_that_is_no_recording_is_refused() -> None:
    with pytest.raises(LogFormatError, match="no recorded call"):
        read_entries('{"kind": "other"}\n', name="tape")


def test_processes_that_write_at_once_never_mix_their_lines(tmp_path: Path) -> None:
    tape = tmp_path / "calls.jsonl"
    source = (
        f"from butfor.replay.inside.tape import Tape\nfor n in range(50): Tape.of({str(tape)!r}).append("
        "{'kind': 'llm', 'text': 'x' * 50_000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", source]) for _ in range(4)]
    started = time.monotonic()
    assert all(writer.wait() == 0 for writer in writers)
    assert time.monotonic() - started < 30
    entries, partial, *_ = read_entries(tape.read_text(), name="tape")
    assert len(entries) == 200
    assert not partial
