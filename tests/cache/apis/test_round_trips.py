"""Every codec reads what it writes: requests, answers and streams, and answers built on recorded ones."""

# ruff: noqa: E501 - bodies as they stand on the wire

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.apis import CODECS, CUT, GARBAGE, asking, codec_at, heard, recognise, rewritten
from butfor.cache.apis.reply import Reply, events_reply, json_reply
from butfor.cache.call import Call, Completion, Message, Tool, ToolCall, Usage

ASKING = ("chat", "responses", "messages", "gemini", "bedrock", "cohere")
SAID = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
NAMES = st.sampled_from(["add", "look_up", "search"])
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(st.integers(-9, 9), SAID), max_size=2)


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """A conversation such as agents have: a system prompt, turns, tools called and answered."""
    said: list[Message] = [Message(role="system", content=draw(SAID)), Message(role="user", content=draw(SAID))]
    for n in range(draw(st.integers(0, 3))):
        name = draw(NAMES)
        call = ToolCall(id=f"call_{n}_abcdef123", name=name, arguments=json.dumps(draw(ARGUMENTS)))
        said.append(Message(role="assistant", content=draw(st.one_of(st.none(), SAID)), tool_calls=(call,)))
        said.append(Message(role="tool", content=draw(SAID), tool_call_id=call.id))
        said.append(Message(role="assistant", content=draw(SAID)))
        said.append(Message(role="user", content=draw(SAID)))
    tools = tuple(
        Tool(name=name, description="d", parameters={"type": "object"}) for name in ("add", "look_up", "search")
    )
    params: dict[str, Any] = {"temperature": 0.5, "max_tokens": 50}
    return Call(model="m", messages=tuple(said), tools=tools, params=params)


def spoken(call: Call) -> list[tuple[str, str, list[tuple[str, Any]]]]:
    """What a conversation says, in whichever API: roles, texts, tools and arguments; neighbours of a role joined."""
    found: list[tuple[str, str, list[tuple[str, Any]]]] = []
    for m in call.messages:
        asked = [(c.name, json.loads(c.arguments)) for c in m.tool_calls]
        if found and found[-1][0] == m.role == "assistant":
            role, text, before = found[-1]
            found[-1] = (role, f"{text}{m.text}", [*before, *asked])
        else:
            found.append((m.role, m.text, asked))
    return found


@pytest.mark.parametrize("name", ASKING)
@given(call=calls())
def test_a_request_reads_as_it_was_asked(name: str, call: Call) -> None:
    codec = asking(name)
    path = codec.path("m")
    found = recognise(path, json.loads(json.dumps(codec.request(call, "m"))))
    assert found is not None
    reader, body = found
    assert reader is codec
    again = reader.call(body)
    assert spoken(again) == spoken(call)
    assert [t.name for t in again.tools] == [t.name for t in call.tools]
    assert again.params["temperature"] == 0.5
    assert again.params["max_tokens"] == 50


ANSWERS = st.one_of(
    SAID.map(lambda text: Message(role="assistant", content=text)),
    st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=3).map(
        lambda listed: Message(
            role="assistant",
            tool_calls=tuple(
                ToolCall(id=f"call_{n}", name=name, arguments=json.dumps(args)) for n, (name, args) in enumerate(listed)
            ),
        )
    ),
)


def same(found: Completion, wanted: Message) -> None:
    assert found.text == wanted.text
    assert [(c.name, json.loads(c.arguments)) for c in found.message.tool_calls] == [
        (c.name, json.loads(c.arguments)) for c in wanted.tool_calls
    ]
    assert found.finish_reason not in (CUT, GARBAGE)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [*ASKING, "ollama"])
@given(message=ANSWERS)
def test_an_answer_reads_as_it_was_written(name: str, stream: bool, message: Message) -> None:
    codec = next(c for c in CODECS if name == c.NAME)
    answer = Completion(message=message, usage=Usage(input_tokens=3, output_tokens=4))
    found = heard(codec, codec.reply(answer, {"model": "m", "stream": stream}, seed="0"))
    same(found, message)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", [*ASKING, "ollama"])
@given(before=ANSWERS, after=ANSWERS)
def test_a_rewritten_answer_says_the_new_thing(name: str, stream: bool, before: Message, after: Message) -> None:
    codec = next(c for c in CODECS if name == c.NAME)
    body = {"model": "m", "stream": stream}
    old = codec.reply(Completion(message=before), body, seed="0")
    same(heard(codec, rewritten(codec, old, Completion(message=after), body, seed="1")), after)


