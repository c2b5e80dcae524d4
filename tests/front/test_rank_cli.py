"""The commands that read a log: rank, attribute, train, and the benchmark of rankers."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from butfor.cache.errors import ButforError
from butfor.cli import app
from butfor.replay.importers import import_log


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def log(logs: Path) -> Path:
    return logs / "who_and_when" / "AG-93.json"


@pytest.mark.parametrize("method", ["combined", "learned", "trajectory"])
def test_a_ranking_is_a_list_ordered_by_suspicion(log: Path, method: str) -> None:
    found = json.loads(_run("rank", log, "--method", method, "--json").output)
    trace = import_log(log)
    assert [set(entry) for entry in found] == [{"step", "agent", "suspicion", "reason"}] * len(found)
    assert [e["suspicion"] for e in found] == sorted((e["suspicion"] for e in found), reverse=True)
    assert {e["step"] for e in found} <= set(range(len(trace.steps)))
    assert all(e["agent"] == trace.steps[e["step"]].agent and 0 <= e["suspicion"] <= 1 for e in found)


def test_a_ranking_does_not_see_the_label_or_the_answer(log: Path, tmp_path: Path) -> None:
    told = json.loads(log.read_text())
    told |= {"mistake_step": "0", "mistake_agent": told["history"][0]["name"], "ground_truth": "something else"}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(told))
    assert _run("rank", log, "--json").output == _run("rank", other, "--json").output


def test_the_form_that_is_common_in_the_field(log: Path) -> None:
    shown = _run("attribute", "--log_path", log, "--method", "trajectory").output.splitlines()
    assert [line.partition(":")[0] for line in shown] == ["Agent Name", "Step Number", "Reason for Mistake"]


@pytest.mark.parametrize(
    ("arguments", "says"), [(("--method", "nonsense"), "no ranker"), (("--method", "hybrid"), "model=")]
)
def test_what_cannot_be_ranked_is_told(log: Path, arguments: tuple[str, ...], says: str) -> None:
    outcome = _run("rank", log, *arguments)
    assert isinstance(outcome.exception, ButforError)
    assert says in str(outcome.exception)


def test_a_folder_without_labels_cannot_be_learned_from(tmp_path: Path) -> None:
    outcome = _run("train", tmp_path, "-o", tmp_path / "model.json")
    assert isinstance(outcome.exception, ButforError)
    assert not (tmp_path / "model.json").exists()


def test_a_method_is_scored_beside_constants_and_published_results(logs: Path) -> None:
    shown = _run("bench", "who-and-when", logs / "who_and_when", "--method", "trajectory").output
    assert "trajectory" in shown
    assert "always step 1" in shown
    assert "AIG, Opus-5" in shown
