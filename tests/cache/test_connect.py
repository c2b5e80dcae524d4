"""Names of models to providers, and what a name that leads nowhere is told."""

from pathlib import Path

import pytest
from servers import Reply, Server

from butfor.cache.call import Call, Message
from butfor.cache.connect import Endpoint, connect, shown_model
from butfor.cache.errors import ProviderError
from butfor.cache.provider import Cached, Routed
from butfor.cache.store import MemoryStore
from butfor.replay.cast import Cast

CALL = Call(model="any:thing", messages=(Message(role="user", content="hello"),))

MODULE = """
from butfor.cache.scripted import Scripted

class Echo:
    def __init__(self, name, *, timeout):
        self.name, self.timeout = name, timeout

    def complete(self, call):
        return Scripted([f"{self.name} {self.timeout:g} {call.messages[-1].text}"]).complete(call)

class Box:
    echo = Echo("boxed", timeout=1)
"""


@pytest.fixture
def _echo_llm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with a plugin, and a module that needs what is not installed."""
    (tmp_path / "echo_llm.py").write_text(MODULE)
    (tmp_path / "needy_llm.py").write_text("import no_such_package")
    metadata = tmp_path / "echo_llm-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-llm\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[butfor.provider]\necho = echo_llm:Echo\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_echo_llm")
def test_a_plugin_gets_the_rest_of_the_name() -> None:
    assert connect("echo:big:8b", timeout=3).complete(CALL).text == "big:8b 3 hello"


@pytest.mark.usefixtures("_echo_llm")
def test_an_object_of_a_module_is_the_provider() -> None:
    assert connect("echo_llm:Box.echo").complete(CALL).text == "boxed 1 hello"


@pytest.mark.usefixtures("_echo_llm")
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5", "'gpt-5' does not say who answers; write provider:model"),
        (":gpt-5", "does not say who answers"),
        ("openai:", "does not say who answers"),
        ("qwen3:8b", "no provider is called 'qwen3'"),
        ("no.such.module:thing", "no provider is called 'no.such.module'"),
        (".relative:thing", "no provider is called '.relative'"),
        ("echo_llm:Nobody", "echo_llm:Nobody is no provider"),
        ("echo_llm:Echo", "echo_llm:Echo is no provider: it is a class; name an object"),
        ("os:system", "os:system is no provider"),
        ("needy_llm:thing", "needy_llm cannot be imported: No module named 'no_such_package'"),
    ],
)
def test_names_that_lead_nowhere(model: str, expected: str) -> None:
    with pytest.raises(ProviderError) as caught:
        connect(model)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost/v1", True),
        ("http://llm.localhost/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://0.0.0.0:8000/v1", True),
        ("http://127.0.0.1.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_this_machine(url: str, local: bool) -> None:
    assert Endpoint.checked("m", url).is_loopback is local


def test_a_password_in_an_address_is_not_shown() -> None:
    message = str(Endpoint.checked("m", "https://me:secret@example.com:1/v1?key=secret").failure("broke", "mend it"))
    assert message == "m at https://example.com:1/v1 broke; mend it"


def test_a_key_is_not_quoted_even_where_the_quotation_is_cut() -> None:
    endpoint = Endpoint("m", "http://a", key="sk-0123456789")
    quoted = endpoint.quoted(f"{'x' * 290} sk-0123456789 {'y' * 290}")
    assert "sk-" not in quoted
    assert len(quoted) == 300


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("openai:gpt-5", "openai:gpt-5"),
        ("openai:m@http://h:1/v1", "openai:m@http://h:1/v1"),
        ("openai:m@https://bob:hunter22@h:1/v1?tok=q#x", "openai:m@https://h:1/v1"),
        ("anthropic:@cf/m@2@http://bob:p@ss@h/v1", "anthropic:@cf/m@2@http://h/v1"),
        ("mistral:m@http://h?tok=a/b@c", "mistral:m@http://h"),
        ("ollama:m:8b@bob:pw@h:11434/x?y=1", "ollama:m:8b@h:11434/x"),
        ("plugin:any@thing?x=1", "plugin:any@thing?x=1"),
    ],
)
def test_a_model_is_shown_without_the_secrets_of_its_address(model: str, shown: str) -> None:
    assert shown_model(model) == shown
    assert shown_model(shown) == shown


def test_what_is_not_shown_is_still_asked_with_and_never_kept() -> None:
    answered = {"choices": [{"message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}]}
    with Server(Reply(answered)) as server:
        secret = "openai:m@" + server.url.replace("://", "://bob:hunter22@") + "/v1?tok=qq77"
        store = MemoryStore()
        cast = Cast(Cached(Routed(connect), store), default=secret)
        assert cast.complete(CALL).text == "4"
        (asked,) = server.requests
        assert asked.path.endswith("?tok=qq77")
        assert asked.headers["authorization"]
        kept = list(store.calls())
        assert [call.model for call in kept] == [f"openai:m@{server.url}/v1"]
