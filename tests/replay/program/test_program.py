"""A real program, recorded and run again: offline as it was, and with one answer changed."""

import json
import sys
from pathlib import Path

import pytest
from programs.llm_server import Handler, ModelServer

from butfor.cache.errors import Divergence, ProgramFailed, ProviderError
from butfor.cache.provider import Cached, Offline, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.intervention import Intervention, control, treated
from butfor.replay.cast import Cast, Own
from butfor.replay.executor import rerun
from butfor.replay.program.program import Leavings, Program, record
from butfor.replay.replayed import Edits
from butfor.replay.trace import Trace, read_trace

TEAM = """
import asyncio, httpx, sys, uuid

URL = "{url}/v1"
run = uuid.uuid4()

def request(agent, text, **more):
    said = [{{"role": "system", "content": f"I am the {{agent}}"}}, {{"role": "user", "content": text}}]
    return {{"model": "m", "messages": said, **more}}

def text_of(response):
    return response.json()["choices"][0]["message"]["content"]

def ask(agent, text):
    headers = {{"authorization": "Bearer sk-secret-key", "cookie": "session=secret"}}
    with httpx.Client(headers=headers) as client:
        return text_of(client.post(f"{{URL}}/chat/completions", json=request(agent, text)))

async def ask_later(agent, text):
    async with httpx.AsyncClient() as client:
        return text_of(await client.post(f"{{URL}}/chat/completions", json=request(agent, text)))

def ask_streaming(agent, text):
    found = ""
    asked = request(agent, text, stream=True)
    with httpx.stream("POST", f"{{URL}}/chat/completions", json=asked) as response:
        for line in response.iter_lines():
            if line.startswith("data: {{"):
                import json
                found += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    return found

fact = ask("Researcher", f"In run {{run}} the lookup says 2,102,650. Say it.")
draft = ask_streaming("Writer", fact)
print(asyncio.run(ask_later("Reviewer", draft)))
open("answer.txt", "w").write(draft)
"""


def recorded(folder: Path, source: str, *, leavings: Leavings | None = None) -> Trace:
    (folder / "app.py").write_text(source)
    trace = record(COMMAND, name="run.json", tape=folder.parent / "calls.jsonl", leavings=leavings)
    return read_trace(trace.to_json())


COMMAND = (sys.executable, "app.py")


def live(provider: Provider | None = None, **options: object) -> Cast:
    return Cast(Cached(provider or Own(), MemoryStore()), **options)  # type: ignore[arg-type]


