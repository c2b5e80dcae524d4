"""Keys name content: equal questions share one, different questions never do, and no memo changes one."""

import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from butfor.cache import call as module
from butfor.cache.call import INERT_PARAMS, Call, Completion, Message, TokenLogprob, Tool, ToolCall, answer
from butfor.cache.canonical import canonical_text

TEXTS = st.text(max_size=12) | st.sampled_from(["1", "call_1", "add", "\x85", "end  ", "\0", "\ud800", "é"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CONTENTS = st.none() | TEXTS | st.lists(st.dictionaries(TEXTS, JSON, max_size=2), max_size=2).map(tuple)
TOOL_CALLS = st.builds(ToolCall, id=TEXTS, name=TEXTS, arguments=TEXTS | JSON.map(json.dumps))
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=CONTENTS,
    name=st.none() | TEXTS,
    tool_calls=st.lists(TOOL_CALLS, max_size=2).map(tuple),
    tool_call_id=st.none() | TEXTS,
)
PARAMS = st.dictionaries(st.sampled_from(["temperature", "tool_choice", "seed", "stop"]), JSON, max_size=3)
TOOLS = st.builds(Tool, name=TEXTS, description=TEXTS, parameters=st.dictionaries(TEXTS, JSON, max_size=3))
CALLS = st.builds(
    Call,
    model=TEXTS,
    messages=st.lists(MESSAGES, max_size=4).map(tuple),
    tools=st.lists(TOOLS, max_size=2).map(tuple),
    params=PARAMS,
)
ALIKE = st.builds(
    Call,
    model=st.just("m"),
    messages=st.lists(
        st.builds(
            Message,
            role=st.sampled_from(["assistant", "tool"]),
            content=st.sampled_from([None, "1", "2", ({"v": 1},), ({"v": True},)]),
            tool_calls=st.lists(
                st.builds(ToolCall, id=st.sampled_from("12"), name=st.sampled_from("12"), arguments=st.just("")),
                max_size=1,
            ).map(tuple),
            tool_call_id=st.sampled_from([None, "1", "2"]),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
)
"""Calls from so few words that many are equal, or would be if an id were taken for content."""


def said(text: str = "hello", **fields: Any) -> Message:
    return Message(role="user", content=text, **fields)


def asked(*messages: Message, model: str = "openai:a", **fields: Any) -> Call:
    return Call(model=model, messages=messages or (said(),), **fields)


def tool_round(identifier: str, *, name: str = "add", result: str = "3", arguments: str = "{}") -> Call:
    call = ToolCall(id=identifier, name=name, arguments=arguments)
    return asked(
        said(),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", content=result, tool_call_id=identifier),
    )


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {key: shuffled(item, chance) for key, item in items}
    if isinstance(value, list | tuple):
        return type(value)(shuffled(item, chance) for item in value)
    return value


def content(call: Call) -> str:
    """What a key must tell apart, spelled without any of the code under test."""
    ids: dict[str, int] = {}

    def number(identifier: str | None) -> int | None:
        return None if identifier is None else ids.setdefault(identifier, len(ids))

    def value(text: str) -> Any:
        try:
            return ["json", whole(json.loads(text))]
        except ValueError:
            return ["text", text]

    def whole(found: Any) -> Any:
        if isinstance(found, float) and found.is_integer():
            return int(found)
        if isinstance(found, dict):
            return {key: whole(item) for key, item in found.items()}
        return [whole(item) for item in found] if isinstance(found, list) else found

    messages: list[Any] = []
    for m in call.messages:
        calls = [[number(c.id), c.name, value(c.arguments)] for c in m.tool_calls]
        messages.append([m.role, m.name, m.content, calls, number(m.tool_call_id)])
    params = {key: whole(item) for key, item in call.params.items() if item is not None}
    tools = [[t.name, t.description, dict(t.parameters)] for t in call.tools]
    return json.dumps([call.model, params, tools, messages], sort_keys=True)


@given(st.lists(ALIKE, min_size=20, max_size=20) | st.lists(CALLS, min_size=2, max_size=4))
def test_equal_content_and_only_equal_content_gives_equal_keys(calls: list[Call]) -> None:
    pairs = {(call.content_key, content(call)) for call in calls}
    assert len(pairs) == len({key for key, _ in pairs}) == len({text for _, text in pairs})


@given(CALLS, st.data())
def test_a_small_change_of_content_is_another_key(call: Call, data: st.DataObject) -> None:
    changes: dict[str, Any] = {
        "model": data.draw(TEXTS),
        "messages": (*call.messages, data.draw(MESSAGES)),
        "tools": (*call.tools, data.draw(TOOLS)),
        "params": {**call.params, "temperature": data.draw(JSON)},
    }
    field = data.draw(st.sampled_from(sorted(changes)))
    other = call.model_copy(update={field: changes[field]})
    assume(content(other) != content(call))
    assert other.content_key != call.content_key


@given(CALLS, st.randoms(use_true_random=False))
def test_the_order_of_a_dictionary_is_no_content(call: Call, chance: random.Random) -> None:
    fields = shuffled(call.model_dump(), chance)
    assert Call.model_validate(fields).key() == call.key()


@given(CALLS)
def test_a_key_survives_the_file_it_is_written_to(call: Call) -> None:
    assume("\\ud800" not in json.dumps(call.model_dump()))
    assert Call.model_validate_json(call.model_dump_json()).key() == call.key()


@given(st.lists(MESSAGES, min_size=2, max_size=8).map(tuple), st.data())
def test_the_memo_of_histories_never_changes_a_key(messages: tuple[Message, ...], data: st.DataObject) -> None:
    def fresh(history: tuple[Message, ...]) -> bytes:
        module._chains.clear()
        copies = tuple(Message.model_validate(message.model_dump()) for message in history)
        return Call(model="m", messages=copies).content_key

    cuts = data.draw(st.lists(st.integers(1, len(messages)), min_size=1, max_size=6))
    variants = [messages[:cut] for cut in cuts]
    swapped = data.draw(st.integers(0, len(messages) - 1))
    variants.append((*messages[:swapped], data.draw(MESSAGES), *messages[swapped + 1 :]))
    expected = [fresh(history) for history in variants]
    module._chains.clear()
    assert [Call(model="m", messages=history).content_key for history in variants] == expected


def test_a_middle_message_that_only_equals_another_in_python_is_another_key() -> None:
    first, last = said("first"), said("last")
    keys = {asked(first, Message(role="user", content=({"flag": flag},)), last).content_key for flag in (1, True, 2)}
    assert len(keys) == 3


def test_a_key_is_the_same_in_another_process() -> None:
    call = tool_round("call_9f8e7d6c5b", result="the result of call_9f8e7d6c5b", arguments='{"b": 1, "a": 2.0}')
    program = "import sys; from butfor.cache.call import Call; print(Call.model_validate_json(sys.argv[1]).key())"
    printed = subprocess.run(
        [sys.executable, "-c", program, call.model_dump_json()], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == call.key()


def test_threads_agree_while_the_memo_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHAINS_KEPT", 3)
    histories = [tuple(said(f"{n} {i}") for i in range(6)) for n in range(12)]
    expected = [Call(model="m", messages=history).key() for history in histories]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: Call(model="m", messages=histories[n % 12]).key(), range(600)))
    finally:
        sys.setswitchinterval(interval)
    assert found == [expected[n % 12] for n in range(600)]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "openai:b"},
        {"params": {"tool_choice": "required"}},
        {"params": {"temperature": 0.5}},
        {"params": {"seed": 1}},
        {"params": {"stream": True}},
        {"messages": (said("hello "),)},
        {"messages": (said("hello\x85"),)},
        {"messages": (said("hello", name="Ann"),)},
        {"messages": (Message(role="system", content="hello"),)},
        {"messages": (Message(role="user", content=({"type": "text", "text": "hello"},)),)},
        {"messages": (said(), said())},
        {"messages": ()},
        {"tools": (Tool(name="add"),)},
        {"tools": (Tool(name="add", description="Adds."),)},
        {"tools": (Tool(name="add", parameters={"type": "object"}),)},
    ],
)
def test_everything_that_can_change_the_answer_is_in_the_key(change: dict[str, Any]) -> None:
    call = asked(tools=())
    assert call.model_copy(update=change).content_key != call.content_key


