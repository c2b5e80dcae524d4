"""What was seen to go wrong in other caches and replayers, each once confirmed there: here it must not."""

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commandline import butfor
from diskcache.core import MODE_PICKLE
from traces import addressed, inventive, run

from butfor.cache.call import Call, Completion, Message, Tool, answer
from butfor.cache.disk import DiskStore
from butfor.cache.errors import CacheMiss, Divergence, StoreDamaged
from butfor.cache.provider import Cached, Offline
from butfor.cache.scripted import Scripted
from butfor.replay.executor import rerun
from butfor.replay.replayed import Edits, Replayed
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Trace, read_trace
from butfor.scenarios import scenario

CALL = Call(model="openai:a", messages=(Message(role="user", content="What now?"),))
MODEL = ("--model", "scripted:relay")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    opened = DiskStore(tmp_path / "answers")
    yield opened
    opened.close()


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A failing run in a file."""
    monkeypatch.chdir(tmp_path)
    path = Path("run.json")
    path.write_text(scenario("relay").record().to_json())
    return path


def counting() -> Scripted:
    """A model that answers with the number of times it was asked."""
    live = Scripted(lambda call: str(len(live.calls)))
    return live


def never(call: Call) -> str:
    raise AssertionError(f"asked live: {call}")


# One model's answer served for another: the key left out the model and tool_choice.


@pytest.mark.parametrize(
    "change",
    [
        {"model": "openai:b"},
        {"params": {"tool_choice": "required"}},
        {"params": {"response_format": {"type": "json_object"}}},
        {"tools": (Tool(name="add"),)},
    ],
)
def test_another_model_or_tool_choice_is_another_question(store: DiskStore, change: dict[str, Any]) -> None:
    live = counting()
    assert Cached(live, store).complete(CALL).text == "1"
    assert Cached(live, store).complete(CALL.model_copy(update=change)).text == "2"


# The key depended on the order of arguments and of dictionaries.


def test_the_order_of_arguments_and_dictionaries_is_no_question(store: DiskStore) -> None:
    live = counting()
    schema = {"type": "object", "properties": {"a": {}, "b": {}}}
    turned = {"properties": {"b": {}, "a": {}}, "type": "object"}
    for params, parameters in (({"top_p": 1, "n": 1}, schema), ({"n": 1, "top_p": 1.0}, turned)):
        tool = Tool.model_validate({"name": "add", "parameters": parameters})
        call = CALL.model_copy(update={"params": params, "tools": (tool,)})
        assert Cached(live, store).complete(call).text == "1"


# A truncated row was an answer; a flipped byte was an answer; a corrupt entry was a silent live call.


@pytest.mark.parametrize("damage", ["substr(value, 1, length(value) - 5)", "replace(value, 'whole', 'hole!')"])
def test_a_damaged_answer_is_neither_an_answer_nor_a_live_call(store: DiskStore, damage: str) -> None:
    Cached(Scripted(["the whole answer"]), store).complete(CALL)
    with closing(sqlite3.connect(store.directory / "cache.db")) as database, database:
        database.execute(f"UPDATE Cache SET value = {damage} WHERE key LIKE 'answer/%'")
    live = Scripted(never)
    with pytest.raises(StoreDamaged, match=r"answer/\w+ is not what was written"):
        Cached(live, store).complete(CALL)
    assert live.calls == []


# A pickle in the cache's folder was executed.


class Attack:
    """What a pickle that does harm looks like: loading it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("place", ["value", "key"])
def test_a_pickled_row_is_never_loaded(store: DiskStore, tmp_path: Path, place: str) -> None:
    target = tmp_path / "pwned"
    attack = pickle.dumps(Attack(target))
    store.add(CALL.key(), CALL, answer("yes"))
    with closing(sqlite3.connect(store.directory / "cache.db")) as database, database:
        if place == "value":
            database.execute("UPDATE Cache SET mode = ?, value = ? WHERE key LIKE 'answer/%'", (MODE_PICKLE, attack))
        else:
            database.execute("UPDATE Cache SET key = ?, raw = 0 WHERE key LIKE 'answer/%'", (attack,))
    for read in (
        lambda: store.get(CALL.key()),
        lambda: list(store.items()),
        lambda: Cached(Scripted(never), store).complete(CALL),
    ):
        with pytest.raises(StoreDamaged):
            read()
    assert butfor("cache", "verify", "--cache", store.directory).status in (1, 2)
    assert butfor("cache", "info", "--cache", store.directory).status in (0, 2)
    assert not target.exists()
    pickle.loads(attack)
    assert target.exists()