def test_a_program_is_recorded_and_runs_again_as_it_did(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    assert [step.agent for step in trace.steps] == ["Researcher", "Writer", "Reviewer"]
    assert [[read.step for read in step.reads] for step in trace.steps] == [[], [0], [1]]
    assert trace.fidelity == "wire"
    assert trace.ended is not None
    assert trace.ended.output.startswith("FINAL ANSWER: the population is 3,000,000")
    server.shutdown()
    assert Program(COMMAND).check(trace) == trace


def test_no_secret_reaches_a_file(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    written = trace.to_json() + (folder.parent / "calls.jsonl").read_text()
    assert "secret" not in written


def test_a_corrected_answer_changes_what_follows_and_nothing_before(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    correction = Intervention(kind="given", step=0, output="The population is 2,102,650")
    program = Program(COMMAND)
    again = rerun(trace, treated(trace, [correction]), executor=program, live=live())
    assert [step.origin for step in again.steps] == ["edited", "live", "live"]
    assert all("2,102,650" in step.output for step in again.steps)
    same = rerun(trace, control(trace, [correction]), executor=program, live=live())
    assert same.steps[0] == trace.steps[0]
    assert all("3,000,000" in step.output for step in same.steps)
    assert same.steps[1].output != trace.steps[1].output, "the control arm has to draw what follows again"


def test_live_answers_are_asked_once_for_all_runs(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    edits = treated(trace, [Intervention(kind="given", step=0, output="The population is 1")])
    store, program = MemoryStore(), Program(COMMAND)
    first = rerun(trace, edits, executor=program, live=Cast(Cached(Own(), store)))
    offline = Cast(Cached(Offline(store.calls), store))
    again = rerun(trace, edits, executor=program, live=offline)
    assert [step.output for step in again.steps] == [step.output for step in first.steps]
    assert [step.origin for step in again.steps] == ["edited", "cached", "cached"]


def test_giving_a_step_its_own_answer_changes_nothing(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    program = Program(COMMAND)
    for step in trace.steps:
        again = rerun(trace, Edits(answers={step.index: step.output}), executor=program)
        assert again.steps == trace.steps


def test_an_agent_is_played_by_another_model(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    swap = Intervention(kind="swap", agent="Researcher", model="other:model")
    script = Scripted(["The population is 7,777"])
    asked: list[str] = []

    class Asked:
        def complete(self, call):  # type: ignore[no-untyped-def]
            asked.append(call.model)
            return script.complete(call) if call.model == "other:model" else Own().complete(call)

    again = rerun(
        trace,
        treated(trace, [swap]),
        executor=Program(COMMAND),
        live=live(Asked(), models={"Researcher": "other:model"}),
    )
    assert asked == ["other:model", "program:openai:m", "program:openai:m"]
    assert all("7,777" in step.output for step in again.steps)


def test_a_changed_prompt_diverges_and_shows_what_changed(server: ModelServer, folder: Path) -> None:
    source = TEAM.format(url=server.url)
    trace = recorded(folder, source)
    (folder / "app.py").write_text(source.replace("Say it.", "Say it loudly."))
    with pytest.raises(Divergence, match=r"Say it loudly\.") as caught:
        Program(COMMAND).check(trace)
    assert "Researcher" in str(caught.value)


def test_a_run_has_a_home_and_a_working_directory_of_its_own(server: ModelServer, folder: Path) -> None:
    source = TEAM.format(url=server.url) + "import os; open(os.path.expanduser('~/trash'), 'w'); os.remove('kept.txt')"
    (folder / "kept.txt").write_text("kept")
    program = Program(COMMAND, leavings=Leavings(files=("answer.txt",)))
    trace = recorded(folder, TEAM.format(url=server.url))
    (folder / "app.py").write_text(source)
    (folder / "answer.txt").unlink()
    again = program.check(trace)
    assert (folder / "kept.txt").exists()
    assert not (folder / "answer.txt").exists()
    assert not Path("~/trash").expanduser().exists()
    assert again.ended is not None
    assert "3,000,000" in again.ended.files["answer.txt"]


def test_the_network_is_blocked(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    beside = """
import socket
for address in (("192.0.2.1", 80), ("127.0.0.1", {port})):
    try:
        socket.create_connection(address, timeout=1)
    except PermissionError as error:
        print(error)
"""
    (folder / "app.py").write_text(TEAM.format(url=server.url) + beside.format(port=server.server_port))
    ended = Program(COMMAND).check(trace).ended
    assert ended is not None
    assert ended.output.count("the network is blocked") == 2


def test_a_program_that_asks_nothing_is_told_so(folder: Path) -> None:
    with pytest.raises(ProgramFailed, match="asked no model that could be seen"):
        recorded(folder, "print('hello')")


def test_a_run_that_asks_nothing_any_more_is_an_error(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    (folder / "app.py").write_text("raise SystemExit('it broke')")
    with pytest.raises(ProgramFailed, match="it broke"):
        Program(COMMAND).check(trace)


def test_a_program_that_hangs_is_ended(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    (folder / "app.py").write_text("import time; time.sleep(60)")
    with pytest.raises(ProgramFailed, match=r"longer than 0\.5 s"):
        Program(COMMAND, timeout=0.5).check(trace)


def test_child_processes_are_recorded_too(server: ModelServer, folder: Path) -> None:
    (folder / "team.py").write_text(TEAM.format(url=server.url))
    source = "import subprocess, sys; subprocess.run([sys.executable, 'team.py'], check=True)"
    trace = recorded(folder, source)
    assert len(trace.steps) == 3
    assert Program(COMMAND).check(trace) == trace


def test_a_users_own_sitecustomize_still_runs(
    server: ModelServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text("import builtins; builtins.MARK = 'mine'")
    monkeypatch.setenv("PYTHONPATH", str(folder / "site"))
    trace = recorded(folder, TEAM.format(url=server.url) + "print(MARK)")
    assert trace.ended is not None
    assert trace.ended.output.endswith("mine\n")


def test_what_leaves_the_working_directory_is_not_copied_wrong(server: ModelServer, folder: Path) -> None:
    (folder.parent / "outside.py").write_text(TEAM.format(url=server.url))
    command = (sys.executable, "../outside.py")
    trace = record(command, name="run.json", tape=folder.parent / "calls.jsonl")
    assert Program(command).check(trace).steps == trace.steps


CHILD = """
import asyncio, httpx
async def worker(client, name):
    said = [{{"role": "system", "content": "I am the Worker"}}, {{"role": "user", "content": "Go"}}]
    for _ in range({steps}):
        body = {{"model": "m", "messages": said}}
        response = await client.post("{url}/v1/chat/completions", json=body)
        said.append(response.json()["choices"][0]["message"])
        said.append({{"role": "user", "content": "Go on"}})
    return [m["content"] for m in said if m["role"] == "assistant"]
async def main():
    async with httpx.AsyncClient(timeout=60) as client:
        print(await asyncio.gather(*(worker(client, n) for n in range(4))))
asyncio.run(main())
"""


def test_parallel_workers_with_identical_prompts_never_get_each_others_answers(
    server: ModelServer, folder: Path
) -> None:
    trace = recorded(folder, CHILD.format(url=server.url, steps=60))
    assert len(trace.steps) == 240
    again = Program(COMMAND).check(trace)
    assert again == trace


def test_json_in_json_is_kept(server: ModelServer, folder: Path) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    lines = (folder.parent / "calls.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["llm"] * len(trace.steps)


def test_a_refused_live_call_ends_the_run(server: ModelServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = recorded(folder, TEAM.format(url=server.url))
    monkeypatch.setattr(Handler, "do_POST", _refuse)
    edits = treated(trace, [Intervention(kind="given", step=0, output="The population is 1")])
    with pytest.raises(ProviderError, match=r"answered 404: .*gone"):
        rerun(trace, edits, executor=Program(COMMAND), live=live())


def _refuse(handler) -> None:  # type: ignore[no-untyped-def]
    handler.rfile.read(int(handler.headers["content-length"]))
    handler.send_response(404)
    handler.send_header("content-length", "4")
    handler.end_headers()
    handler.wfile.write(b"gone")