@pytest.mark.parametrize("name", sorted(INERT_PARAMS))
def test_what_cannot_change_the_answer_is_not(name: str) -> None:
    assert asked(params={name: "x"}).content_key == asked().content_key


def test_who_asks_and_for_which_step_is_no_content() -> None:
    assert asked(agent="Ann", step=3).content_key == asked(agent="Bob").content_key == asked().content_key


def test_a_parameter_that_is_none_is_not_given() -> None:
    assert asked(params={"seed": None}).content_key == asked().content_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ('{"a": 1.0}', '{"a": 1}'),
        ('{"a": "\\u00e9"}', '{"a": "é"}'),
    ],
)
def test_arguments_of_a_tool_are_compared_by_value(one: str, other: str) -> None:
    assert tool_round("c", arguments=one).key() == tool_round("c", arguments=other).key()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"a": true}'),
        ("[1, 2]", "[2, 1]"),
        ("{", "{ "),
        ("1", '"1"'),
    ],
)
def test_arguments_of_another_value_are_another_key(one: str, other: str) -> None:
    assert tool_round("c", arguments=one).key() != tool_round("c", arguments=other).key()


def test_random_ids_are_renamed_wherever_they_stand() -> None:
    one = tool_round("call_8Jx02kLm99", result="call_8Jx02kLm99 gave 3")
    other = tool_round("call_Zp41qqRt07", result="call_Zp41qqRt07 gave 3")
    assert one.key() == other.key()


