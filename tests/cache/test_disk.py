"""A store in a folder gives back what was written, or says what is wrong with it; it never just forgets."""

import errno
import json
import os
import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import diskcache
import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.call import Call, Completion, Message, TokenLogprob, ToolCall, Usage, answer
from butfor.cache.disk import DiskStore
from butfor.cache.errors import CacheMiss, StoreDamaged
from butfor.cache.provider import Offline
from butfor.cache.sealed import TextDisk, seal

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
COMPLETIONS = st.builds(
    Completion,
    message=st.builds(
        Message,
        role=st.just("assistant"),
        content=st.none() | TEXTS | st.just(({"type": "text", "text": "x", "note": None},)),
        tool_calls=st.lists(st.builds(ToolCall, id=TEXTS, name=TEXTS, arguments=TEXTS), max_size=2).map(tuple),
    ),
    usage=st.none() | st.builds(Usage, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9)),
    logprobs=st.none()
    | st.lists(
        st.builds(TokenLogprob, TEXTS, st.floats(max_value=0, allow_infinity=False, allow_nan=False)),
        max_size=2,
    ).map(tuple),
    finish_reason=st.none() | st.just("stop"),
    raw=st.none() | TEXTS,
    origin=st.sampled_from(["live", "cached", "simulated"]),
)


def asked(text: str = "What now?", **fields: Any) -> Call:
    return Call(model="openai:a", messages=(Message(role="user", content=text),), **fields)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "answers"


@pytest.fixture
def store(folder: Path) -> Iterator[DiskStore]:
    opened = DiskStore(folder)
    yield opened
    opened.close()


@pytest.fixture
def sql(folder: Path, store: DiskStore) -> Callable[..., list[Any]]:
    """Runs a statement on the store's database, past everything that guards it."""

    def run(statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(folder / "cache.db")) as database, database:
            return database.execute(statement, values).fetchall()

    return run


