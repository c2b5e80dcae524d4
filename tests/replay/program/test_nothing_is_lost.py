"""One odd thing never loses a run: what came is written, marked partial where it was cut, and imports."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers import Reply, Request, Server

from butfor.cache.errors import ProgramFailed, ProviderError
from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore
from butfor.replay.cast import Cast, Own
from butfor.replay.executor import rerun
from butfor.replay.importers import import_log
from butfor.replay.program import recorder
from butfor.replay.program.program import Program, record
from butfor.replay.program.recorder import record_to, tape_of
from butfor.replay.replayed import Edits
from butfor.replay.trace import Trace, read_trace

ASK = """
import httpx, json, sys, time
URL = "{url}"

def ask(content, path="/v1/chat/completions", **more):
    body = {{"model": "m", "messages": [{{"role": "user", "content": content}}], **more}}
    return httpx.post(URL + path, content=json.dumps(body), timeout=30)
"""
COMMAND = (sys.executable, "app.py")
STREAM = {"content-type": "text/event-stream"}


def said(text: str) -> Reply:
    """An answer, its text escaped as it stands here."""
    message = f'{{"role": "assistant", "content": "{text}"}}'
    return Reply(f'{{"choices": [{{"index": 0, "finish_reason": "stop", "message": {message}}}]}}')


def chunk(text: str, reason: str = "null") -> str:
    delta = f'{{"index": 0, "delta": {{"content": "{text}"}}, "finish_reason": {reason}}}'
    return f'data: {{"choices": [{delta}]}}\n\n'


def recorded(folder: Path, server: Server, source: str) -> Trace:
    (folder / "app.py").write_text(ASK.format(url=server.url) + source)
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    written = trace.to_json().encode()
    assert read_trace(written.decode()) == trace
    assert import_log(folder.parent / "calls.jsonl").steps == trace.steps
    return trace


def test_half_an_emoji_in_an_answer_and_in_a_question(folder: Path) -> None:
    source = "found = ask('cut \\ud83d').json()['choices'][0]['message']['content']; print(ascii(found)); ask(found)"
    with Server(said(r"half \ud83d here")) as server:
        trace = recorded(folder, server, source)
    assert [step.output for step in trace.steps] == ["half \ufffd here"] * 2
    assert trace.ended is not None
    assert trace.ended.output == r"'half \ud83d here'" + "\n", "the program itself saw what the server sent"
    assert Program(COMMAND).check(trace) == trace


def test_an_emoji_that_two_chunks_share_is_one(folder: Path) -> None:
    body = chunk(r"a \ud83d") + chunk(r"\ude00 b") + chunk("", '"stop"') + "data: [DONE]\n\n"
    with Server(Reply(body, headers=STREAM)) as server:
        trace = recorded(folder, server, "ask('Hello', stream=True)")
    assert trace.steps[0].output == "a \U0001f600 b"
    assert Program(COMMAND).check(trace) == trace


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat", "/v1/embeddings"]
)
@pytest.mark.parametrize(
    "body", [{"messages": "Hello", "input": 7}, {"messages": [7], "input": [7]}, {"prompt": {"a": [None]}}]
)
def test_a_question_that_cannot_be_read_is_kept_word_for_word(folder: Path, path: str, body: object) -> None:
    source = f"httpx.post(URL + {path!r}, content={json.dumps(body)!r}); ask('after')"
    with Server(said("Hi")) as server:
        trace = recorded(folder, server, source)
    assert len(trace.steps) == 2
    assert trace.steps[1].output == "Hi"
    assert Program(COMMAND).check(trace) == trace


@pytest.mark.parametrize(
    "posted",
    [
        "URL + '/api/v10/channels/1/messages', json={'content': 'Hello'}",
        "URL + '/v3/example.org/messages', data={'to': 'a@example.org', 'text': 'Hello'}",
        "URL + '/v1/forms/1/responses', json={'answers': ['Hello']}",
        "URL + '/v1/jobs/1/messages'",
        "URL + '/messages', json={'jsonrpc': '2.0', 'id': 1, 'method': 'tools/list'}",
        "URL + '/api/chat', content=b'no json'",
    ],
)
def test_what_asks_no_model_is_let_alone(folder: Path, posted: str) -> None:
    with Server(said("Hi")) as server:
        trace = recorded(folder, server, f"ask('Hello'); httpx.post({posted}); ask('Bye')")
        assert len(server.requests) == 3
    assert [step.call and step.call.messages[0].text for step in trace.steps] == ["Hello", "Bye"]


CUT = {
    "cut": chunk("Hel") + chunk("lo"),
    "in-band": chunk("Hel") + 'data: {"error": {"message": "overloaded"}}\n\n' + "data: [DONE]\n\n",
    "reason": chunk("Hel", '"error"') + "data: [DONE]\n\n",
}


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_what_was_cut_or_failed_inside_its_stream_is_never_stored(folder: Path, body: str) -> None:
    def reply(request: Request) -> Reply:
        if "second" in request.text and "changed" in request.text:
            return Reply(body, headers=STREAM)
        whole = chunk("fine", '"stop"') + "data: [DONE]\n\n"
        return Reply(whole, headers=STREAM) if request.json.get("stream") else said("one")

    source = "a = ask('first').json()['choices'][0]['message']['content']; ask('second ' + a, stream=True)"
    store = MemoryStore()
    with Server(reply) as server:
        trace = recorded(folder, server, source)
        with pytest.raises(ProviderError, match=r"cut short|inside of its stream"):
            rerun(trace, Edits(answers={0: "changed"}), executor=Program(COMMAND), live=Cast(Cached(Own(), store)))
        assert len(server.requests) == 2 + 3, "it is tried again before it is given up"
    assert list(store.calls()) == []


LOOP = "number = 0\nwhile True:\n    number += 1; ask(f'n{number}'); print(number, flush=True); time.sleep(0.05)"


@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGHUP, True)]
)
def test_a_recorder_that_is_stopped_writes_what_came_and_ends_the_program(
    folder: Path, number: int, group: bool
) -> None:
    with Server(said("Hi")) as server:
        (folder / "app.py").write_text(ASK.format(url=server.url) + LOOP)
        command = [sys.executable, "-m", "butfor", "record", "-o", "run.json", "--", *COMMAND]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        while process.stdout.readline() != b"3\n":
            pass
        (os.killpg if group else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=20)
        seen = len(server.requests)
        time.sleep(0.3)
        assert len(server.requests) == seen, "the program goes on"
    trace = read_trace((folder / "run.json").read_text())
    assert len(trace.steps) >= 3
    assert trace.ended is not None
    assert trace.ended.partial
    assert b"partial" in errors
    assert not tape_of(folder / "run.json").exists()


def test_a_program_ends_with_a_recorder_that_is_killed(folder: Path) -> None:
    with Server(said("Hi")) as server:
        (folder / "app.py").write_text(ASK.format(url=server.url) + LOOP)
        command = [sys.executable, "-m", "butfor", "record", "-o", "run.json", "--", *COMMAND]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        while process.stdout.readline() != b"3\n":
            pass
        process.kill()
        process.communicate(timeout=20)
        time.sleep(0.2)
        seen = len(server.requests)
        time.sleep(0.3)
        assert len(server.requests) == seen, "the program goes on"
    assert len(import_log(tape_of(folder / "run.json")).steps) >= 3


def test_a_fault_of_butfors_own_leaves_the_tape(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "write_atomically", broken)
    with Server(said("Hi")) as server:
        (folder / "app.py").write_text(ASK.format(url=server.url) + "ask('Hello')")
        with pytest.raises(OSError, match="No space"):
            record_to(folder / "run.json", COMMAND)
    assert [step.output for step in import_log(tape_of(folder / "run.json")).steps] == ["Hi"]


def test_a_program_that_asks_nothing_leaves_nothing(folder: Path) -> None:
    (folder / "app.py").write_text("print('hello')")
    with pytest.raises(ProgramFailed, match="asked no model"):
        record_to(folder / "run.json", COMMAND)
    assert [path.name for path in folder.iterdir()] == ["app.py"]
