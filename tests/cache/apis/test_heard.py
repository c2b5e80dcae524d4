"""A response is read under any label, and one that failed or broke off is never taken for an answer."""

import json
from typing import Any

import pytest

from butfor.cache.apis import CODECS, CUT, GARBAGE, heard
from butfor.cache.apis.reply import Reply, events_reply

CODEC = {codec.NAME: codec for codec in CODECS}
LABELS = pytest.mark.parametrize(
    "label", ["text/plain", "application/json", "application/json; charset=utf-8", "application/x-ndjson", None]
)


def ended(name: str, body: str, label: str | None) -> tuple[str, str | None]:
    found = heard(CODEC[name], Reply(headers={"content-type": label} if label else {}, body=body))
    return found.text, found.finish_reason


def lines(*values: object) -> str:
    return "".join(f"{json.dumps(v)}\n" for v in values)


def event(value: object) -> str:
    return f"data: {json.dumps(value)}\n\n"


@LABELS
@pytest.mark.parametrize("key", ["message", "response"])
def test_lines_are_read_under_any_label(label: str | None, key: str) -> None:
    pieces = ["o", "k"] if key == "response" else [{"content": "o"}, {"content": "k"}]
    first, last = {key: pieces[0], "done": False}, {key: pieces[1], "done": True, "done_reason": "stop"}
    assert ended("ollama", lines(first, last), label) == ("ok", "stop")
    assert ended("ollama", lines(first), label) == ("o", CUT)
    assert ended("ollama", lines(first, first), label) == ("oo", CUT)
    assert ended("ollama", lines(first) + '{"mess', label)[1] in (CUT, GARBAGE)


@LABELS
def test_events_are_read_under_any_label(label: str | None) -> None:
    if label == "application/x-ndjson":
        label = "text/event-stream"
    said = event({"choices": [{"index": 0, "delta": {"content": "ok"}}]})
    assert ended("chat", said, label) == ("ok", CUT)
    assert ended("chat", f"{said}data: [DONE]\n\n", label) == ("ok", None)
    assert ended("chat", f"{said}data:[DONE]", label) == ("ok", None)
    assert ended("chat", f"event: x\r\n{said.replace(chr(10), chr(13) + chr(10))}data: [DONE]\r\n\r\n", label) == (
        "ok",
        None,
    )


@pytest.mark.parametrize("text", ["say data: [DONE] now", "data: [DONE]", "\ndata: [DONE]\n\n"])
def test_a_text_that_quotes_the_end_does_not_end_a_stream(text: str) -> None:
    found = ended("chat", event({"choices": [{"index": 0, "delta": {"content": text}}]}), "text/event-stream")
    assert found == (text, CUT)


@LABELS
def test_a_streamed_array(label: str | None) -> None:
    if label == "application/x-ndjson":
        label = ""
    first: dict[str, Any] = {"candidates": [{"content": {"parts": [{"text": "o"}]}}]}
    last = {"candidates": [{"content": {"parts": [{"text": "k"}]}, "finishReason": "STOP"}]}
    assert ended("gemini", json.dumps([first, last]), label) == ("ok", "STOP")
    assert ended("gemini", json.dumps([first]), label) == ("o", CUT)
    assert ended("gemini", json.dumps([first, last])[:-9], label)[1] in (CUT, GARBAGE)


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_an_answer_that_says_that_it_failed(reason: str) -> None:
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": "1", "delta": {"message": {}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "ok"}}}},
        {"type": "message-end", "delta": {"finish_reason": reason, "error": "boom"}},
    ]
    assert heard(CODEC["cohere"], events_reply(events, named=True)).finish_reason == GARBAGE
    whole = {"message": {"content": [{"type": "text", "text": "ok"}]}, "finish_reason": reason}
    assert ended("cohere", json.dumps(whole), "application/json")[1] == GARBAGE
    choice = {"message": {"role": "assistant", "content": "ok"}, "finish_reason": "error"}
    assert ended("chat", json.dumps({"choices": [choice]}), "application/json")[1] == GARBAGE