def test_which_of_two_calls_a_result_answers_is_content() -> None:
    calls = tuple(ToolCall(id=i, name="add", arguments="{}") for i in ("x1", "x2"))
    asks = Message(role="assistant", tool_calls=calls)
    first, second = (Message(role="tool", content="3", tool_call_id=i) for i in ("x1", "x2"))
    assert asked(asks, first).key() != asked(asks, second).key()


@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("add", "sub"), ("call_1", "call_2")])
def test_a_word_of_the_text_is_content_though_it_equals_an_id(one: str, other: str) -> None:
    assert tool_round(one, result=f"{one} more").key() != tool_round(other, result=f"{other} more").key()


def test_an_id_that_is_the_tool_s_name_hides_no_tool() -> None:
    names = ("look_up_2024_prices", "look_up_2025_prices")
    one, other = (tool_round(name, name=name) for name in names)
    assert one.key() != other.key()


def test_occurrences_and_samples_have_keys_of_their_own() -> None:
    call = asked()
    keys = {call.key(occurrence=o, sample=s) for o in range(20) for s in range(20)}
    assert len(keys) == 400
    assert call.key() == call.key(occurrence=0, sample=0)
    assert len(call.key()) == 64


def test_a_changed_copy_has_a_key_of_its_own() -> None:
    call = asked()
    assert call.key() == asked().key()
    assert call.model_copy(update={"model": "openai:b"}).key() == asked(model="openai:b").key()
    message = said("one")
    assert asked(message).key() == asked(said("one")).key()
    copied = message.model_copy(update={"content": "two"})
    assert asked(copied).key() == asked(said("two")).key()


def test_text_of_parts() -> None:
    parts: tuple[JsonValue, ...] = (
        {"type": "text", "text": "one"},
        {"type": "image_url", "image_url": {"url": "data:"}},
        {"type": "text", "text": "two"},
        "loose",
    )
    assert Message(role="user", content=parts).text == "one\ntwo"
    assert Message(role="user").text == ""


def test_only_what_was_live_is_stored_as_cached() -> None:
    assert answer("x").as_stored().origin == "cached"
    assert answer("x", origin="simulated").as_stored().origin == "simulated"


def test_data_is_closed_and_frozen() -> None:
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", "content": "x", "colour": "red"})
    with pytest.raises(ValidationError):
        said().role = "system"  # type: ignore[misc]


@pytest.mark.parametrize("number", [float("nan"), float("-inf")])
def test_a_log_probability_is_a_number_that_json_has(number: float) -> None:
    with pytest.raises(ValidationError):
        Completion(message=said(), logprobs=(TokenLogprob("x", number),))


GOLDEN = json.loads((Path(__file__).parent / "golden_keys.json").read_text())


