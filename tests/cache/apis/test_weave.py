"""What a recorded answer held besides its text and calls stays where it was, around what is new."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.apis import CODECS, heard, rewritten
from butfor.cache.apis.reply import json_reply
from butfor.cache.call import Completion, Message, ToolCall

CODEC = {codec.NAME: codec for codec in CODECS}
TEXT = Completion(message=Message(role="assistant", content="new"))
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def told(name: str, recorded: dict[str, Any], request: dict[str, Any], answer: Completion = TEXT) -> dict[str, Any]:
    """The last value of the rewritten response, which says the new thing."""
    codec = CODEC[name]
    found = rewritten(codec, json_reply(recorded), answer, request, seed="s")
    assert heard(codec, found).text == answer.text
    values = found.values()
    whole = getattr(codec, "whole", None) or getattr(codec, "response", None)
    body: dict[str, Any] = whole(values) if whole else {**values[0], **values[-1], "first": values[0]}
    return body


@STREAM
def test_thoughts_and_plan_of_cohere(stream: bool) -> None:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "old"}]
    recorded = {"id": "x", "finish_reason": "COMPLETE", "message": {"content": content, "tool_plan": "first this"}}
    found = told("cohere", recorded, {"model": "m", "stream": stream})["message"]
    assert found["content"] == [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "new"}]
    assert found["tool_plan"] == "first this"


@STREAM
def test_costs_and_dates_of_completions(stream: bool) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    recorded = {"id": "cmpl-1", "created": 5, "model": "m-2", "choices": [{"index": 0, "text": "old"}], "usage": usage}
    found = told("completions", recorded, {"model": "m", "prompt": "p", "stream": stream})
    assert (found["id"], found["created"], found["model"], found["usage"]) == ("cmpl-1", 5, "m-2", usage)


@STREAM
@pytest.mark.parametrize("asked", [{"messages": []}, {"prompt": "p"}])
def test_costs_and_thoughts_of_ollama(stream: bool, asked: dict[str, Any]) -> None:
    said = {"response": "old", "thinking": "t"}
    spoken = said if "prompt" in asked else {"message": {"role": "assistant", "content": "old", "thinking": "t"}}
    counts = {"prompt_eval_count": 7, "eval_count": 3, "total_duration": 99, "created_at": "2026-01-01T00:00:00Z"}
    found = told("ollama", {"model": "m", **spoken, "done": True, **counts}, {"model": "m", "stream": stream, **asked})
    assert {name: found[name] for name in counts} == counts
    assert found["first"].get("message", found["first"])["thinking"] == "t"


@STREAM
def test_what_anthropics_own_tools_did(stream: bool) -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "t", "signature": "S"},
        {"type": "text", "text": "I look it up"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "text", "text": "old"},
    ]
    recorded = {"id": "m1", "type": "message", "content": blocks, "stop_reason": "end_turn"}
    found = told("messages", recorded, {"model": "m", "max_tokens": 9, "messages": [], "stream": stream})
    assert found["content"] == [blocks[0], *blocks[2:4], {"type": "text", "text": "new"}]


def item(kind: str, n: int) -> dict[str, Any]:
    at = {"type": kind, "id": f"{kind}_{n}"}
    if kind == "message":
        return {**at, "role": "assistant", "content": [{"type": "output_text", "text": "old"}]}
    if kind == "function_call":
        return {**at, "call_id": f"call_{n}", "name": "a", "arguments": "{}", "status": "completed"}
    return {**at, "summary": [], "encrypted_content": "E"} if kind == "reasoning" else at


@given(
    kinds=st.lists(st.sampled_from(["reasoning", "message", "function_call", "web_search_call"]), max_size=7),
    calls=st.integers(0, 4),
    spoken=st.booleans(),
)
def test_a_reasoning_item_stands_right_before_another(kinds: list[str], calls: int, spoken: bool) -> None:
    output = [item(kind, n) for n, kind in enumerate([*kinds, "message"])]
    made = tuple(ToolCall(id=f"new_{n}", name="a", arguments=json.dumps({"n": n})) for n in range(calls))
    text = "new" if spoken or not calls else None
    answer = Completion(message=Message(role="assistant", content=text, tool_calls=made))
    recorded = {"id": "resp_1", "status": "completed", "output": output}
    found = rewritten(CODEC["responses"], json_reply(recorded), answer, {"model": "m", "input": "q"}, seed="s")
    again = heard(CODEC["responses"], found)
    assert again.text == (text or "")
    assert [json.loads(c.arguments)["n"] for c in again.message.tool_calls] == list(range(calls))
    listed = found.values()[0]["output"]
    assert [i["id"] for i in listed if i["type"] == "web_search_call"] == [
        i["id"] for i in output if i["type"] == "web_search_call"
    ]
    assert not listed or listed[-1]["type"] != "reasoning"


def test_calls_keep_their_own_reasoning() -> None:
    output = [item(kind, n) for n, kind in enumerate(["reasoning", "function_call", "reasoning", "function_call"])]
    made = tuple(ToolCall(id=f"new_{n}", name="a", arguments='{"x": 1}') for n in range(2))
    answer = Completion(message=Message(role="assistant", tool_calls=made))
    found = told(
        "responses", {"id": "r", "status": "completed", "output": output}, {"model": "m", "input": "q"}, answer
    )
    assert [i["id"] for i in found["output"]] == [i["id"] for i in output]
