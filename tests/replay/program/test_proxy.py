"""Programs that are not Python: recorded and run again through a loopback server."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs.llm_server import ModelServer, served

from butfor.cache.errors import Divergence
from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore
from butfor.counterfactual.intervention import Intervention, treated
from butfor.replay.cast import Cast, Own
from butfor.replay.executor import rerun
from butfor.replay.program.check import check
from butfor.replay.program.namespace import available
from butfor.replay.program.program import Program, record
from butfor.replay.trace import read_trace

SHELL = """
import http.client, json, os, sys
from urllib.parse import urlsplit

def ask(base, path, said, name=None, **more):
    url = urlsplit(os.environ[base])
    connection = http.client.HTTPConnection(url.hostname, url.port)
    headers = {"content-type": "application/json", "authorization": "Bearer sk-secret"}
    if name:
        headers["x-butfor-agent"] = name
    body = json.dumps({"model": "m", "messages": said, **more})
    connection.request("POST", f"{url.path}{path}", body, headers)
    response = connection.getresponse()
    found = json.loads(response.read())
    connection.close()
    return found

def said(text):
    return [{"role": "user", "content": text}]

task = said("I am the Researcher; lookup: 2,102,650")
first = ask("OPENAI_BASE_URL", "/chat/completions", task, name="Scout")
fact = first["choices"][0]["message"]["content"]
second = ask("ANTHROPIC_BASE_URL", "/v1/messages", said(fact), system="I am the Writer", max_tokens=9)
draft = second["content"][0]["text"]
review = [{"role": "system", "content": "I am the Reviewer"}, *said(draft)]
print(ask("OLLAMA_HOST", "/api/chat", review, stream=False)["message"]["content"])
"""
"""It uses no client that the interceptor knows, as a program in another language would."""

COMMAND = ("python3", "-S", "-I", "app.py")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with served() as found:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{found.url}/v1")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", found.url)
        monkeypatch.setenv("OLLAMA_HOST", found.url)
        yield found


def test_a_program_behind_the_proxy(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "app.py").write_text(SHELL)
    tape = tmp_path / "tape"
    trace = read_trace(record(COMMAND, name="run.json", tape=tape, proxy=True).to_json())
    assert [step.agent for step in trace.steps] == ["Scout", "Writer", "Reviewer"]
    assert [[read.step for read in step.reads] for step in trace.steps] == [[], [0], [1]]
    assert "secret" not in tape.read_text()
    assert [json.loads(line)["path"] for line in tape.read_text().splitlines()] == [
        "/chat/completions",
        "/v1/messages",
        "/api/chat",
    ]
    program = Program(COMMAND, proxy=True)
    correction = Intervention(kind="given", step=0, output="The population is 2,102,650")
    live = Cast(Cached(Own(), MemoryStore()))
    again = rerun(trace, treated(trace, [correction]), executor=program, live=live)
    assert [step.origin for step in again.steps] == ["edited", "live", "live"]
    assert "2,102,650" in again.steps[2].output
    server.shutdown()
    assert program.check(trace) == trace
    (work / "app.py").write_text(SHELL.replace("lookup:", "the tool says"))
    with pytest.raises(Divergence, match="the tool says"):
        program.check(trace)


CHUNKED = """
printf '{"model": "m", "messages": [{"role": "user", "content": "I am the Writer; the population is 7"}]}' |
curl -sf "$OPENAI_BASE_URL/chat/completions" -H 'transfer-encoding: chunked' -H 'content-type: application/json' -d @-
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_request_in_chunks_is_read_and_the_kernel_lets_nothing_else_through(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.sh").write_text(CHUNKED)
    command = ("bash", "app.sh")
    trace = record(command, name="run.json", tape=tmp_path / "tape", proxy=True)
    assert trace.steps[0].call is not None
    assert trace.steps[0].call.messages[0].text == "I am the Writer; the population is 7"
    server.shutdown()
    checked = check(trace, command, proxy=True)
    assert checked.same, checked.differences
    assert checked.closed == ("kernel" if available() else "not held")