@pytest.mark.parametrize("name", [*ASKING, "ollama", "completions"])
def test_a_stream_that_breaks_off_is_no_answer(name: str) -> None:
    codec = next(c for c in CODECS if name == c.NAME)
    message = Message(role="assistant", content="a long answer in pieces")
    whole = codec.reply(Completion(message=message), {"model": "m", "stream": True}, seed="0")
    values = whole.values()
    assert heard(codec, whole).finish_reason != CUT
    if whole.base64:
        cut = whole.model_copy(update={"body": whole.body[: len(whole.body) // 2 // 4 * 4]})
        assert heard(codec, cut).finish_reason in (CUT, GARBAGE)
        return
    for kept in range(1, len(values)):
        if codec.finished(values[:kept]):
            break
        part = events_reply(values[:kept], named="type" in values[0])
        assert heard(codec, part).finish_reason in (CUT, GARBAGE), kept


SIGNED = {
    "messages": (
        {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
         "content": [{"type": "thinking", "thinking": "hm", "signature": "sig=="},
                     {"type": "tool_use", "id": "toolu_9", "name": "weather", "input": {"city": "Paris"}}],
         "usage": {"input_tokens": 1, "output_tokens": 1}},
        ["sig==", "toolu_9"],
    ),
    "chat": (
        {"id": "c", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": None, "reasoning_content": "because",
            "tool_calls": [{"id": "call_9", "type": "function", "extra_content": {"google": {"thought_signature": "ts=="}},
                            "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]}}]},
        ["because", "call_9", "ts=="],
    ),
    "responses": (
        {"id": "resp_1", "status": "completed", "output": [
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "enc==", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "call_9", "name": "weather", "arguments": '{"city": "Paris"}'}]},
        ["enc==", "rs_1", "call_9"],
    ),
    "gemini": (
        {"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
            {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "ts=="}]}}]},
        ["ts=="],
    ),
}  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", SIGNED)
def test_what_a_provider_signed_stays_in_a_rewritten_answer(name: str, stream: bool) -> None:
    codec, (recorded, kept) = next(c for c in CODECS if name == c.NAME), SIGNED[name]
    call = ToolCall(id="x", name="weather", arguments='{"city": "Lyon"}')
    new = Completion(message=Message(role="assistant", tool_calls=(call,)))
    found = rewritten(codec, json_reply(recorded), new, {"model": "m", "stream": stream}, seed="1")
    assert all(mark in found.body for mark in kept), found.body
    assert "Lyon" in found.body
    assert "Paris" not in found.body
    assert json.loads(heard(codec, found).message.tool_calls[0].arguments) == {"city": "Lyon"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v10/channels/77/messages", {"content": "hello"}),
        ("/mcp/messages", {"jsonrpc": "2.0", "method": "tools/list", "id": 1}),
        ("/v1.0/me/messages", {"subject": "x", "body": {"content": "y"}}),
        ("/forms/5/responses", {"answers": [1, 2]}),
        ("/rooms/chat", {"text": "hi"}),
        ("/model/x/converse", {"topic": "x"}),
        ("/v1/chat/completions", ["no object"]),
        ("/v1/chat/completions", {"model": "m", "messages": []}),
        ("/v1/messages", {"model": "m", "max_tokens": 5, "messages": [{"text": "sms", "to": "+1"}]}),
        ("/v1/messages", {"model": "m", "max_tokens": 5, "messages": []}),
        ("/v2/chat", {"model": "m", "messages": [{"role": "user", "content": "q"}, "hi"]}),
        ("/model/x/converse", {"messages": ["hi"]}),
        ("/api/chat", {"model": "car", "messages": ["hi"]}),
        ("/api/chat", {"model": "car", "messages": []}),
        ("/api/generate", {"model": "qr", "prompt": 3}),
        ("/v1/completions", {"model": "qr", "prompt": 3}),
        ("/v1/completions", {"model": "qr", "prompt": {"id": 3}}),
        ("/v1/completions", {"model": "qr", "prompt": [True, None]}),
    ],
)
def test_requests_of_other_services_are_let_alone(path: str, body: object) -> None:
    assert recognise(path, body) is None


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1beta/models/gemini-x:streamGenerateContent", {"contents": []}, "gemini"),
        ("/model/us.anthropic.claude%3A0/converse-stream", {"messages": [{"role": "user", "content": []}]}, "bedrock"),
        (
            "/model/anthropic.claude/invoke",
            {"messages": [{"role": "user", "content": "q"}], "max_tokens": 1, "anthropic_version": "x"},
            "bedrock",
        ),
        ("/v2/chat", {"model": "command", "messages": [{"role": "user", "content": "q"}]}, "cohere"),
        ("/v1/completions", {"model": "m", "prompt": [1, 2, 3]}, "completions"),
        ("/v1/completions", {"model": "m", "prompt": [[1, 2], [3]]}, "completions"),
        ("/v1/completions", {"model": "m", "prompt": ["a", "b"]}, "completions"),
        ("/api/generate", {"model": "m", "prompt": ""}, "ollama"),
        ("/v1/completions", {"model": "m", "prompt": "Once"}, "completions"),
    ],
)
def test_a_protocol_is_known_by_path_and_body(path: str, body: dict[str, Any], name: str) -> None:
    found = recognise(path, body)
    assert found is not None
    assert name == found[0].NAME
    assert codec_at(path) is found[0]
    assert found[0].call(found[1]).model.partition(":")[2]


