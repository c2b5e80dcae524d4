"""Recording from inside a program, and the names and tools that it declares."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from programs.llm_server import served

import butfor
from butfor.cache.errors import ProgramFailed
from butfor.cache.provider import Cached
from butfor.cache.store import MemoryStore
from butfor.counterfactual.intervention import Intervention, treated
from butfor.replay.cast import Cast, Own
from butfor.replay.executor import rerun
from butfor.replay.program.program import Program, record
from butfor.replay.replayed import Edits
from butfor.replay.trace import read_trace


@pytest.fixture
def url() -> Iterator[str]:
    with served() as found:
        yield f"{found.url}/v1/chat/completions"


def ask(url: str, text: str) -> str:
    asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return str(httpx.post(url, json=asked).json()["choices"][0]["message"]["content"])


def test_a_block_is_recorded_with_the_names_it_gives(url: str, tmp_path: Path) -> None:
    @butfor.agent("Critic")
    def criticise(text: str) -> str:
        return ask(url, f"{text} I am the Reviewer")

    @butfor.agent("Late")
    async def later(text: str) -> str:
        async with httpx.AsyncClient() as client:
            asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
            return (await client.post(url, json=asked)).text

    with butfor.recording(tmp_path / "run.json"):
        with butfor.agent("Author"):
            draft = ask(url, "I am the Writer")
        criticise(draft)
        asyncio.run(later(draft))
    ask(url, "not recorded")
    trace = read_trace((tmp_path / "run.json").read_text())
    assert [step.agent for step in trace.steps] == ["Author", "Critic", "Late"]
    assert [read.step for read in trace.steps[1].reads] == [0]
    assert list(tmp_path.iterdir()) == [tmp_path / "run.json"]


def test_a_block_that_raises_keeps_its_calls(url: str, tmp_path: Path) -> None:
    def crash() -> None:
        with butfor.recording(tmp_path / "run.json"):
            ask(url, "I am the Writer")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    trace = read_trace((tmp_path / "run.json").read_text())
    assert len(trace.steps) == 1
    assert trace.ended is not None
    assert trace.ended.status == 1


def test_a_block_that_asks_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="asked no model"), butfor.recording(tmp_path / "run.json"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_one_recording_at_a_time(url: str, tmp_path: Path) -> None:
    with butfor.recording(tmp_path / "run.json"):
        ask(url, "Hello")
        with pytest.raises(ProgramFailed, match="already"), butfor.recording(tmp_path / "other.json"):
            pass


PROGRAM = """
import butfor, httpx

@butfor.tool
def lookup(city, *, year=2026):
    open({log!r}, "a").write("ran ")
    return {{"city": city, "people": "2,102,650"}}

@butfor.tool
def delegate(task):
    return ask("Helper", task)

def ask(name, text):
    with butfor.agent(name):
        asked = {{"model": "m", "messages": [{{"role": "user", "content": text}}]}}
        return httpx.post({url!r}, json=asked).json()["choices"][0]["message"]["content"]

found = lookup("Paris")
fact = ask("Researcher", f"I am the Researcher; it says {{found}}")
print(ask("Reviewer", "I am the Reviewer; " + delegate("I am the Writer; " + fact)))
with butfor.recording("never.json"):
    pass
"""


def test_declared_tools_are_held_back_and_can_be_changed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, log = tmp_path / "work", tmp_path / "log"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "app.py").write_text(PROGRAM.format(url=url, log=str(log)))
    command = (sys.executable, "app.py")
    trace = read_trace(record(command, name="run.json", tape=tmp_path / "tape").to_json())
    assert [(s.agent, s.kind, s.composite) for s in trace.steps] == [
        ("lookup", "tool", False),
        ("Researcher", "llm", False),
        ("Helper", "llm", False),
        ("delegate", "tool", True),
        ("Reviewer", "llm", False),
    ]
    program = Program(command)
    assert program.check(trace) == trace
    assert log.read_text() == "ran ", "the tool must not run again"
    live = Cast(Cached(Own(), MemoryStore()), run_tools="replay")
    other = rerun(trace, Edits(answers={0: '{"people": "5"}'}), executor=program, live=live)
    assert other.steps[0].output == '{"people": "5"}'
    assert other.steps[1].origin == "live"
    assert log.read_text() == "ran "
    corrected = Intervention(kind="given", step=2, output="The population is 2,102,650")
    again = rerun(trace, treated(trace, [corrected]), executor=program, live=live)
    assert [s.origin for s in again.steps] == ["recorded", "recorded", "edited", "live", "live"]
    assert "2,102,650" in again.steps[4].output
    assert not (work / "never.json").exists()