# Eight identical concurrent misses made eight live calls.


def test_identical_misses_of_threads_make_one_live_call(store: DiskStore) -> None:
    def slowly(call: Call) -> str:
        time.sleep(0.05)
        return "yes"

    live, barrier = Scripted(slowly), threading.Barrier(8)

    def ask(_: int) -> Completion:
        mine = Cached(live, store)
        barrier.wait()
        return mine.complete(CALL)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert len(live.calls) == 1
    assert [a.text for a in answers] == ["yes"] * 8
    assert sorted(a.origin for a in answers) == ["cached"] * 7 + ["live"]


ASK = """
import os, sys, time
from butfor.cache.call import Call, Message
from butfor.cache.disk import DiskStore
from butfor.cache.provider import Cached
from butfor.cache.scripted import Scripted

folder, start, log = sys.argv[1:]

def live(call):
    with open(log, "a") as file:
        print("asked", file=file)
    time.sleep(0.2)
    return f"answer of {os.getpid()}"

print("ready", flush=True)
while not os.path.exists(start):
    time.sleep(0.002)
call = Call(model="openai:a", messages=(Message(role="user", content="What now?"),))
print(Cached(Scripted(live), DiskStore(folder)).complete(call).text)
"""


def test_identical_misses_of_processes_make_one_live_call(tmp_path: Path) -> None:
    """They open the store at the same moment too, in a folder that is not there yet."""
    folder, start, log = tmp_path / "answers", tmp_path / "start", tmp_path / "log"
    line = [sys.executable, "-c", ASK, str(folder), str(start), str(log)]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    start.touch()
    answers = {process.communicate(timeout=30)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert log.read_text() == "asked\n"
    assert len(answers) == 1


# A process that is killed in the middle of a write must leave a store that can be read.

WRITE = """
import itertools, sys
from butfor.cache.call import Call, Message, answer
from butfor.cache.disk import DiskStore

store = DiskStore(sys.argv[1])
history = tuple(Message(role="user", content=f"message {n} " * 50) for n in range(20))
for n in itertools.count():
    call = Call(model="m", messages=(*history, Message(role="user", content=f"question {n}")))
    with store.flight(call.key()):
        store.add(call.key(), call, answer(f"answer {n} " * 200))
    print(n, flush=True)
"""


@pytest.mark.parametrize("written", [1, 7, 40])
def test_a_process_killed_while_it_writes_leaves_a_readable_store(tmp_path: Path, written: int) -> None:
    line = [sys.executable, "-c", WRITE, str(tmp_path / "answers")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(written):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    with closing(DiskStore(tmp_path / "answers")) as store:
        assert store.verify() == []
        answers = {call.messages[-1].text: completion.text for _, call, completion in store.items()}
        for number in range(last + 1):
            assert answers[f"question {number}"] == f"answer {number} " * 200
        with store.flight(CALL.key()):
            store.add(CALL.key(), CALL, answer("and on it goes"))


# Calls on worker threads ran live and unnoticed during a replay.


def test_a_call_from_a_worker_thread_never_goes_live() -> None:
    trace = run(("Ann", "a"), ("Bob", "b"))
    live = Scripted(never)
    replayed = Replayed(Simulator().recording(trace), Edits(answers={1: "x"}), live=live)
    caught: list[BaseException] = []

    def work() -> None:
        try:
            replayed.complete(CALL)
        except Divergence as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert len(caught) == 1
    assert live.calls == []


# Inputs were never compared, so that a changed prompt replayed clean.


def test_a_changed_prompt_is_a_divergence() -> None:
    trace = run(("Ann", "a"), ("Bob", "b"))
    changed = trace.model_copy(update={"task": "What is 3 + 3?"})
    with pytest.raises(Divergence, match=r"What is 3 \+ 3"):
        rerun(changed, executor=Simulator(), recording=Simulator().recording(trace))


# A cached repeat was taken for a sample.


def test_a_repeat_is_a_new_sample(store: DiskStore) -> None:
    live = counting()
    for _ in range(2):
        assert [Cached(live, store, sample=n).complete(CALL).text for n in range(3)] == ["1", "2", "3"]
    assert len(live.calls) == 3


# Redaction and parsing changed the replayed data: trailing spaces and U+0085 were lost.


@pytest.mark.parametrize("text", ["end  ", "\n\n", "a\x85b", "a\u2028b", "a\r\nb", "sk-0123456789abcdef", " "])
def test_text_survives_every_way_through(recorded: Path, text: str) -> None:
    log = {"question": "q", "ground_truth": "1", "history": [{"content": text, "role": "user", "name": "A"}]}
    Path("log.json").write_text(json.dumps(log))
    assert butfor("import", "log.json", "-o", "run.json").status == 0
    assert butfor("check", "run.json").status == 0
    assert butfor("pack", "run.json", "-o", "case.butfor").status == 0
    assert read_trace(Path("run.json").read_bytes().decode()).steps[0].output == text
    shown = json.loads(butfor("show", "case.butfor", "--json").out)
    assert shown["steps"][0]["output"] == text


# One edit shifted the cursor: 128 of 129 later calls went live though nothing depended on it.


def test_one_edit_shifts_no_call_that_does_not_depend_on_it() -> None:
    others = [(f"Worker {n}", f"result {n}", ()) for n in range(128)]
    live = Scripted(never)
    again = rerun(addressed(("Ann", "a", ()), *others), Edits(answers={0: "edited"}), executor=Simulator(), live=live)
    assert [step.output for step in again.steps[1:]] == [text for _, text, _ in others]
    assert live.calls == []


# Plain replay ran live again, and a fork was written into the old branch.


def test_a_replay_asks_nothing_and_a_fork_leaves_the_recording_alone(recorded: Path) -> None:
    before = recorded.read_bytes()
    os.chmod(recorded, 0o444)
    assert butfor("check", recorded).status == 0
    assert (
        butfor("whatif", recorded, "--step", 1, "--output", "x", "-o", "fork.json", *MODEL).status == 1
    )  # not repaired
    assert butfor("blame", recorded, *MODEL).status == 0
    assert recorded.read_bytes() == before
    fork = read_trace(Path("fork.json").read_text())
    assert [step.origin for step in fork.steps] == ["recorded", "edited", "live", "live"]


# A miss could not be explained.


def test_a_miss_shows_the_nearest_answer_and_what_differs(store: DiskStore) -> None:
    Cached(counting(), store).complete(CALL)
    other = Call(model="openai:a", messages=(Message(role="user", content="What then?"),))
    with pytest.raises(CacheMiss, match=r"-What now\?\n\+What then\?"):
        Cached(Offline(store.calls), store).complete(other)


# A broken cache became a miss, and spent money.


@pytest.mark.parametrize("file", ["cache.db", "butfor-store.json"])
def test_a_cache_with_a_part_missing_is_an_error(recorded: Path, file: str) -> None:
    folder = Path("answers")
    DiskStore(folder).close()
    (folder / file).unlink()
    ran = butfor("blame", recorded, *MODEL, "--cache", folder)
    assert ran.status == 2
    assert str(folder) in ran.err


# A second audit asked again for what it had.


def test_an_audit_never_asks_for_the_same_answer_twice(recorded: Path) -> None:
    first, second = (json.loads(butfor("blame", recorded, *MODEL, "--json").out) for _ in range(2))
    assert first["cost"]["live_calls"] > 0
    assert second["cost"]["live_calls"] == 0
    for found in (first, second):
        del found["cost"]
    first, second = (json.dumps(found).replace('"cached"', '"live"') for found in (first, second))
    assert first == second


def test_a_trace_is_the_same_object_of_study_after_any_number_of_forks() -> None:
    trace: Trace = run(("Ann", "a"), ("Bob", "b"), ("Ann", "c"))
    digest = trace.digest
    for step in range(3):
        rerun(trace, Edits(answers={step: "x"}), executor=Simulator(), live=inventive())
    assert read_trace(trace.to_json()).digest == digest