DELTAS = [
    (
        {"content": [{"type": "text", "text": "lists "}]},
        {"content": [{"type": "text", "text": "of parts"}]},
        "lists of parts",
    ),
    ({"content": "half an emoji \ud83d"}, {"content": "!"}, "half an emoji \ufffd!"),
    ({"content": "a"}, {"content": None, "refusal": None}, "a"),
]


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain; charset=utf-8", ""])
@pytest.mark.parametrize(("first", "second", "text"), DELTAS)
def test_odd_deltas_are_read(kind: str, first: dict[str, Any], second: dict[str, Any], text: str) -> None:
    chat = asking("chat")
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": first}], "usage": {"prompt_tokens": None}},
        {"choices": [{"index": 0, "delta": second, "logprobs": {"content": [{"token": "a", "logprob": None}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 4}},
    ]
    reply = events_reply(chunks, named=False, end="data: [DONE]\n\n").model_copy(
        update={"headers": {"content-type": kind}}
    )
    assert heard(chat, reply).text == text


def test_parallel_calls_all_at_index_0_are_several() -> None:
    pieces = [
        {"index": 0, "id": "a", "function": {"name": "add", "arguments": '{"x": 1}'}},
        {"index": 0, "id": "b", "function": {"name": "add", "arguments": '{"x": '}},
        {"index": 0, "id": "b", "function": {"arguments": "2}"}},
    ]
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"tool_calls": [p]}}]} for p in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    found = heard(asking("chat"), events_reply(chunks, named=False))
    assert [(c.id, json.loads(c.arguments)["x"]) for c in found.message.tool_calls] == [("a", 1), ("b", 2)]


def test_a_legacy_function_call_is_a_tool_call() -> None:
    said = {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}}
    found = heard(asking("chat"), json_reply({"choices": [{"message": said, "finish_reason": "function_call"}]}))
    assert found.message.tool_calls[0].name == "add"


@pytest.mark.parametrize(
    ("name", "events"),
    [
        (
            "messages",
            [{"type": "message_start", "message": {}}, {"type": "error", "error": {"type": "overloaded_error"}}],
        ),
        ("chat", [{"choices": [{"index": 0, "delta": {"content": "par"}}]}, {"error": {"message": "died"}}]),
        (
            "responses",
            [{"type": "response.failed", "response": {"status": "failed", "error": {"code": "x"}, "output": []}}],
        ),
    ],
)
def test_an_error_in_a_stream_is_no_answer(name: str, events: list[dict[str, Any]]) -> None:
    found = heard(asking(name), events_reply(events, named="type" in events[0]))
    assert found.finish_reason == GARBAGE


def key(path: str, body: dict[str, Any]) -> bytes:
    found = recognise(path, body)
    assert found is not None
    return found[0].call(found[1]).content_key


DIFFERENT = [
    ("/v1/messages", lambda x: {"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": x}}]}]}),
    ("/v1/responses", lambda x: {"model": "m", "input": "q", "tools": [{"type": "file_search", "vector_store_ids": [x]}]}),
    ("/v1/responses", lambda x: {"model": "m", "input": [{"role": "user", "content": [{"type": "input_file", "file_id": x}]}]}),
    ("/v1/chat/completions", lambda x: {"model": "m", "messages": [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": x}}, {"role": "user", "content": "q"}]}),
    ("/v1/chat/completions", lambda x: {"model": "m", "messages": [
        {"role": "assistant", "content": "a", "reasoning_content": x}, {"role": "user", "content": "q"}]}),
    ("/v1/chat/completions", lambda x: {"model": "m", "messages": [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": x, "format": "wav"}}]}]}),
    ("/v1/chat/completions", lambda x: {"model": "m", "messages": [{"role": "assistant", "content": None, "audio": {"id": x}}]}),
    ("/v1beta/models/g:generateContent", lambda x: {"contents": [{"parts": [{"fileData": {"fileUri": x}}]}]}),
    ("/v1beta/models/g:generateContent", lambda x: {"contents": [], "tools": [{"googleSearch": {"site": x}}]}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), DIFFERENT)
def test_what_can_change_an_answer_changes_the_key(path: str, body: Any) -> None:
    assert key(path, body("one")) != key(path, body("two"))
    assert key(path, body("one")) == key(path, body("one"))


@pytest.mark.parametrize("name", ASKING)
def test_anthropic_parts_are_redrawn_on_any_provider(name: str) -> None:
    parts = (
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"q": 1}},
        {"type": "thinking", "thinking": "secret", "signature": "s"},
    )
    call = ToolCall(id="t1", name="look_up", arguments='{"q": 1}')
    asked = Call(
        model="m",
        messages=(
            Message(role="user", content="q"),
            Message(role="assistant", content=parts[:1] + parts[2:], tool_calls=(call,)),
            Message(role="tool", content="found", tool_call_id="t1"),
        ),
    )
    written = json.dumps(asking(name).request(asked, "m"))
    assert "look_up" in written
    if name != "messages":
        assert '"tool_use"' not in written
        assert "secret" not in written


def test_a_reply_that_is_no_text_is_kept() -> None:
    found = heard(asking("chat"), Reply(body="/9j/", base64=True))
    assert found.finish_reason == GARBAGE
    assert found.raw is not None
