"""Questions to an OpenAI-compatible server, and everything that can go wrong with the answer."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers import Reply, Request, Server, unused_port

from butfor.cache.call import Call, Completion, Message, TokenLogprob, Tool, ToolCall, Usage
from butfor.cache.connect import connect
from butfor.cache.errors import ProviderError
from butfor.cache.openai import OpenAI
from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore

KEY = "sk-live-0123456789abcdef"
AT_ONCE = {"retry-after-ms": "1"}
CALL = Call(model="openai:tiny", messages=(Message(role="user", content="2 + 2?"),))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def body(content: object = "4", *, finish: str = "stop", **choice: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **choice.pop("message", {})}  # type: ignore[dict-item]
    return {
        "id": "chatcmpl-1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
    }


def ask(server: Server, call: Call = CALL, *, timeout: float = 5.0) -> Completion:
    return OpenAI(f"tiny@{server.url}/v1", timeout=timeout).complete(call)


def failure(server: Server, *, timeout: float = 5.0) -> str:
    """The message of the error that the server causes; nothing may have been stored."""
    store = MemoryStore()
    provider = Cached(OpenAI(f"tiny@{server.url}/v1", timeout=timeout), store)
    with pytest.raises(ProviderError) as caught:
        provider.complete(CALL)
    assert list(store.calls()) == []
    message = str(caught.value)
    assert message.startswith(f"tiny at {server.url}/v1 ")
    return message


def test_answer() -> None:
    with Server(Reply(body())) as server:
        completion = ask(server)
        assert completion.message == Message(role="assistant", content="4")
        assert completion.usage == Usage(input_tokens=7, output_tokens=1)
        assert (completion.logprobs, completion.finish_reason, completion.origin) == (None, "stop", "live")
        assert completion.raw == Reply(body()).bytes.decode()
        (request,) = server.requests
        assert request.path == "/v1/chat/completions"
        assert request.json == {"model": "tiny", "messages": [{"role": "user", "content": "2 + 2?"}]}


def test_empty_answer_is_an_answer() -> None:
    with Server(Reply(body("")), Reply(body(None))) as server:
        assert ask(server).message.content == ""
        assert ask(server).message.content == ""


def test_tool_calls() -> None:
    called = {"id": "call_9", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    told = {"id": "call_8", "type": "function", "function": {"name": "add", "arguments": {"a": 3}}}
    with Server(Reply(body(None, finish="tool_calls", message={"tool_calls": [called, told]}))) as server:
        completion = ask(server)
    assert completion.message.content is None
    assert completion.message.tool_calls == (
        ToolCall(id="call_9", name="add", arguments='{"a": 2}'),
        ToolCall(id="call_8", name="add", arguments='{"a": 3}'),
    )
    assert completion.finish_reason == "tool_calls"


def test_logprobs() -> None:
    content = [{"token": "4", "logprob": -0.25, "bytes": [52], "top_logprobs": []}]
    with Server(Reply(body(logprobs={"content": content, "refusal": None}))) as server:
        completion = ask(server, CALL.model_copy(update={"params": {"logprobs": True}}))
        assert completion.logprobs == (TokenLogprob("4", -0.25),)
        assert server.requests[0].json["logprobs"] is True


def test_question_on_the_wire() -> None:
    call = Call(
        model="openai:tiny",
        messages=(
            Message(role="system", content="Add.", name="The boss (of all)"),
            Message(role="user", content=({"type": "text", "text": "2 + 2?"},), name="Zoë"),
            Message(role="assistant", tool_calls=(ToolCall(id="c1", name="add", arguments="{"),)),
            Message(role="tool", content="4", name="add", tool_call_id="c1"),
        ),
        tools=(Tool(name="add", description="Sums.", parameters={"type": "object"}),),
        params={
            "seed": 3,
            "temperature": None,
            "repeat_penalty": 1.2,
            "stream": True,
            "user": "me",
            "stop": ["\n"],
        },
    )
    with Server(Reply(body())) as server:
        ask(server, call)
        assert server.requests[0].json == {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Add.", "name": "The_boss_of_all_"},
                {"role": "user", "content": [{"type": "text", "text": "2 + 2?"}], "name": "Zoë"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{"}}],
                },
                {"role": "tool", "content": "4", "tool_call_id": "c1"},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "add", "description": "Sums.", "parameters": {"type": "object"}},
                }
            ],
            "seed": 3,
            "repeat_penalty": 1.2,
            "stop": ["\n"],
        }


def test_a_rate_limit_is_waited_for() -> None:
    limited = Reply({"error": {"message": "slow down"}}, 429, AT_ONCE)
    with Server(limited, Reply(body())) as server:
        assert ask(server).text == "4"
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "asked", "expected"),
    [
        (Reply({"error": {"message": f"bad key {KEY}"}}, 401), 1, "answered 401; set OPENAI_API_KEY"),
        (Reply({"error": {"message": f"not for {KEY}"}}, 403), 1, "answered 403: not for ***; use a key"),
        (
            Reply({"error": {"message": "no such model"}}, 404),
            1,
            "answered 404: no such model; check the model's name",
        ),
        (Reply({"detail": "n must be 1"}, 422), 1, "answered 422: n must be 1; correct what it names"),
        (Reply({"error": {"message": "quota"}}, 429, AT_ONCE), 3, "answered 429: quota; wait"),
        (
            Reply("<h1>Bad\n gateway</h1>", 502, AT_ONCE),
            3,
            "answered 502: <h1>Bad gateway</h1>; try again later",
        ),
        (Reply("<html>welcome</html>"), 1, "is no chat completion ("),
        (Reply(""), 1, "is no chat completion ("),
        (Reply({"choices": [{"text": "4"}]}), 1, "is no chat completion (a choice without a message)"),
        (Reply({"choices": []}), 1, "with an empty list of choices"),
        (Reply({"error": {"message": "upstream died", "code": 502}}), 1, "answered upstream died"),
        (Reply(body(None, message={"refusal": "I will not."})), 1, "refused to answer: I will not.; change"),
        (Reply(body("par", finish="content_filter")), 1, "refused to answer: its content filter"),
        (
            Reply(body("par", finish="length")),
            1,
            "was cut short after 1 tokens, and a cut answer is never stored; raise",
        ),
    ],
)
def test_failures(monkeypatch: pytest.MonkeyPatch, reply: Reply, asked: int, expected: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server(reply) as server:
        message = failure(server)
        assert expected in message
        assert KEY[3:] not in message
        assert len(server.requests) == asked
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.usefixtures("_no_backoff")
@pytest.mark.parametrize(
    ("fault", "expected"),
    [("half", "could not be asked (peer closed connection"), ("reset", "could not be asked (")],
)
def test_lost_connections(fault: Any, expected: str) -> None:
    with Server(Reply(body(), fault=fault)) as server:
        assert expected in failure(server)
        assert len(server.requests) == 3


@pytest.mark.usefixtures("_no_backoff")
def test_silence() -> None:
    with Server(Reply(fault="silent")) as server:
        assert "did not answer within 0.1 s, asked 3 times; raise timeout=" in failure(server, timeout=0.1)


@pytest.mark.usefixtures("_no_backoff")
def test_a_lost_connection_is_made_again() -> None:
    with Server(Reply(fault="reset"), Reply(body())) as server:
        assert ask(server).text == "4"


@pytest.mark.usefixtures("_no_backoff")
def test_nobody_listens() -> None:
    provider = connect(f"openai:tiny@http://127.0.0.1:{unused_port()}/v1")
    with pytest.raises(ProviderError, match=r"could not be asked \(.*refused\); start the server"):
        provider.complete(CALL)


def test_long_errors_are_quoted_in_part() -> None:
    with Server(Reply({"error": {"message": "x " * 5000}}, 400)) as server:
        assert len(failure(server)) < 500


def test_threads_share_one_provider() -> None:
    def echo(request: Request) -> Reply:
        return Reply(body(request.json["messages"][0]["content"]))

    calls = [Call(model="openai:tiny", messages=(Message(role="user", content=f"{n}?"),)) for n in range(40)]
    with Server(echo) as server:
        provider = OpenAI(f"tiny@{server.url}/v1")
        with ThreadPoolExecutor(8) as pool:
            answers = [completion.text for completion in pool.map(provider.complete, calls)]
    assert answers == [f"{n}?" for n in range(40)]


@pytest.fixture
def _dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_dead_proxy")
def test_no_proxy_stands_before_this_machine() -> None:
    with Server(Reply(body())) as server:
        assert ask(server).text == "4"


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderError, match=r"^gpt-5 at https://api\.openai\.com/v1 needs a key; set OPENAI_API_KEY"):
        connect("openai:gpt-5")
    with pytest.raises(ProviderError, match=r"^m at https://example\.com/v1 needs a key"):
        connect("openai:m@https://name:password@example.com/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "“quoted”")
    with pytest.raises(ProviderError, match=r"correct OPENAI_API_KEY") as caught:
        connect("openai:gpt-5")
    assert "quoted" not in str(caught.value)
    with Server(Reply(body())) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
        connect("openai:m").complete(CALL)
        OpenAI("m", api_key="another").complete(CALL)
        assert [r.headers["authorization"] for r in server.requests] == [f"Bearer {KEY}", "Bearer another"]


@pytest.mark.parametrize(
    "spelled",
    [
        "m@localhost:8000/v1",
        "m@http://",
        "m@http://host:port/v1",
        "m@http://999.1.1.1/",
        "m@http://[::1/v1",
        "@http://a",
    ],
)
def test_addresses_that_are_none(monkeypatch: pytest.MonkeyPatch, spelled: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ProviderError, match="@http://HOST:PORT"):
        connect(f"openai:{spelled}")


def test_a_model_may_hold_an_at_sign() -> None:
    with Server(Reply(body())) as server:
        connect(f"openai:@cf/llama@20@{server.url}").complete(CALL)
        assert server.requests[0].json["model"] == "@cf/llama@20"


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    script = "import sys, butfor.cache.connect, butfor.cache.openai, butfor.cache.ollama; " + (
        "sys.exit(bool({'openai', 'ollama', 'httpx', 'httpx2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
