"""A request that is read and written again in its own API asks the same, and what asks something else has another key."""

# ruff: noqa: E501 - bodies as they stand on the wire

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.apis import asking, recognise
from butfor.cache.call import Call

Q: dict[str, Any] = {"role": "user", "content": "q"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
ID = "call_abcdef123456"
PATHS = {
    "chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages", "cohere": "/v2/chat",
    "gemini": "/v1beta/models/m:generateContent", "bedrock": "/model/m/converse", "completions": "/v1/completions",
}  # fmt: skip
PIECES: dict[str, list[dict[str, Any]]] = {
    # what may be added to a request: fields, and turns or tools that are appended
    "chat": [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-A"}}]}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": ID, "type": "function", "function": {"name": "a", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": ID, "content": "7"}]},
        {"messages": [{"role": "assistant", "content": "a", "reasoning_content": "r"}]},
        {"tools": [{"type": "function", "function": {"name": "a", "description": "d", "parameters": SCHEMA, "strict": True}}]},
        {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}]},
        {"temperature": 0.5}, {"top_k": 3}, {"response_format": {"type": "json_object"}}, {"tool_choice": "none"},
    ],
    "responses": [
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-A"}, {"type": "input_image", "image_url": "http://h/a.png", "detail": "low"}]}]},
        {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "E"}, {"type": "function_call", "call_id": ID, "name": "a", "arguments": "{}"}, {"type": "function_call_output", "call_id": ID, "output": [{"type": "input_image", "file_id": "file-B"}]}]},
        {"input": [{"role": "assistant", "content": "a"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_A"]}]}, {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "function", "name": "a", "description": "d", "parameters": SCHEMA, "strict": True}]},
        {"tools": [{"type": "custom", "name": "c"}], "input": [{"type": "custom_tool_call", "call_id": f"{ID}7", "name": "c", "input": "free text"}, {"type": "custom_tool_call_output", "call_id": f"{ID}7", "output": "7"}]},
        {"temperature": 0.5}, {"top_logprobs": 2}, {"text": {"verbosity": "low"}}, {"reasoning": {"effort": "low"}}, {"instructions": "s"},
    ],
    "messages": [
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_A"}}, {"type": "text", "text": "what"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "S"}, {"type": "tool_use", "id": ID, "name": "a", "input": {}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ID, "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]}, {"type": "text", "text": "go on"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": ID, "name": "a", "input": {}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ID, "content": "boom", "is_error": True}]}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}, {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        {"tools": [{"name": "a", "description": "d", "input_schema": SCHEMA, "strict": True}], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"system": [{"type": "text", "text": "s"}, {"type": "text", "text": "t"}]}, {"temperature": 0.5}, {"top_k": 3}, {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ],
    "cohere": [
        {"messages": [{"role": "assistant", "tool_plan": "I will", "tool_calls": [{"id": ID, "type": "function", "function": {"name": "a", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": ID, "content": [{"type": "document", "document": {"data": "7"}}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}]}]},
        {"tools": [{"type": "function", "function": {"name": "a", "description": "d", "parameters": SCHEMA}}], "tool_choice": "REQUIRED"},
        {"documents": ["d"]}, {"response_format": {"type": "json_object"}}, {"p": 0.5}, {"k": 3}, {"safety_mode": "STRICT"},
    ],
    "gemini": [
        {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "audio/wav", "data": "AA"}}, {"text": "q"}]}]},
        {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "a", "args": {}}, "thoughtSignature": "S"}]}, {"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {"x": 1}}}]}]},
        {"generationConfig": {"responseJsonSchema": SCHEMA, "responseModalities": ["TEXT"], "candidateCount": 1, "temperature": 0.5, "topK": 3}},
        {"tools": [{"googleSearch": {}}]}, {"tools": [{"functionDeclarations": [{"name": "a", "description": "d", "parametersJsonSchema": SCHEMA}]}]},
        {"safetySettings": [{"category": "x", "threshold": "y"}]}, {"systemInstruction": {"parts": [{"text": "s"}]}},
    ],
    "bedrock": [
        {"messages": [{"role": "assistant", "content": [{"text": "a"}]}, {"role": "user", "content": [{"document": {"name": "d", "format": "txt", "source": {"bytes": "AA"}}}, {"text": "q"}]}]},
        {"messages": [{"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}}, {"toolUse": {"toolUseId": ID, "name": "a", "input": {}}}]}, {"role": "user", "content": [{"toolResult": {"toolUseId": ID, "content": [{"text": "7"}, {"image": {"format": "png", "source": {"bytes": "AA"}}}], "status": "error"}}]}]},
        {"toolConfig": {"tools": [{"toolSpec": {"name": "a", "description": "d", "inputSchema": {"json": SCHEMA}, "strict": True}}, {"systemTool": {"name": "nova_grounding"}}], "toolChoice": {"any": {}}}},
        {"inferenceConfig": {"temperature": 0.5}}, {"additionalModelRequestFields": {"top_k": 3}}, {"system": [{"text": "s"}]},
    ],
    "completions": [{"prompt": [[1, 2], [3, 4]]}, {"prompt": [1, 2, 3]}, {"prompt": ["a", "b"]}, {"suffix": "x"}, {"temperature": 0.5}],
}  # fmt: skip
BASE: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [Q]}, "cohere": {"model": "m", "messages": [Q]}, "responses": {"model": "m", "input": [Q]},
    "messages": {"model": "m", "max_tokens": 9, "messages": [Q]}, "gemini": {"contents": [{"role": "user", "parts": [{"text": "q"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "q"}]}]}, "completions": {"model": "m", "prompt": "p"},
}  # fmt: skip


def read(name: str, body: dict[str, Any]) -> Call:
    found = recognise(PATHS[name], body)
    assert found is not None
    assert name == found[0].NAME
    return found[0].call(found[1])


def body_of(name: str, pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """The plainest request with pieces added to it, lists appended."""
    body = copy.deepcopy(BASE[name])
    for piece in copy.deepcopy(pieces):
        for key, value in piece.items():
            lists = key in ("messages", "input", "contents", "tools")
            body[key] = [*body.get(key, []), *value] if lists else value
    return body


def leaves(value: object) -> list[str]:
    """Every word and number that a request holds, without where."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [json.dumps(value)]


@pytest.mark.parametrize("name", PATHS)
@given(data=st.data())
def test_a_request_of_its_own_api_comes_back(name: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.sampled_from(PIECES[name]), unique_by=json.dumps, max_size=4))
    body = body_of(name, pieces)
    call = read(name, body)
    again = json.loads(json.dumps(asking(name).request(call, "m")))
    assert read(name, again).content_key == call.content_key, again
    lost = set(leaves(body)) - set(leaves(again))
    assert lost <= {'"function"', "null"}, (lost, again)
    assert again.keys() - body.keys() <= {"model", "store", "messages", "system"}, again


@pytest.mark.parametrize(
    ("name", "piece"), [(name, piece) for name, listed in PIECES.items() for piece in listed], ids=str
)
def test_whatever_is_added_is_part_of_the_key(name: str, piece: dict[str, Any]) -> None:
    assert read(name, body_of(name, [piece])).content_key != read(name, BASE[name]).content_key


TURN = {"role": "assistant", "content": [{"type": "tool_use", "id": ID, "name": "a", "input": {}}]}


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("messages", {"messages": [TURN, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ID, "content": "b"}]}]},
         {"messages": [TURN, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": ID, "content": "b", "is_error": True}]}]}),
        ("cohere", {"messages": [{"role": "assistant", "tool_plan": "I will", "tool_calls": []}]}, {"messages": [{"role": "assistant", "tool_plan": "never", "tool_calls": []}]}),
        ("bedrock", {"toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {}}}}, {"cachePoint": {"type": "default"}}]}},
         {"toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {}}}}, {"systemTool": {"name": "nova_grounding"}}]}}),
        ("responses", {"tools": [{"type": "web_search"}]}, {"tools": [{"type": "function", "name": "web_search"}]}),
        ("completions", {"prompt": [1, 2, 3]}, {"prompt": "[1, 2, 3]"}),
    ],
)  # fmt: skip
def test_another_question_has_another_key(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert read(name, body_of(name, [one])).content_key != read(name, body_of(name, [other])).content_key
