"""Every usual HTTP client is seen: recorded, answered again, led on after a change, and with its faults."""

import sys
from pathlib import Path

import pytest
from programs.llm_server import ModelServer
from servers import Reply, Server, unused_port

from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore
from butfor.replay.cast import Cast, Own
from butfor.replay.executor import rerun
from butfor.replay.program.check import check
from butfor.replay.program.program import Program, record
from butfor.replay.replayed import Edits

COMMAND = (sys.executable, "app.py")
CLIENTS = {
    "urllib": """
import urllib.request
def post(url, body, stream):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, (b"".join(response) if stream else response.read()).decode()
""",
    "http-client": """
import http.client
from urllib.parse import urlsplit
def post(url, body, stream):
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=10)
    connection.request("POST", at.path, json.dumps(body), {"content-type": "application/json"})
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found
""",
    "requests": """
import requests
session = requests.Session()
def post(url, body, stream):
    response = session.post(url, json=body, timeout=10, stream=stream)
    return response.status_code, "\\n".join(response.iter_lines(decode_unicode=True)) if stream else response.text
""",
    "urllib3": """
import urllib3
pool = urllib3.PoolManager(retries=False)
def post(url, body, stream):
    response = pool.request("POST", url, body=json.dumps(body), preload_content=not stream, timeout=10)
    data = b"".join(response.stream(7)) if stream else response.data
    return response.status, data.decode()
""",
    "aiohttp": """
import aiohttp, asyncio
async def later(url, body, stream):
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        if stream:
            return response.status, b"".join([chunk async for chunk in response.content.iter_any()]).decode()
        return response.status, await response.text()
def post(url, body, stream):
    return asyncio.run(later(url, body, stream))
""",
    "httpx": """
import httpx
def post(url, body, stream):
    with httpx.stream("POST", url, json=body) as response:
        return response.status_code, "".join(response.iter_text())
""",
}
TEAM = """
import json, os, sys
{client}
def ask(name, text, stream=False):
    said = [{{"role": "system", "content": f"I am the {{name}}"}}, {{"role": "user", "content": text}}]
    status, body = post("{url}/v1/chat/completions", {{"model": "m", "messages": said, "stream": stream}}, stream)
    if not stream:
        return json.loads(body)["choices"][0]["message"]["content"]
    events = (json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {{"))
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)

fact = ask("Researcher", "The lookup says 2,102,650. Say it.")
print(ask("Writer", fact, stream=True))
"""


def needed(name: str) -> str:
    if name in ("requests", "urllib3", "aiohttp"):
        pytest.importorskip(name)
    return CLIENTS[name]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_recorded_replayed_and_changed(name: str, server: ModelServer, folder: Path) -> None:
    (folder / "app.py").write_text(TEAM.format(client=needed(name), url=server.url))
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    assert [step.agent for step in trace.steps] == ["Researcher", "Writer"]
    assert [read.step for read in trace.steps[1].reads] == [0]
    live = Cast(Cached(Own(), MemoryStore()))
    edits = Edits(answers={0: "The population is 2,102,650"})
    again = rerun(trace, edits, executor=Program(COMMAND), live=live)
    assert [step.origin for step in again.steps] == ["edited", "live"]
    assert "2,102,650" in again.steps[1].output
    server.shutdown()
    checked = check(trace, COMMAND)
    assert checked.same, checked.differences


FAULTY = """
import json, os, sys
{client}
for _ in range(2):
    try:
        print(post("{url}/v1/chat/completions", {{"model": "m", "messages": []}}, False))
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    "fault", [Reply("broken", status=500), Reply("", fault="reset"), Reply("x" * 99, fault="half")]
)
def test_the_faults_of_a_client_come_again(name: str, fault: Reply, folder: Path) -> None:
    with Server(fault) as server:
        (folder / "app.py").write_text(FAULTY.format(client=needed(name), url=server.url))
        trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    assert trace.steps[0].error
    checked = check(trace, COMMAND)
    assert checked.again.steps == trace.steps
    if fault.fault is None or name == "httpx":
        assert checked.same, checked.differences


@pytest.mark.parametrize("name", CLIENTS)
def test_no_server_is_no_server_again(name: str, folder: Path) -> None:
    (folder / "app.py").write_text(FAULTY.format(client=needed(name), url=f"http://127.0.0.1:{unused_port()}"))
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    assert trace.steps[0].error
    assert check(trace, COMMAND).again.steps == trace.steps


PAST = """
import asyncio, httpcore, httpx, json, socket
body = {{"model": "m", "messages": [{{"role": "user", "content": "I am the Writer; the population is 7"}}]}}
def seen():
    httpx.post("http://127.0.0.1:{port}/v1/chat/completions", json=body)
async def also_seen():
    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(client.post("http://localhost:{port}/v1/chat/completions", json=body) for _ in range(3)))
seen()
asyncio.run(also_seen())
{past}
"""
AROUND = {
    "nothing": ("", 0),
    "socket": ("[socket.create_connection(('127.0.0.1', {port})).close() for _ in range(2)]", 2),
    "httpcore": ("httpcore.request('POST', 'http://127.0.0.1:{port}/v1/messages', content=json.dumps(body))", 1),
    "other-form": ("httpx.post('http://127.0.0.1:{port}/v1beta/m:generate', json={{'contents': []}})", 1),
    "list-of-models": ("httpx.get('http://127.0.0.1:{port}/v1/models')", 0),
    "elsewhere": ("s = socket.socket(); s.settimeout(0.1); print(s.connect_ex(('127.0.0.1', {other})))", 0),
}


@pytest.mark.parametrize(("past", "times"), AROUND.values(), ids=AROUND)
def test_what_goes_past_is_counted_and_makes_a_run_partial(
    past: str, times: int, server: ModelServer, folder: Path
) -> None:
    port, other = server.server_port, unused_port()
    (folder / "app.py").write_text(PAST.format(port=port, past=past.format(port=port, other=other)))
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl")
    assert len(trace.steps) == 4
    assert trace.world is not None
    assert trace.ended is not None
    assert trace.world.unseen.get(f"localhost:{port}", 0) == times
    assert trace.world.unseen.get(f"localhost:{other}", 0) == ("other" in past)
    assert trace.ended.partial == bool(times)
