"""Questions to every service that is asked over plain HTTP, and everything that can go wrong with the answer."""

import time
from email.utils import formatdate
from typing import Any, NamedTuple

import pytest
from servers import Reply, Server, unused_port

from butfor.cache.call import Call, Message
from butfor.cache.connect import connect
from butfor.cache.errors import ProviderError
from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore

KEY = "sk-live-0123456789abcdef"
CALL = Call(model="any:m", messages=(Message(role="user", content="2 + 2?"),))


class Service(NamedTuple):
    """How a service is asked, and how it answers."""

    variable: str
    path: str
    header: str
    answered: Any
    """Makes a body of a text and of why it ended."""
    whole: str
    cut: tuple[str, ...]
    refused: tuple[str, ...]
    failed: tuple[str, ...]


def anthropic(text: str, reason: str) -> dict[str, Any]:
    said = [{"type": "text", "text": text}]
    return {"type": "message", "content": said, "stop_reason": reason, "usage": {"input_tokens": 7, "output_tokens": 1}}


def gemini(text: str, reason: str) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}]}, "finishReason": reason}
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 1}}


def responses(text: str, reason: str) -> dict[str, Any]:
    refused = reason == "refusal"
    part = {"type": "refusal", "refusal": text} if refused else {"type": "output_text", "text": text}
    partly = reason in ("max_output_tokens", "content_filter")
    return {
        "output": [{"type": "message", "content": [part]}],
        "status": "incomplete" if partly else "completed" if refused else reason,
        "incomplete_details": {"reason": reason} if partly else None,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    }


def cohere(text: str, reason: str) -> dict[str, Any]:
    usage = {"tokens": {"input_tokens": 7, "output_tokens": 1}}
    return {"message": {"content": [{"type": "text", "text": text}]}, "finish_reason": reason, "usage": usage}


def mistral(text: str, reason: str) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}


SERVICES = {
    "anthropic": Service(
        "ANTHROPIC_API_KEY", "/v1/messages", "x-api-key", anthropic, "end_turn",
        ("max_tokens", "model_context_window_exceeded", "pause_turn"), ("refusal",), ("something_new",),
    ),
    "gemini": Service(
        "GEMINI_API_KEY", "/v1/models/m:generateContent", "x-goog-api-key", gemini, "STOP", ("MAX_TOKENS",),
        ("SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"),
        ("MALFORMED_FUNCTION_CALL", "OTHER", "UNEXPECTED_TOOL_CALL"),
    ),
    "responses": Service(
        "OPENAI_API_KEY", "/v1/responses", "authorization", responses, "completed", ("max_output_tokens", "incomplete"),
        ("refusal", "content_filter"), ("cancelled", "failed"),
    ),
    "cohere": Service(
        "CO_API_KEY", "/v1/v2/chat", "authorization", cohere, "COMPLETE", ("MAX_TOKENS",), ("ERROR_TOXIC",),
        ("ERROR", "TIMEOUT"),
    ),
    "mistral": Service(
        "MISTRAL_API_KEY", "/v1/chat/completions", "authorization", mistral, "stop", ("length", "model_length"),
        ("content_filter",), ("error",),
    ),
}  # fmt: skip
ENDINGS = [
    (name, kind, reason) for name, s in SERVICES.items() for kind in ("cut", "refused", "failed")
    for reason in getattr(s, kind)
]  # fmt: skip


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in SERVICES.values():
        monkeypatch.setenv(service.variable, KEY)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; they take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def failure(name: str, url: str, *, timeout: float = 5.0) -> str:
    """The message of the error that a server causes; nothing may have been stored."""
    store = MemoryStore()
    with pytest.raises(ProviderError) as caught:
        Cached(connect(f"{name}:m@{url}", timeout=timeout), store).complete(CALL)
    assert list(store.calls()) == []
    assert KEY not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", SERVICES)
def test_an_answer_after_a_rate_limit(name: str, slept: list[float]) -> None:
    service = SERVICES[name]
    busy = Reply({"error": {"message": "slow down"}}, 429, {"retry-after": "3"})
    with Server(busy, Reply(service.answered("4", service.whole))) as server:
        found = connect(f"{name}:m@{server.url}/v1").complete(CALL)
        assert [request.path for request in server.requests] == [service.path] * 2
        assert KEY in server.requests[1].headers[service.header]
        assert "2 + 2?" in server.requests[1].text
    assert found.text == "4"
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (7, 1)
    assert slept == [3.0]


