"""Each API's requests and responses, read as they are on the wire and written so that they read the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.apis import CODECS, anthropic, chat, codec_at, embeddings, heard, ollama, responses, spoken_in
from butfor.cache.apis.reply import Reply
from butfor.cache.call import Call, Completion, Message, ToolCall, Usage
from butfor.cache.errors import ReplayError

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
LOOKUP = {"name": "lookup", "description": "Look it up.", "parameters": SCHEMA}
ASKED = Message(role="assistant", tool_calls=(ToolCall(id="call_1", name="lookup", arguments='{"city": "Paris"}'),))
CONVERSATION = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="How many?"),
    ASKED,
    Message(role="tool", content="2,102,650", tool_call_id="call_1"),
)
CHAT_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "lookup", "arguments": '{"city": "Paris"}'},
}
REQUESTS: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "m",
        "temperature": 0,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How many?"},
            {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
            {"role": "tool", "content": "2,102,650", "tool_call_id": "call_1"},
        ],
        "tools": [{"type": "function", "function": LOOKUP}],
    },
    "responses": {
        "model": "m",
        "temperature": 0,
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "How many?"}]},
            {
                "type": "function_call", "id": "fc_9", "call_id": "call_1", "name": "lookup",
                "arguments": '{"city": "Paris"}',
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "2,102,650"},
        ],
        "tools": [{"type": "function", **LOOKUP}],
    },
    "messages": {
        "model": "m",
        "temperature": 0,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "How many?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "lookup", "input": {"city": "Paris"}}
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "2,102,650"}],
            },
        ],
        "tools": [{"name": "lookup", "description": "Look it up.", "input_schema": SCHEMA}],
    },
}  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
ARGUMENTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3)


@pytest.mark.parametrize("api", REQUESTS)
def test_one_conversation_is_one_call_in_every_api(api: str) -> None:
    codec = next(d for d in CODECS if api == d.NAME)
    call = codec.call(REQUESTS[api])
    assert call.messages == CONVERSATION
    assert [(t.name, t.description, dict(t.parameters)) for t in call.tools] == [("lookup", "Look it up.", SCHEMA)]
    assert call.params["temperature"] == 0
    assert spoken_in(call) is codec


@pytest.mark.parametrize("api", REQUESTS)
def test_streaming_is_another_call(api: str) -> None:
    codec = next(d for d in CODECS if api == d.NAME)
    streamed = codec.call({**REQUESTS[api], "stream": True})
    assert streamed.content_key != codec.call(REQUESTS[api]).content_key
    assert streamed.content_key == codec.call({**REQUESTS[api], "stream": True, "user": "u-1"}).content_key


def test_random_ids_are_no_part_of_a_call() -> None:
    renamed = json.loads(json.dumps(REQUESTS["responses"]).replace("call_1", "call_x").replace("fc_9", "fc_3"))
    assert responses.call(renamed).content_key == responses.call(REQUESTS["responses"]).content_key
    changed = json.loads(json.dumps(renamed).replace("Paris", "Lyon"))
    assert responses.call(changed).content_key != responses.call(renamed).content_key


@pytest.mark.parametrize("codec", [chat, responses, anthropic, ollama], ids=lambda d: d.NAME)
@pytest.mark.parametrize("stream", [False, True])
@given(text=TEXT, usage=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_a_written_answer_reads_the_same(codec: Any, stream: bool, text: str, usage: tuple[int, int]) -> None:
    given_usage = Usage(input_tokens=usage[0], output_tokens=usage[1])
    answer = Completion(message=Message(role="assistant", content=text), usage=given_usage)
    options = {"include_usage": True}
    reply = codec.reply(answer, {"model": "m", "stream": stream, "stream_options": options}, seed="1")
    again = heard(codec, reply)
    assert reply.streamed == stream
    assert (again.text, again.usage) == (text, given_usage)


@pytest.mark.parametrize("codec", [chat, responses, anthropic, ollama], ids=lambda d: d.NAME)
@pytest.mark.parametrize("stream", [False, True])
@given(given_arguments=st.lists(ARGUMENTS, min_size=1, max_size=3))
def test_written_tool_calls_read_the_same(codec: Any, stream: bool, given_arguments: list[Any]) -> None:
    calls = tuple(
        ToolCall(id=f"call_{n}", name=f"tool{n}", arguments=json.dumps(a)) for n, a in enumerate(given_arguments)
    )
    answer = Completion(message=Message(role="assistant", tool_calls=calls))
    again = heard(codec, codec.reply(answer, {"model": "m", "stream": stream}, seed="1"))
    found = [(c.id, c.name, json.loads(c.arguments)) for c in again.message.tool_calls]
    assert found == [(c.id, c.name, json.loads(c.arguments)) for c in calls]


def test_chunks_of_a_stream_add_up() -> None:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "other", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    body = "".join(f"data: {json.dumps({'choices': [{'index': 0, 'delta': d}]})}\r\n\r\n" for d in deltas)
    reply = Reply(headers={"content-type": "text/event-stream; charset=utf-8"}, body=f"{body}data: [DONE]\n\n")
    calls = heard(chat, reply).message.tool_calls
    assert [(c.id, c.name, c.arguments) for c in calls] == [("a", "look", '{"x": 1}'), ("b", "other", "{}")]


def test_events_of_an_anthropic_stream_add_up() -> None:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 7}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me "}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "look."}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t", "name": "look"},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": '{"x":1}'},
        },
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events)
    found = heard(anthropic, Reply(headers={"content-type": "text/event-stream"}, body=body))
    assert found.text == "Let me look."
    assert found.message.tool_calls == (ToolCall(id="t", name="look", arguments='{"x": 1}'),)
    assert (found.usage, found.finish_reason) == (Usage(input_tokens=7, output_tokens=3), "tool_use")


def test_a_conversation_on_the_server_is_put_back_into_the_request() -> None:
    before: list[dict[str, Any]] = [
        {"type": "message", "role": "user", "content": "How many?"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Two."}],
        },
    ]
    body = {"model": "m", "previous_response_id": "resp_1", "input": "Sure?"}
    whole = responses.inlined(body, before)
    assert "previous_response_id" not in whole
    assert [m.text for m in responses.call(whole).messages] == ["How many?", "Two.", "Sure?"]
    assert all("id" not in item for item in whole["input"])


def test_a_bare_prompt_is_a_users_message() -> None:
    call = ollama.call({"model": "m", "prompt": "Hi", "system": "Be brief.", "options": {"num_predict": 5}})
    assert [(m.role, m.text) for m in call.messages] == [("system", "Be brief."), ("user", "Hi")]
    assert call.params["max_tokens"] == 5
    assert call.params["stream"] is True


def test_embeddings_are_replayed_and_never_edited() -> None:
    call = embeddings.call({"model": "e", "input": ["a", "b"]})
    assert [m.text for m in call.messages] == ["a", "b"]
    body = {"data": [{"embedding": [0.1]}, {"embedding": [0.2]}]}
    reply = Reply(headers={"content-type": "application/json"}, body=json.dumps(body))
    assert heard(embeddings, reply).text == "[2 embeddings]"
    with pytest.raises(ReplayError, match="cannot be edited"):
        embeddings.reply(Completion(message=Message(role="assistant", content="x")), {"model": "e"}, seed="1")


@pytest.mark.parametrize("body", ["", "garbage", "[]", '{"choices": []}', '{"choices": [{"message": 3}]}', "null"])
@pytest.mark.parametrize("codec", CODECS, ids=lambda d: d.NAME)
def test_garbage_is_kept_and_says_nothing(codec: Any, body: str) -> None:
    reply = Reply(headers={"content-type": "application/json"}, body=body)
    found = heard(codec, reply)
    assert found.raw is not None
    assert Reply.model_validate_json(found.raw) == reply
    assert (found.text or "[0").startswith(("[", ""))


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/chat/completions", "chat"),
        ("/openai/deployments/d/chat/completions", "chat"),
        ("/v1/responses", "responses"),
        ("/v1/messages", "messages"),
        ("/api/generate", "ollama"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/models", None),
        ("/v1/messages/count_tokens", None),
    ],
)
def test_the_path_tells_the_api(path: str, api: str | None) -> None:
    codec = codec_at(path)
    assert (codec and codec.NAME) == api


def test_what_only_one_api_understands_stays_out_of_the_shared_parameters() -> None:
    call: Call = responses.call({"model": "m", "input": "x", "reasoning": {"effort": "low"}, "max_output_tokens": 5})
    assert call.params == {"max_tokens": 5, "wire": {"api": "responses", "reasoning": {"effort": "low"}}}
