"""A run can be read in a terminal: whole messages, what is searched for, where two runs part, in any encoding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import butfor
from traces import run as spoken

import butfor as library
from butfor.scenarios import scenario


@pytest.fixture
def run(tmp_path: Path) -> Path:
    log = tmp_path / "parallel.json"
    log.write_text(scenario("parallel").record().to_json())
    return log


@pytest.fixture
def changed(run: Path, tmp_path: Path) -> Path:
    other = tmp_path / "changed.json"
    text = "Middle kept 75 jackets."
    assert butfor("whatif", run, "--step", 2, "--output", text, "--model", "scripted:parallel", "-o", other).status == 0
    return other


def test_a_long_message_is_shown_as_a_whole(tmp_path: Path) -> None:
    log = tmp_path / "long.json"
    log.write_text(spoken(("Ann", "begin " + "word " * 400 + "end"), ("Bob", "4")).to_json())
    assert "end" not in butfor("show", log).out.split("says")[1]
    for options in (("--step", 0), ("--agent", "Ann"), ("--grep", "BEGIN"), ("--grep", "re:^beg.n"), ("--full",)):
        assert butfor("show", log, *options).out.split().count("word") == 400
    assert "begin" not in butfor("show", log, "--agent", "Bob").out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--step", 6), "steps 0 to 5"),
        (("--step", -1), "steps 0 to 5"),
        (("--agent", "Nobody"), "these do: Splitter, North"),
        (("--grep", "re:("), "not a regular expression"),
    ],
)
def test_what_is_not_there_is_refused(run: Path, options: tuple[object, ...], says: str) -> None:
    ran = butfor("show", run, *options)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


def test_a_pattern_that_never_ends_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "a.json"
    log.write_text(spoken(("Ann", "a" * 4_000 + "b!b"), ("Bob", "4")).to_json())
    ran = butfor("show", log, "--grep", r"re:^(a|aa|aaa)*\1?[!c]$")
    assert (ran.status, "takes longer" in ran.err) == (2, True)


def test_label_answer_and_origins_stand_at_their_steps(changed: Path) -> None:
    lines = butfor("show", changed).out.splitlines()
    assert any("✎ Middle kept 75" in line and "◀ label" in line for line in lines)
    assert any("1806 euros" in line and "◀ answer (right" in line for line in lines)
    assert "[edited]" in butfor("show", changed, "--step", 2).out


def test_two_runs_are_held_against_each_other(run: Path, changed: Path) -> None:
    found = butfor("diff", run, changed)
    assert found.status == 1
    assert "part at step 2; 3 steps differ" in found.out
    assert "[-95-]{+75+}" in found.out
    parsed = json.loads(butfor("diff", run, changed, "--json").out)
    assert (parsed["parts"], parsed["answers"]) == (2, ["1946 euros", "1806 euros"])
    assert butfor("diff", run, run).status == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_no_encoding_breaks_the_output(run: Path, changed: Path, encoding: str) -> None:
    env = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    for line in (("show", changed), ("show", run, "--full"), ("diff", run, changed), ("rank", run)):
        command = [sys.executable, "-m", "butfor", *map(str, line)]
        ran = subprocess.run(command, env=env, capture_output=True, check=False)
        assert ran.returncode in (0, 1), ran.stderr
        assert b"Traceback" not in ran.stderr
        assert max(len(text) for text in ran.stdout.decode(encoding).splitlines()) <= 84


def test_a_name_is_not_broken_within_a_word(tmp_path: Path) -> None:
    log = tmp_path / "names.json"
    trace = spoken(("Ann", "x " * 200), ("Bob", "4"))
    log.write_text(trace.to_json().replace('"Ann"', '"DataVerification_Expert"'))
    assert "DataVerification_Expert" in butfor("show", log).out


def test_the_picture_is_a_file_of_its_own(run: Path, tmp_path: Path) -> None:
    assert butfor("show", run, "--svg", tmp_path / "run.svg").status == 0
    text = (tmp_path / "run.svg").read_text()
    assert text.startswith("<svg xmlns=")
    assert text.count('class="mark"') == 6


def test_in_a_notebook(run: Path, tmp_path: Path) -> None:
    trace = library.load(run)
    assert repr(trace) == "<Trace parallel: 6 steps of 6 agents, transcript>"
    what = library.whatif(trace, library.given(2, "Middle kept 75 jackets."), model="scripted:parallel")
    verdict = library.blame(trace, model="scripted:parallel")
    assert (repr(what), repr(verdict)) == ("<WhatIf: given; repaired>", f"<Verdict: {verdict.sentence}>")
    for shown in (trace, what, verdict):
        html = shown._repr_html_()
        assert html is not None
        assert html.startswith("<iframe sandbox ")
        assert "<script" not in html
    assert "But for step 2" in verdict.report(tmp_path / "page.html").read_text()
    assert verdict.report(tmp_path / "page.md", renderer="markdown").read_text().startswith("# But for step 2")
