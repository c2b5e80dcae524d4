"""Each of the nine kinds of plug-ins works by name and as an object; a wrong object is one message."""

from pathlib import Path
from typing import Any

import pytest
from commandline import butfor as command
from plug_ins import Counting, Shelf, Team, euros, fewest, propose

import butfor
from butfor.cache.errors import PluginError
from butfor.cache.plugin import METHODS, resolve
from butfor.scenarios.scenario import scenarios


@pytest.fixture
def run(tmp_path: Path) -> Path:
    log = tmp_path / "parallel.json"
    log.write_text(scenarios()["parallel"].record().to_json())
    return log


def test_an_importer(tmp_path: Path) -> None:
    log = tmp_path / "notes.txt"
    log.write_text("#notes\nAnn> seven\nBob> eight\n")
    assert [step.agent for step in butfor.load(log, format="plug_ins:notes").steps] == ["Ann", "Bob"]
    assert "2 steps of 2 agents" in command("import", log, "--format", "plug_ins:notes", "-o", tmp_path / "o.json").out


def test_a_provider_a_judge_a_proposer_a_search_an_executor_and_a_store_by_name(run: Path) -> None:
    before = Counting.runs
    ran = command(
        "blame", run, "--model", "plug_ins:team", "--judge", "plug_ins:euros", "--proposer", "plug_ins:propose",
        "--search", "plug_ins:backwards", "--executor", "plug_ins:counting", "--cache", "plug_ins:shelf",
    )  # fmt: skip
    assert (ran.status, ran.err) == (0, "")
    assert "But for step 2 (Middle)" in ran.out
    assert Counting.runs > before


def test_the_same_as_objects(run: Path) -> None:
    team, shelf = Team("parallel"), Shelf()
    found = butfor.blame(run, model=team, judge=euros, proposer=propose, store=shelf, executor=Counting())
    assert (found.step, found.model) == (2, "team:parallel")
    assert team.asked == found.cost.live_calls > 0
    again = butfor.blame(run, model=team, judge=euros, proposer=propose, store=shelf)
    assert (again.step, again.cost.live_calls) == (2, 0)


def test_a_ranker(run: Path) -> None:
    assert butfor.rank(run, method="plug_ins:longest")[0].reason == "it is long"
    assert "it is long" in command("rank", run, "--method", "plug_ins:longest").out


def test_an_argument_after_a_colon(run: Path) -> None:
    trace = butfor.load(run)
    judge: Any = resolve("judge", "plug_ins:fewest:4")
    assert judge(trace) is fewest("4")(trace) is True


@pytest.mark.parametrize("kind", [*METHODS, "judge", "search", "proposer", "ranker", "renderer"])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_module:thing", "no {kind} is called 'no_such_module'"),
        ("plug_ins:nothing", "has no 'nothing'"),
        ("nonsense", f"no {{kind}} is called 'nonsense'"),  # noqa: F541
        ("plug_ins:__doc__", "is str"),
    ],
)
def test_a_wrong_object_is_one_message(kind, name: str, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PluginError, match=says.format(kind=kind)):
        resolve(kind, name)


@pytest.mark.parametrize(
    ("option", "name"), [("--judge", "os:sep"), ("--model", "os:sep"), ("--search", "plug_ins:shelf")]
)
def test_a_wrong_object_ends_with_status_2(run: Path, option: str, name: str) -> None:
    given = {"--model": "scripted:parallel", option: name}
    ran = command("blame", run, *(text for pair in given.items() for text in pair))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("\n") == 1


def test_a_module_beside_the_working_directory(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_judge_of_euros.py").write_text(
        "def judge(trace):\n    return '1806' in trace.steps[-1].output\n"
    )
    monkeypatch.chdir(tmp_path)
    ran = command("blame", run, "--model", "scripted:parallel", "--judge", "my_own_judge_of_euros:judge")
    assert "But for step 2 (Middle)" in ran.out
