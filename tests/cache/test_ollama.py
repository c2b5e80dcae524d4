"""Questions to an Ollama server, and everything that can go wrong with the answer."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from servers import Reply, Request, Server, unused_port

from butfor.cache.call import Call, Completion, Message, TokenLogprob, Tool, ToolCall, Usage
from butfor.cache.connect import connect
from butfor.cache.errors import ProviderError
from butfor.cache.ollama import Ollama, _endpoint
from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore

CALL = Call(model="ollama:tiny", messages=(Message(role="user", content="2 + 2?"),))


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def body(content: str = "4", *, done_reason: str = "stop", **more: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more.pop("message", {})}  # type: ignore[dict-item]
    counts = {"prompt_eval_count": 7, "eval_count": 1}
    return {"model": "tiny", "message": message, "done": True, "done_reason": done_reason, **counts, **more}


def ask(server: Server, call: Call = CALL) -> Completion:
    return Ollama(f"tiny@{server.url}", timeout=5.0).complete(call)


def failure(server: Server, call: Call = CALL, *, timeout: float = 5.0) -> str:
    """The message of the error that the server or the call causes; nothing may have been stored."""
    store = MemoryStore()
    with pytest.raises(ProviderError) as caught:
        Cached(Ollama(f"tiny@{server.url}", timeout=timeout), store).complete(call)
    assert list(store.calls()) == []
    message = str(caught.value)
    assert message.startswith(f"tiny at {server.url} ")
    return message


def test_answer() -> None:
    with Server(Reply(body())) as server:
        completion = ask(server)
        assert completion.message == Message(role="assistant", content="4")
        assert completion.usage == Usage(input_tokens=7, output_tokens=1)
        assert (completion.logprobs, completion.finish_reason, completion.origin) == (None, "stop", "live")
        assert completion.raw is not None
        assert '"content":"4"' in completion.raw
        (request,) = server.requests
        assert request.path == "/api/chat"
        assert request.json["messages"] == [{"role": "user", "content": "2 + 2?"}]
        assert (request.json["model"], request.json["stream"]) == ("tiny", False)


def test_empty_answer_is_an_answer() -> None:
    with Server(Reply(body(""))) as server:
        assert ask(server).message.content == ""


def test_tool_calls_get_ids_of_their_own() -> None:
    called = [{"function": {"name": "add", "arguments": {"a": n}}} for n in (2, 3)]
    with Server(Reply(body("", message={"tool_calls": called}))) as server:
        first = ask(server).message.tool_calls
        again = ask(server).message.tool_calls
        other = ask(server, Call(model="ollama:tiny", messages=CALL.messages * 2)).message.tool_calls
    assert [(c.name, c.arguments) for c in first] == [("add", '{"a": 2}'), ("add", '{"a": 3}')]
    assert first == again
    assert len({c.id for c in (*first, *other)}) == 4


def test_logprobs() -> None:
    with Server(Reply(body(logprobs=[{"token": "4", "logprob": -0.25}]))) as server:
        completion = ask(server, CALL.model_copy(update={"params": {"logprobs": True, "top_logprobs": 2}}))
        assert completion.logprobs == (TokenLogprob("4", -0.25),)
        assert (server.requests[0].json["logprobs"], server.requests[0].json["top_logprobs"]) == (True, 2)


def test_question_on_the_wire() -> None:
    call = Call(
        model="ollama:tiny",
        messages=(
            Message(role="system", content="Add."),
            Message(role="user", content=({"type": "text", "text": "2 + 2?"},)),
            Message(role="assistant", tool_calls=(ToolCall(id="c1", name="add", arguments='{"a": 2}'),)),
            Message(role="tool", content="4", tool_call_id="c1"),
        ),
        tools=(
            Tool(
                name="add",
                description="Sums.",
                parameters={"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            ),
        ),
        params={
            "seed": 3,
            "temperature": None,
            "max_tokens": 64,
            "stop": "\n",
            "num_ctx": 8192,
            "reasoning_effort": "low",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "integer"}},
            },
            "stream": True,
            "tool_choice": "auto",
            "user": "me",
        },
    )
    with Server(Reply(body())) as server:
        ask(server, call)
        sent = server.requests[0].json
        assert sent["messages"] == [
            {"role": "system", "content": "Add."},
            {"role": "user", "content": "2 + 2?"},
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2}}}],
            },
            {"role": "tool", "content": "4", "tool_name": "add"},
        ]
        assert sent["tools"][0]["function"]["name"] == "add"
        assert sent["tools"][0]["function"]["parameters"]["properties"] == {"a": {"type": "integer"}}
        assert sent["options"] == {"seed": 3, "num_predict": 64, "stop": ["\n"], "num_ctx": 8192}
        assert (sent["think"], sent["format"], sent["stream"]) == ("low", {"type": "integer"}, False)
        ask(server, call.model_copy(update={"params": {"tool_choice": "none"}}))
        assert not server.requests[1].json["tools"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [({"type": "json_object"}, "json"), ({"type": "text"}, ""), ({"type": "json_schema"}, "json")],
)
def test_formats(given: dict[str, Any], sent: str) -> None:
    with Server(Reply(body())) as server:
        ask(server, CALL.model_copy(update={"params": {"response_format": given}}))
        assert server.requests[0].json["format"] == sent


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            Reply({"error": "model 'tiny' not found"}, 404),
            "model 'tiny' not found; fetch it with `ollama pull tiny`",
        ),
        (Reply({"error": "unauthorized"}, 401), "answered 401; set OLLAMA_API_KEY"),
        (Reply({"error": "bad option"}, 400), "answered 400: bad option; correct what it names"),
        (Reply({"error": "runner died"}, 500), "answered 500: runner died; try again later"),
        (Reply("[1]", 500), "is no chat response"),
        (Reply("<html>welcome</html>"), "is no chat response"),
        (Reply("[1]"), "is no chat response"),
        (Reply({"done": True}), "is no chat response (message: Field required)"),
        (
            Reply('{"message": {"role": "assistant", "content": "\\ud800"}, "done": true}'),
            "is no chat response",
        ),
        (
            Reply(body("par", done_reason="length")),
            "was cut short after 1 tokens, and a cut answer is never stored; raise",
        ),
        (Reply(body("par", done=False)), "did not finish its answer; try again"),
        (Reply(body("", done_reason="load")), "did not finish its answer; try again"),
        (Reply(body(), fault="half"), "could not be asked (peer closed connection"),
        (Reply(body(), fault="reset"), "could not be asked ("),
    ],
)
def test_failures(reply: Reply, expected: str) -> None:
    with Server(reply) as server:
        assert expected in failure(server)
        assert len(server.requests) == 1


def test_silence() -> None:
    with Server(Reply(fault="silent")) as server:
        assert "did not answer within 0.1 s; raise timeout=" in failure(server, timeout=0.1)


def test_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "secret-0123456789")
    with Server(Reply({"error": "not for secret-0123456789"}, 403)) as server:
        assert "not for ***" in failure(server)
        assert server.requests[0].headers["authorization"] == "Bearer secret-0123456789"


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({"params": {"tool_choice": "required"}}, "it cannot be made to call a tool"),
        ({"params": {"think": [1]}}, "think"),
        (
            {"messages": (Message(role="user", content=({"type": "image_url"},)),)},
            "a message holds the address of an image",
        ),
        (
            {"messages": (Message(role="assistant", tool_calls=(ToolCall(id="c", name="add", arguments="{"),)),)},
            "the arguments of a call of add are not a JSON object",
        ),
        (
            {"tools": (Tool(name="add", parameters={"type": "object", "properties": {"a": True}}),)},
            "properties.a",
        ),
    ],
)
def test_questions_that_ollama_does_not_know(update: dict[str, Any], expected: str) -> None:
    with Server(Reply(body())) as server:
        message = failure(server, CALL.model_copy(update=update))
        assert server.requests == []
        assert "cannot be asked this: " in message
        assert expected in message
        assert f"openai:tiny@{server.url}/v1" in message


def test_nobody_listens() -> None:
    with pytest.raises(ProviderError, match="could not be asked; start it with `ollama serve`"):
        connect(f"ollama:tiny@127.0.0.1:{unused_port()}").complete(CALL)


@pytest.mark.parametrize(
    ("spelled", "url"),
    [
        ("qwen3:8b", "http://127.0.0.1:11434"),
        ("qwen3@:5000", "http://127.0.0.1:5000"),
        ("qwen3@gpu", "http://gpu:11434"),
        ("qwen3@gpu/path", "http://gpu:11434/path"),
        ("qwen3@[::1]", "http://[::1]:11434"),
        ("qwen3@https://gpu", "https://gpu"),
    ],
)
def test_hosts(spelled: str, url: str) -> None:
    assert _endpoint(spelled).url == url


def test_the_host_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(Reply(body())) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url.removeprefix("http://"))
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{unused_port()}")
        assert connect("ollama:tiny").complete(CALL).text == "4"


@pytest.mark.parametrize("spelled", ["tiny@http://host:port", "tiny@[::1", "@gpu", "tiny@http://"])
def test_hosts_that_are_none(spelled: str) -> None:
    with pytest.raises(ProviderError, match="no URL"):
        connect(f"ollama:{spelled}")


def test_threads_share_one_provider() -> None:
    def echo(request: Request) -> Reply:
        return Reply(body(request.json["messages"][0]["content"]))

    calls = [Call(model="ollama:tiny", messages=(Message(role="user", content=f"{n}?"),)) for n in range(40)]
    with Server(echo) as server:
        provider = Ollama(f"tiny@{server.url}")
        with ThreadPoolExecutor(8) as pool:
            answers = [completion.text for completion in pool.map(provider.complete, calls)]
    assert answers == [f"{n}?" for n in range(40)]
