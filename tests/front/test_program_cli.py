"""A program from the command line: recorded, checked, changed, blamed and packed, and judged by what it leaves."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs.llm_server import ModelServer, served
from typer.testing import CliRunner, Result

from butfor.cli import app

PROGRAM = """
import httpx, sys

def ask(agent, text):
    said = [{{"role": "system", "content": f"I am the {{agent}}"}}, {{"role": "user", "content": text}}]
    response = httpx.post("{url}/v1/chat/completions", json={{"model": "m", "messages": said}})
    return response.json()["choices"][0]["message"]["content"]

fact = ask("Researcher", "The lookup says 2,102,650. Say it.")
draft = ask("Writer", fact)
print(draft)
open("answer.txt", "w").write(draft)
sys.exit(0 if "2,102,650" in draft else 3)
"""
TEST = """
def test_the_answer():
    assert "2,102,650" in open("answer.txt").read()
"""
COMMAND = ("--", sys.executable, "app.py")
RIGHT = ("--step", "0", "--output", "The population is 2,102,650.")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with served() as found:
        yield found


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ModelServer) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "app.py").write_text(PROGRAM.format(url=server.url))
    (folder / "test_answer.py").write_text(TEST)
    monkeypatch.chdir(folder)
    return folder


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    "judge", ["status", "output:2,102,650", "file:answer.txt:2,102,650", "pytest:test_answer.py::test_the_answer"]
)
def test_a_run_is_judged_by_what_it_leaves(work: Path, judge: str) -> None:
    assert _run("record", "-o", "run.json", "--judge", judge, *COMMAND).exit_code == 0
    found = json.loads(_run("whatif", "run.json", *RIGHT, "--judge", judge, "--json", *COMMAND).output)
    assert found["recorded"]["success"] is False
    assert found["changed"]["success"] is True
    assert found["executor"] == "program"


def test_a_recorded_run_checks_offline_and_its_case_elsewhere(work: Path, server: ModelServer) -> None:
    judging = ("--judge", "contains", "--expected", "2,102,650")
    assert _run("record", "-o", "run.json", *COMMAND).exit_code == 0
    blaming = ("--corrector", "programs.corrector:corrector", *judging, "--json", *COMMAND)
    first = json.loads(_run("blame", "run.json", *blaming).output)
    assert (first["verdict"], first["step"], first["agent"]) == ("blamed", 0, "Researcher")
    assert first["executor"] == "program"
    assert _run("pack", "run.json", "-o", "run.butfor").exit_code == 0
    server.shutdown()
    assert _run("check", "run.butfor").exit_code == 0
    again = json.loads(_run("blame", "run.butfor", "--json", *COMMAND).output)
    assert (again["verdict"], again["step"]) == (first["verdict"], first["step"])
    trials = [json.dumps(found["trials"]).replace('"cached"', '"live"') for found in (first, again)]
    assert trials[0] == trials[1]
    assert again["cost"]["live_calls"] == 0


def test_a_changed_program_diverges_with_exit_status_1(work: Path) -> None:
    assert _run("record", "-o", "run.json", *COMMAND).exit_code == 0
    (work / "app.py").write_text((work / "app.py").read_text().replace("Say it.", "Shout it."))
    outcome = _run("check", "run.json", *COMMAND)
    assert type(outcome.exception).__name__ == "Divergence"
    assert "+The lookup says 2,102,650. Shout it." in str(outcome.exception)
