"""One decoder reads a message, an answer and a question in the spelling of every API and framework."""

from typing import Any

import pytest

from butfor.cache.call import Message, ToolCall
from butfor.replay.reading.fields import Field
from butfor.replay.reading.messages import answer, message, messages
from butfor.replay.reading.question import question

CALL = ToolCall(id="c1", name="look", arguments='{"at": 3}')
SAYING: dict[str, dict[str, Any]] = {
    "chat completions": {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"at": 3}'}}],
    },
    "older langchain": {
        "role": "assistant",
        "content": "I look.",
        "additional_kwargs": {"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"at": 3}'}}]},
    },
    "serialised langchain": {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": "I look.", "tool_calls": [{"id": "c1", "name": "look", "args": {"at": 3}}]},
    },
    "anthropic": {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "c1", "name": "look", "input": {"at": 3}},
        ],
    },
    "opentelemetry": {
        "role": "assistant",
        "parts": [
            {"type": "text", "content": "I look."},
            {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": 3}},
        ],
    },
    "gemini": {
        "role": "model",
        "parts": [
            {"text": "Hm.", "thought": True},
            {"text": "I look."},
            {"functionCall": {"id": "c1", "name": "look", "args": {"at": 3}}},
        ],
    },
    "ai sdk": {
        "role": "assistant",
        "content": [
            {"type": "reasoning", "text": "Hm."},
            {"type": "text", "text": "I look."},
            {"type": "tool-call", "toolCallId": "c1", "toolName": "look", "input": {"at": 3}},
        ],
    },
    "ai sdk, as its interface keeps it": {
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {"type": "text", "text": "I look."},
            {"type": "tool-look", "toolCallId": "c1", "state": "input-available", "input": {"at": 3}},
        ],
    },
    "llamaindex": {
        "role": "assistant",
        "additional_kwargs": {"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"at": 3}'}}]},
        "blocks": [{"block_type": "text", "text": "I look."}],
    },
}


def _field(value: object) -> Field:
    return Field(value, "log")


@pytest.mark.parametrize("spelling", SAYING)
def test_a_message_that_says_something_and_calls_a_tool(spelling: str) -> None:
    said = message(_field(SAYING[spelling]))
    assert (said.role, said.text, said.tool_calls) == ("assistant", "I look.", (CALL,))


@pytest.mark.parametrize("spelling", SAYING)
def test_the_same_as_an_answer(spelling: str) -> None:
    for value in (SAYING[spelling], [SAYING[spelling]], {"choices": [{"message": SAYING[spelling]}]}):
        found = answer(_field(value))
        assert (found.text, found.tool_calls) == ("I look.", (CALL,))


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": [{"content": SAYING["gemini"], "finishReason": "STOP"}]},
        {"content": SAYING["anthropic"]["content"], "stop_reason": "tool_use", "role": "assistant", "type": "message"},
        {"generations": [[{"text": "I look.", "message": SAYING["serialised langchain"]}]]},
        {"message": SAYING["chat completions"], "done": True},
        {
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
                {"type": "function_call", "id": "fc", "call_id": "c1", "name": "look", "arguments": '{"at": 3}'},
            ]
        },
    ],
    ids=lambda body: next(iter(body)),
)
def test_an_answer_in_the_body_of_each_api(body: dict[str, Any]) -> None:
    found = answer(_field(body))
    assert (found.text, found.tool_calls) == ("I look.", (CALL,))


@pytest.mark.parametrize(
    "result",
    [
        {"role": "tool", "content": "a gate", "tool_call_id": "c1"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "a gate"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": "a gate"}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "c1", "name": "look", "response": {"result": "a gate"}}}],
        },
        {
            "role": "tool",
            "content": [
                {
                    "type": "tool-result",
                    "toolCallId": "c1",
                    "toolName": "look",
                    "output": {"type": "text", "value": "a gate"},
                }
            ],
        },
        {"type": "function_call_output", "call_id": "c1", "output": "a gate"},
    ],
    ids=["chat completions", "anthropic", "opentelemetry", "gemini", "ai sdk", "responses"],
)
def test_the_result_of_a_tool(result: dict[str, Any]) -> None:
    (said,) = messages(_field(result))
    assert (said.role, said.text, said.tool_call_id) == ("tool", "a gate", "c1")


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (
            {"contents": [SAYING["gemini"]], "systemInstruction": {"parts": [{"text": "Be brief."}]}},
            ["Be brief.", "I look."],
        ),
        ({"input": "Where?", "instructions": "Be brief."}, ["Be brief.", "Where?"]),
        ({"messages": [[{"role": "user", "content": "Where?"}]]}, ["Where?"]),
        ({"prompt": "Where?"}, ["Where?"]),
        ({"args": [1]}, ['{"args": [1]}']),
    ],
)
def test_a_question(body: dict[str, Any], texts: list[str]) -> None:
    assert [said.text for said in question(_field(body)).messages] == texts


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ({"text": "There are 7.", "raw": None}, "There are 7."),
        ({"blocks": [{"block_type": "text", "text": "There are 7."}]}, "There are 7."),
        ({"verdict": "yes", "score": 3}, '{"verdict": "yes", "score": 3}'),
        ([{"type": "chart", "rows": [1, 2]}], '{"type": "chart", "rows": [1, 2]}'),
        (7, "7"),
        ({"role": "assistant", "content": None}, ""),
    ],
)
def test_an_answer_that_nobody_understands_is_kept_as_it_is(output: object, text: str) -> None:
    assert answer(_field(output)) == (text, ())


def test_an_odd_role_is_a_speaker() -> None:
    said = [message(_field({"role": spoken, "content": "Hi."})) for spoken in ("critic", "end_user", "ASSISTANT")]
    assert [(m.role, m.name) for m in said] == [("assistant", "critic"), ("user", "end_user"), ("assistant", None)]
    assert Message(role="user", content="Hi.") == message(_field(["human", "Hi."]))