def test_every_answer_comes_back_as_it_was_given(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = DiskStore(tmp_path_factory.mktemp("store"))
    count = 0

    @given(COMPLETIONS)
    def check(completion: Completion) -> None:
        nonlocal count
        count += 1
        call = asked(f"question {count}")
        assert store.get(call.key()) is None
        assert store.add(call.key(), call, completion) == completion.as_stored()
        assert store.get(call.key()) == completion.as_stored()
        assert store.item(call.key()) == (call, completion.as_stored())

    check()
    store.close()


@pytest.mark.parametrize("text", ["end  ", " \n", "a\x85b\u2028c", "a\0b", "", "Ωé🙂", "x" * 300_000])
def test_text_is_kept_to_the_last_character(store: DiskStore, text: str) -> None:
    call = asked(f"{text}?")
    store.add(call.key(), call, answer(text))
    found, completion = store.item(call.key())
    assert (found.messages[0].content, completion.message.content) == (f"{text}?", text)


def test_the_first_answer_stays(store: DiskStore) -> None:
    assert store.add("k", asked(), answer("first")).text == "first"
    assert store.add("k", asked(), answer("second")).text == "first"
    found = store.get("k")
    assert found is not None
    assert found.text == "first"


def test_what_was_written_outlives_the_process(folder: Path, store: DiskStore) -> None:
    call = asked(agent="Ann", step=3, params={"temperature": 0.5})
    store.add(call.key(), call, answer("yes"))
    with closing(DiskStore(folder)) as again:
        assert list(again.items()) == [(call.key(), call, answer("yes", origin="cached"))]
        assert list(again.calls()) == [call]


def test_each_message_is_stored_once(store: DiskStore) -> None:
    history = [Message(role="user", content=f"message {n}") for n in range(20)]
    for length in range(1, 21):
        call = Call(model="m", messages=tuple(history[:length]))
        store.add(call.key(), call, answer("yes"))
    info = store.info()
    assert (info.answers, info.messages) == (20, 20)


def test_a_healthy_store_verifies_clean(store: DiskStore) -> None:
    call = asked()
    store.add(call.key(), call, answer("yes"))
    store.note("audit/1", "{}")
    with store.flight("k"):
        assert store.verify() == []


def test_clear_forgets_answers_and_notes(store: DiskStore) -> None:
    call = asked()
    store.add(call.key(), call, answer("yes"))
    store.note("audit/1", "{}")
    assert store.noted("audit/1") == "{}"
    assert store.clear() == 1
    assert store.get(call.key()) is None
    assert store.noted("audit/1") is None
    assert store.info()[1:3] == (0, 0)


def test_an_audit_goes_on_whole_after_somebody_cleared_the_store(folder: Path, store: DiskStore) -> None:
    call = asked()
    store.add("one", call, answer("yes"))
    with closing(DiskStore(folder)) as other:
        other.clear()
    store.add("two", call, answer("yes"))
    assert list(store.calls()) == [call]
    assert store.verify() == []


def test_a_note_is_replaced(store: DiskStore) -> None:
    store.note("audit/1", "one")
    store.note("audit/1", "two")
    assert store.noted("audit/1") == "two"
    assert store.noted("audit/2") is None


def test_a_store_never_evicts(store: DiskStore) -> None:
    cache = store._cache
    assert (cache.eviction_policy, cache.cull_limit) == ("none", 0)
    assert cache.size_limit >= 2**60


@pytest.mark.parametrize("value", [b"bytes", 3, None, ["list"]])
def test_only_text_goes_in(tmp_path: Path, value: object) -> None:
    with closing(diskcache.Cache(str(tmp_path), disk=TextDisk)) as cache:
        with pytest.raises(TypeError, match="must be text"):
            cache.set("key", value)
        with pytest.raises(TypeError, match="must be text"):
            cache.set(value, "value")


TAMPERING = {
    "cut short": "UPDATE Cache SET value = substr(value, 1, length(value) - 1) WHERE key = ?",
    "emptied": "UPDATE Cache SET value = '' WHERE key = ?",
    "one character changed": "UPDATE Cache SET value = replace(value, 'yes', 'yet') WHERE key = ?",
    "checksum changed": "UPDATE Cache SET value = '0' || substr(value, 2) WHERE key = ?",
    "bytes": "UPDATE Cache SET value = CAST(value AS BLOB) WHERE key = ?",
    "a number": "UPDATE Cache SET value = 5 WHERE key = ?",
    "nothing": "UPDATE Cache SET value = NULL WHERE key = ?",
    "a file": "UPDATE Cache SET filename = 'answer.txt' WHERE key = ?",
    "another mode": "UPDATE Cache SET mode = 2 WHERE key = ?",
    "pickled": "UPDATE Cache SET mode = 4 WHERE key = ?",
    "expired": "UPDATE Cache SET expire_time = 1 WHERE key = ?",
    "gone": "DELETE FROM Cache WHERE key = ?",
    "of another key": "UPDATE Cache SET value = (SELECT value FROM Cache WHERE key = 'answer/other') WHERE key = ?",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING.keys())
def test_a_row_that_is_not_what_was_written_is_an_error_that_names_it(
    folder: Path, store: DiskStore, sql: Callable[..., list[Any]], statement: str
) -> None:
    store.add("other", asked(), answer("no"))
    store.add("mine", asked("Really?"), answer("yes"))
    sql(statement, "answer/mine")
    with pytest.raises(StoreDamaged, match="answer/mine") as caught:
        store.get("mine")
    assert str(folder) in str(caught.value)
    assert "butfor cache verify" in str(caught.value)
    found = store.get("other")
    assert found is not None
    assert found.text == "no"


@pytest.mark.parametrize("kind", ["answer", "call", "message"])
def test_verify_names_every_damaged_row(store: DiskStore, sql: Callable[..., list[Any]], kind: str) -> None:
    for text in ("one", "two", "three"):
        call = asked(text)
        store.add(call.key(), call, answer(text))
    [(damaged,), *_] = sql("SELECT key FROM Cache WHERE key LIKE ? ORDER BY rowid", f"{kind}/%")
    sql("UPDATE Cache SET value = substr(value, 1, 40) WHERE key = ?", damaged)
    problems = store.verify()
    assert problems
    assert all(damaged in problem for problem in problems)


@pytest.mark.parametrize("kind", ["call", "message"])
def test_an_answer_without_its_question_is_damage(store: DiskStore, sql: Callable[..., list[Any]], kind: str) -> None:
    store.add("mine", asked(), answer("yes"))
    sql("DELETE FROM Cache WHERE key LIKE ?", f"{kind}/%")
    for read in (lambda: list(store.calls()), lambda: store.item("mine"), lambda: list(store.items())):
        with pytest.raises(StoreDamaged, match=kind):
            read()
    assert store.verify()


@pytest.mark.parametrize("content", ["{}", "[]", '{"message": {"role": "assistant", "content": 5}}', "not json"])
def test_a_row_that_is_no_answer_is_damage(store: DiskStore, content: str) -> None:
    store._write("answer/mine", content)
    with pytest.raises(StoreDamaged, match="answer/mine is not an answer"):
        store.get("mine")


def test_a_key_that_is_not_text_is_damage(store: DiskStore, sql: Callable[..., list[Any]]) -> None:
    store.add("mine", asked(), answer("yes"))
    sql("UPDATE Cache SET key = ?, raw = 0 WHERE key = 'answer/mine'", pickle.dumps("answer/mine"))
    with pytest.raises(StoreDamaged, match="not text"):
        list(store.calls())


def test_no_flipped_byte_is_ever_an_answer_or_a_miss(folder: Path, store: DiskStore, tmp_path: Path) -> None:
    answers = {}
    for number in range(12):
        call = asked(f"question {number} " * 20)
        answers[call.key()] = store.add(call.key(), call, answer(f"answer {number} " * 400)).text
    store.close()
    data, chance = (folder / "cache.db").read_bytes(), random.Random(0)
    damaged = 0
    for _ in range(40):
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        (copy / "cache.db").write_bytes(flipped)
        damaged += not _right_or_an_error(copy, answers)
        shutil.rmtree(copy)
    assert 5 < damaged < 40


def _right_or_an_error(folder: Path, answers: dict[str, str]) -> bool:
    """Whether the store gives every answer; else it must say that it cannot."""
    try:
        with closing(DiskStore(folder)) as opened:
            right = True
            for key, text in answers.items():
                try:
                    found = opened.get(key)
                except StoreDamaged:
                    right = False
                else:
                    assert found is not None
                    assert found.text == text
            return right
    except StoreDamaged:
        return False


def _replaced(path: Path) -> Path:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return path


def _foreign(folder: Path) -> None:
    with closing(diskcache.Cache(str(_replaced(folder)))) as cache:
        cache.set("answer", {"a": 1})


BROKEN: dict[str, Callable[[Path], object]] = {
    "another program's": _foreign,
    "its database deleted": lambda folder: (folder / "cache.db").unlink(),
    "its database emptied": lambda folder: (folder / "cache.db").write_bytes(b""),
    "its database overwritten": lambda folder: (folder / "cache.db").write_bytes(b"no database\n" * 400),
    "its database cut": lambda folder: (folder / "cache.db").write_bytes((folder / "cache.db").read_bytes()[:5000]),
    "its database a folder": lambda folder: _replaced(folder / "cache.db").mkdir(),
    "its mark of another version": lambda folder: (folder / "butfor-store.json").write_text('{"format": 99}'),
    "its mark a list": lambda folder: (folder / "butfor-store.json").write_text("[]"),
    "its mark no JSON": lambda folder: (folder / "butfor-store.json").write_text("format: 1"),
    "its mark deleted": lambda folder: (folder / "butfor-store.json").unlink(),
    "a file": lambda folder: _replaced(folder).write_text("hello"),
    "its locks a file": lambda folder: _replaced(folder / "locks").write_text(""),
}


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_folder_is_an_error_and_never_an_empty_store(
    folder: Path, store: DiskStore, breaking: Callable[[Path], object]
) -> None:
    store.add("mine", asked(), answer("yes"))
    store.close()
    breaking(folder)
    with pytest.raises(StoreDamaged) as caught:
        DiskStore(folder).get("mine")
    assert str(folder) in str(caught.value)
    assert "--cache" in str(caught.value)


def test_a_store_whose_making_was_cut_short_is_made_anew(folder: Path, store: DiskStore) -> None:
    store.close()
    (folder / "butfor-store.json").write_text("")
    (folder / "cache.db").unlink()
    with closing(DiskStore(folder)) as again:
        assert again.info().answers == 0
    assert json.loads((folder / "butfor-store.json").read_text()) == {"format": 1}


def test_a_folder_that_was_there_and_is_empty_will_do(tmp_path: Path) -> None:
    with closing(DiskStore(tmp_path)) as store:
        assert store.info().answers == 0


def test_a_store_that_cannot_be_written_to_says_so(store: DiskStore) -> None:
    store._cache._sql("PRAGMA query_only = 1")
    with pytest.raises(StoreDamaged, match="read-only"):
        store.add("mine", asked(), answer("yes"))
    with pytest.raises(StoreDamaged, match="read-only"):
        store.note("audit/1", "{}")


def test_a_flight_whose_lock_cannot_be_had_says_so(folder: Path, store: DiskStore) -> None:
    (folder / "locks" / "abc.lock").mkdir()
    with pytest.raises(StoreDamaged), store.flight("abcdef"):
        pass


def test_an_error_in_a_flight_is_not_the_store_s(store: DiskStore) -> None:
    with pytest.raises(OSError, match="no route"), store.flight("abcdef"):
        raise OSError("no route")
    with store.flight("abcdef"):
        pass


LOST = """
import os, signal, sys
from butfor.cache.call import Call, Message, answer
from butfor.cache.disk import DiskStore

store = DiskStore(sys.argv[1])
for n in range(40):
    call = Call(model="m", messages=(Message(role="user", content=f"question {n}"),))
    store.add(call.key(), call, answer(f"answer {n}"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_write_ahead_log_that_was_deleted_is_noticed(folder: Path) -> None:
    DiskStore(folder).close()
    subprocess.run([sys.executable, "-c", LOST, str(folder)], check=False)
    log = (folder / "cache.db-wal").read_bytes()
    for left in folder.glob("cache.db-*"):
        left.unlink()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match="40 answers that were recorded are gone"):
            DiskStore(folder)
    assert log
    (folder / "written").unlink()
    with closing(DiskStore(folder)) as store:
        assert store.info().answers == 0


def test_a_killed_process_loses_nothing_and_raises_no_alarm(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", LOST, str(folder)], check=False)
    with closing(DiskStore(folder)) as store:
        assert (store.info().answers, store.verify()) == (40, [])
        store.clear()
    with closing(DiskStore(folder)) as store:
        assert store.info().answers == 0


def test_nobody_else_may_read_a_store(folder: Path, store: DiskStore) -> None:
    call = asked()
    with store.flight(call.key()):
        store.add(call.key(), call, answer("secret"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert "cache.db-wal" in modes


def test_a_closed_store_has_no_log(folder: Path) -> None:
    with closing(DiskStore(folder)) as store, ThreadPoolExecutor(4) as pool:
        calls = [asked(f"{n}") for n in range(40)]
        list(pool.map(lambda call: store.add(call.key(), call, answer("x")), calls))
    left = folder / "cache.db-wal"
    assert not left.exists() or left.stat().st_size == 0


def test_a_file_system_without_locks_says_so(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StoreDamaged, match="locks"), store.flight("abc"):
        pass


@pytest.mark.parametrize("jump", [-1e9, 1e10])
def test_a_clock_that_jumps_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    now = time.time()
    call = asked()
    with closing(DiskStore(folder)) as store:
        store.add(call.key(), call, answer("yes"))
        monkeypatch.setattr(time, "time", lambda: now + jump)
        with store.flight(call.key()):
            assert store.get(call.key()) == answer("yes", origin="cached")
        store.add("later", asked("later"), answer("no"))
        monkeypatch.undo()
        assert store.get("later") == answer("no", origin="cached")
        assert store.verify() == []


def test_a_store_of_before_the_index_gets_one(folder: Path, store: DiskStore, sql: Callable[..., list[Any]]) -> None:
    calls = [asked(f"question {n}", agent="Ann") for n in range(5)]
    for call in calls:
        store.add(call.key(), call, answer("yes"))
        digests = [message._digest.hex() for message in call.messages]
        row = json.dumps({"model": call.model, "agent": "Ann", "messages": digests})
        sql("UPDATE Cache SET value = ? WHERE key = ?", seal(f"call/{call.key()}", row), f"call/{call.key()}")
    store.close()
    (folder / "written").unlink()
    sql("DROP TABLE Asked")
    with closing(DiskStore(folder)) as again:
        assert {call.key() for call in again.calls()} == {call.key() for call in calls}
        assert next(iter(again.likes(calls[3]))) == calls[3]
        assert again.verify() == []


def test_the_likes_of_a_call_are_found_among_many(store: DiskStore) -> None:
    for n in range(500):
        call = Call(
            model="m", agent=f"a{n % 7}", messages=tuple(Message(role="user", content=f"{n} {i}") for i in range(4))
        )
        store.add(call.key(), call, answer("yes"))
    history = tuple(Message(role="user", content=f"123 {i}") for i in range(3))
    changed = Call(model="m", agent="a4", messages=(*history, Message(role="user", content="123 three")))
    with pytest.raises(CacheMiss, match="123 three") as caught:
        Offline(store).complete(changed)
    assert "-123 3" in str(caught.value)


def test_verify_tells_how_far_it_is(store: DiskStore) -> None:
    for n in range(400):
        store.add(f"{n}", asked(f"{n}"), answer("yes"))
    told: list[tuple[int, int]] = []
    assert store.verify(progress=lambda *numbers: told.append(numbers)) == []
    assert told[-1] == (1200, 1200)
    assert told == sorted(told)
    assert len(told) == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk takes root on Linux")
def test_a_full_disk_is_one_message_and_the_store_still_verifies(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        stored: list[str] = []

        def fill(store: DiskStore) -> None:
            for n in range(1_000):
                call = asked(f"question {n} " * 200)
                store.add(call.key(), call, answer("yes"))
                stored.append(call.key())

        with closing(DiskStore(disk / "answers")) as store, pytest.raises(StoreDamaged, match=r"full|space"):
            fill(store)
        assert len(stored) > 10
        copy = shutil.copytree(disk / "answers", tmp_path / "copy")
        with closing(DiskStore(copy)) as again:
            assert again.verify() == []
            assert all(again.get(key) for key in stored)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_half_an_emoji_is_no_loss(store: DiskStore) -> None:
    half = "cut \ud83d emoji"
    call = Call(model="m", messages=(Message(role="user", content=half, name="\udc00"),), agent=half)
    given = Completion(message=Message(role="assistant", content=half), raw=half, logprobs=(TokenLogprob(half, -1.0),))
    store.add(call.key(), call, given)
    assert store.item(call.key()) == (call, given.as_stored())
    assert list(store.likes(call)) == [call]
    assert store.verify() == []
