"""The pytest plugin in a sample project of its own: replay, record on demand, and three answers of a what-if."""

from pathlib import Path

import pytest
from fleets import run

pytest_plugins = ["pytester"]

_HEAD = """
import butfor, pytest
from fleets import team
"""
PLUGIN = ("-p", "butfor.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    (pytester.path / "run.json").write_text(run(1, "Counter").to_json())
    return pytester


def test_a_marked_run_is_replayed_and_a_missing_one_fails(project: pytest.Pytester) -> None:
    project.makepyfile(
        _HEAD
        + """
@pytest.mark.butfor("run.json")
def test_replays(): pass

@pytest.mark.butfor(run="missing.json")
def test_missing(): pass
"""
    )
    found = project.runpytest_subprocess(*PLUGIN, "--strict-markers", "--junit-xml=out.xml")
    found.assert_outcomes(passed=1, failed=1)
    found.stdout.fnmatch_lines(["*--butfor-record=new*"])
    assert 'name="butfor"' in (project.path / "out.xml").read_text()


def test_what_if_passes_fails_and_is_inconclusive(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile(
        _HEAD
        + """
@pytest.mark.parametrize("text, share", [("count twice", .8), ("be quick", .8), ("hello", .4)])
def test_told(butfor_whatif, text, share):
    found = butfor_whatif("run.json", butfor.instruct("Counter", text), model=team, store="answers")
    found.succeeds(at_least=share, draws=10)
"""
    )
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    live = project.runpytest_subprocess(*PLUGIN, "--butfor-record=new", "-rs")
    summary = (project.path / "summary.md").read_text()
    assert "| PASS | 10 of 10" in summary
    assert "| FAIL | 0 of 10" in summary
    assert live.ret == 1
    offline = project.runpytest_subprocess(*PLUGIN)
    assert offline.parseoutcomes() == live.parseoutcomes()


def test_offline_is_the_default(project: pytest.Pytester) -> None:
    project.makepyfile(
        _HEAD
        + """
def test_told(butfor_whatif):
    butfor_whatif("run.json", butfor.instruct("Counter", "x"), model=team, store="none").succeeds()
"""
    )
    found = project.runpytest_subprocess(*PLUGIN)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*live calls are off*"])