def recorded() -> dict[str, Call]:
    """One call of each kind, whose keys were written down when stores of format 1 were made."""

    def user(content: Any, **fields: Any) -> Message:
        return Message(role="user", content=content, **fields)

    random_id = "call_8Jx02kLm99"
    arguments = '{"b": 1.0, "a": [1e300, 12345678901234567890123, "é"]}'
    asks = (
        ToolCall(id=random_id, name="add", arguments=arguments),
        ToolCall(id="x1", name="add", arguments="{ no json"),
    )
    parts: Any = ({"type": "text", "text": "é", "n": 1.5, "big": 10**30, "e": 1e16}, [None, True], "loose")
    many = []
    for n in range(40):
        own = f"call_{n:08}"
        many.append(Message(role="assistant", tool_calls=(ToolCall(id=own, name="f", arguments="{}"),)))
        quoting = f"n{own if n % 3 == 0 else ''} \ncall_{n // 2:08}x"
        many.append(Message(role="tool", content=quoting, tool_call_id=own))
    histories: dict[str, tuple[Message, ...]] = {
        "plain": (user("What now?"),),
        "empty": (),
        "none": (Message(role="assistant"),),
        "named": (user("Hi", name="Ann"), Message(role="system", content="", name="\x7f")),
        "control": (user('\0\x01\b\t\n\f\r\x1f\x7f"\\/'),),
        "unicode": (user("Ωé🙂\x85\u2028"),),
        "parts": (user(parts),),
        "tools": (
            user("add"),
            Message(role="assistant", tool_calls=asks),
            Message(role="tool", content=f"{random_id} gave 3, x1", tool_call_id=random_id),
            Message(role="tool", content="4", tool_call_id="x1"),
            user(f"again {random_id}"),
        ),
        "params": (user("x"),),
        "many ids": tuple(many),
        "long": tuple(user(f"{n} " * 500) for n in range(30)),
    }
    calls = {name: Call(model="openai:a", messages=messages) for name, messages in histories.items()}
    params: Any = {"temperature": 1.0, "seed": None, "stop": ["\n"], "user": "me", "p": {"b": 2, "a": 0.5}}
    add = Tool(name="add", description="Adds é.", parameters={"type": "object"})
    calls["params"] = calls["params"].model_copy(update={"params": params})
    calls["tools"] = calls["tools"].model_copy(update={"tools": (add,)})
    return calls


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_key_is_what_it_was_when_the_first_stores_were_made(name: str) -> None:
    assert recorded()[name].key() == GOLDEN[name]


def test_half_an_emoji_is_one_replacement_character() -> None:
    def key(text: str) -> str:
        return Call(model="openai:a", messages=(Message(role="user", content=text),)).key()

    assert key("cut \ud83d") == key("cut \udc00") == key("cut \ufffd") != key("cut")


def test_every_kind_of_text_is_written_as_the_standard_encoder_writes_it() -> None:
    for code in [*range(0x300), *range(0xD7F0, 0xE010), 0xFFFF, 0x10000, 0x10FFFF]:
        text = f"a{chr(code)}"
        assert canonical_text(text) == json.dumps(text).encode()


@pytest.mark.parametrize(
    "number", [10**5000, -(10**5000), float("nan"), float("inf")], ids=["long", "long negative", "nan", "infinite"]
)
def test_a_number_that_cannot_be_written_has_a_stable_key(number: float) -> None:
    def key(value: Any) -> str:
        return asked(Message.model_construct(role="user", content=({"n": value},))).key()

    assert key(number) == key(number) != key(1)


@pytest.mark.parametrize("tools", [False, True])
def test_the_time_of_a_key_grows_with_the_messages_and_no_faster(tools: bool) -> None:
    def seconds(rounds: int) -> float:
        best = float("inf")
        for attempt in range(3):
            ids = [f"call_{attempt}_{n:08}" for n in range(rounds)] if tools else []
            history: list[Message] = []
            for n in range(rounds):
                calls = (ToolCall(id=ids[n], name="f", arguments="{}"),) if tools else ()
                history.append(Message(role="assistant", content="Let me see.", tool_calls=calls))
                history.append(Message(role="user", content=f"It is {ids[n - 1] if tools else n}."))
            call = asked(*history)
            started = time.process_time()
            assert call.key()
            best = min(best, time.process_time() - started)
        return best

    assert seconds(4_000) < 12 * seconds(1_000)