@pytest.mark.parametrize(("ahead", "pause"), [(7, 7.0), (-1000, 0.0), (1_000_000, 30.0)])
def test_a_pause_until_a_date(ahead: int, pause: float, slept: list[float]) -> None:
    busy = Reply({}, 503, {"retry-after": formatdate(time.time() + ahead, usegmt=True)})
    with Server(busy, Reply(anthropic("4", "end_turn"))) as server:
        assert connect(f"anthropic:m@{server.url}").complete(CALL).text == "4"
    assert slept == [pytest.approx(pause, abs=2.5)]


@pytest.mark.parametrize(("name", "kind", "reason"), ENDINGS)
def test_what_is_no_whole_answer_is_not_stored(name: str, kind: str, reason: str) -> None:
    with Server(Reply(SERVICES[name].answered("half of it", reason))) as server:
        said = failure(name, f"{server.url}/v1")
        assert {"cut": "was cut short", "refused": "refused to answer: half", "failed": "answer"}[kind] in said
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_key_that_is_not_accepted(name: str) -> None:
    with Server(Reply({"error": {"message": f"bad key {KEY}"}}, 401)) as server:
        assert f"answered 401; set {SERVICES[name].variable} to a key" in failure(name, f"{server.url}/v1")
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_a_server_that_says_nothing(name: str, slept: list[float]) -> None:
    with Server(Reply(fault="silent")) as server:
        assert "did not answer within 0.1 s, asked 3 times" in failure(name, f"{server.url}/v1", timeout=0.1)
    assert slept == [0.5, 1.0]


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("fault", ["half", "reset"])
def test_a_lost_connection(name: str, fault: Any) -> None:
    service = SERVICES[name]
    with Server(Reply(service.answered("4", service.whole), fault=fault)) as server:
        assert "could not be asked (" in failure(name, f"{server.url}/v1")
        assert len(server.requests) == 3


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("name", SERVICES)
def test_nobody_listens(name: str) -> None:
    assert "could not be asked (" in failure(name, f"http://127.0.0.1:{unused_port()}/v1")


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("body", ["<html>", {}, [], {"error": {"message": "broken"}}], ids=str)
def test_what_is_no_answer_of_the_api(name: str, body: object) -> None:
    with Server(Reply(body)) as server:
        assert "answered what is no" in failure(name, f"{server.url}/v1")


@pytest.mark.parametrize("name", [*SERVICES, "openai"])
@pytest.mark.parametrize("before", ["", "bob:hunter22@", "bob:p%40ss@", "token-in-place-of-a-user@"])
@pytest.mark.parametrize("query", ["?tok=qq77qq77&v=1", "?tok=a%2Fb%2Fc%2Fd%2Fe", "/?api-version=2025-01-01"])
def test_an_address_with_a_user_and_a_query(name: str, before: str, query: str) -> None:
    service = SERVICES["mistral" if name == "openai" else name]
    with Server(Reply(service.answered("4", service.whole))) as server:
        url = server.url.replace("://", f"://{before}") + f"/v1{query}"
        assert connect(f"{name}:m@{url}").complete(CALL).text == "4"
        path, _, asked = server.requests[0].path.partition("?")
        assert path == service.path
        assert asked.replace("%2F", "/") == query.lstrip("/?").replace("%2F", "/")


@pytest.mark.parametrize("name", [*SERVICES, "openai"])
def test_the_secrets_of_an_address_are_not_shown(name: str) -> None:
    echo = {"error": {"message": "no bob:p%40ss here, nor p@ss, tok=a%2Fb%2Fc%2Fd or a/b/c/d, nor " + KEY}}
    with Server(Reply(echo, 400)) as server:
        said = failure(name, server.url.replace("://", "://bob:p%40ss@") + "/v1?tok=a%2Fb%2Fc%2Fd")
    for secret in ("p%40ss", "p@ss", "a%2Fb%2Fc%2Fd", "a/b/c/d"):
        assert secret not in said
    assert "answered 400" in said
