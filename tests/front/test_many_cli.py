"""The commands for many runs, as a person types them."""

import csv
import json
from pathlib import Path

import jsonschema
import pytest
from commandline import butfor
from fleets import folder, run

MODEL = ("--model", "fleets:TEAM")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return folder(tmp_path / "logs", "Counter", "Writer", None, "Counter")


def test_audit_writes_its_files_and_says_what_to_fix(logs: Path, tmp_path: Path) -> None:
    ran = butfor("audit", logs, *MODEL, "--cache", tmp_path / "cache", "-o", tmp_path / "out")
    assert ran.status == 0, ran.err
    assert "fix Counter" in ran.out
    found = json.loads((tmp_path / "out" / "audit.json").read_text())
    schema = Path(__file__).parents[2] / "docs" / "schema" / "audit.schema.json"
    jsonschema.validate(found, json.loads(schema.read_text()))
    rows = list(csv.DictReader((tmp_path / "out" / "audit.csv").read_text().splitlines()))
    assert [row["agent"] for row in rows] == ["Counter", "Writer", "", "Counter"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "default-src 'none'" in page
    assert page.count('<section id="run-') == 4


def test_a_page_runs_nothing_that_a_log_says(logs: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    hostile = run(7, "Counter")
    named = hostile.agents[1].model_copy(update={"name": evil})
    steps = tuple(s.model_copy(update={"agent": evil}) if s.agent == "Counter" else s for s in hostile.steps)
    made = hostile.model_copy(update={"agents": (hostile.agents[0], named, hostile.agents[2]), "steps": steps})
    (logs / "hostile.json").write_text(made.to_json())
    butfor("audit", logs, *MODEL, "--cache", tmp_path / "cache", "-o", tmp_path / "out")
    assert evil not in (tmp_path / "out" / "index.html").read_text()


def test_an_audit_that_is_not_complete_ends_with_3(logs: Path, tmp_path: Path) -> None:
    ran = butfor("audit", logs, *MODEL, "--cache", tmp_path / "cache", "--max-calls", 5, "--json")
    assert ran.status == 3, ran.err
    found = json.loads(ran.out)
    assert found["cost"]["live_calls"] == 5
    assert found["abstentions"]["budget"] >= 1
    assert butfor("audit", logs, *MODEL, "--cache", tmp_path / "cache").status == 0


def test_no_such_runs_is_one_line(tmp_path: Path) -> None:
    ran = butfor("audit", tmp_path / "nothing", *MODEL)
    assert ran.status == 2
    assert len(ran.err.splitlines()) == 1


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return folder(tmp_path / "both", *["Counter"] * 8, *[None] * 8)


@pytest.mark.parametrize(("text", "status", "word"), [("count twice", 0, "PASS"), ("be quick", 1, "FAIL")])
def test_try_ends_by_its_answer(both: Path, tmp_path: Path, text: str, status: int, word: str) -> None:
    (tmp_path / "prompt.md").write_text(text)
    candidate = f"Counter=@{tmp_path / 'prompt.md'}"
    ran = butfor("try", both, "--candidate", candidate, *MODEL, "--cache", tmp_path / "cache")
    assert ran.status == status, ran.err
    assert word in ran.out
    assert "of 8 failures" in ran.out


def test_try_without_enough_draws_is_inconclusive(both: Path, tmp_path: Path) -> None:
    line = ("try", both, "--candidate", "Counter=count twice", *MODEL, "--cache", tmp_path / "cache", "--repeats", 1)
    ran = butfor(*line, "--json")
    assert ran.status == 3, ran.err
    assert json.loads(ran.out)["candidates"][0]["answer"] == "INCONCLUSIVE"
