"""A script answers exactly what it holds: asking too much and asking too little are both errors."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from butfor.cache.call import Call, Message, answer
from butfor.cache.errors import UnexpectedCall
from butfor.cache.scripted import Scripted


def asked(text: str) -> Call:
    return Call(model="m", messages=(Message(role="user", content=text),))


def test_a_list_is_used_up_in_order() -> None:
    script = Scripted(["one", answer("two", origin="simulated")])
    first, second = script.complete(asked("a")), script.complete(asked("b"))
    assert (first.text, first.origin) == ("one", "live")
    assert (second.text, second.origin) == ("two", "simulated")
    assert script.calls == [asked("a"), asked("b")]
    script.close()


def test_asking_too_much_is_an_error() -> None:
    script = Scripted(["one"])
    script.complete(asked("a"))
    with pytest.raises(UnexpectedCall, match="holds 1 answers"):
        script.complete(asked("b"))


def test_asking_too_little_is_an_error() -> None:
    script = Scripted(["one", "two"])
    script.complete(asked("a"))
    with pytest.raises(UnexpectedCall, match="holds 2 answers, and was asked 1"):
        script.close()


def test_a_function_is_asked_every_time() -> None:
    script = Scripted(lambda call: call.messages[0].text.upper())
    assert [script.complete(asked(text)).text for text in "abc"] == ["A", "B", "C"]
    script.close()


def test_threads_get_each_answer_once() -> None:
    script = Scripted([str(number) for number in range(200)])
    with ThreadPoolExecutor(8) as pool:
        found = [c.text for c in pool.map(lambda _: script.complete(asked("a")), range(200))]
    assert sorted(found, key=int) == [str(number) for number in range(200)]
