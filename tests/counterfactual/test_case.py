"""A packed case reproduces a check and an audit elsewhere, offline, and refuses to be anything but what was packed."""

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from butfor.cache.errors import ButforError, LogFormatError
from butfor.cli import app
from butfor.counterfactual.case import is_case, unpack
from butfor.scenarios import scenario


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def case(tmp_path: Path) -> Path:
    log, packed = tmp_path / "flaky.json", tmp_path / "flaky.butfor"
    log.write_text(scenario("flaky").record().to_json())
    cache = ("--cache", tmp_path / "cache")
    assert _run("blame", log, "--model", "scripted:flaky", *cache).exit_code == 0
    assert _run("pack", log, "-o", packed, *cache).exit_code == 0
    return packed


def test_an_audit_from_a_case_is_offline_and_gives_the_same_bytes(case: Path, tmp_path: Path) -> None:
    first = _run("blame", case, "--cache", tmp_path / "one", "--json")
    second = _run("blame", case, "--cache", tmp_path / "two", "--json")
    assert first.exit_code == 0
    assert first.output == second.output
    assert '"live_calls": 0' in first.output
    assert not (tmp_path / "one").exists()


def test_a_case_checks(case: Path) -> None:
    checked = _run("check", case)
    assert checked.exit_code == 0
    assert "the file is consistent" in checked.output


def test_packing_twice_gives_the_same_bytes(case: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.butfor"
    log = tmp_path / "flaky.json"
    _run("pack", log, "-o", again, "--cache", tmp_path / "cache")
    assert again.read_bytes() == case.read_bytes()


def test_a_run_that_was_not_audited_is_packed_alone(tmp_path: Path) -> None:
    log, packed = tmp_path / "relay.json", tmp_path / "relay.butfor"
    log.write_text(scenario("relay").record().to_json())
    assert "no answers" in _run("pack", log, "-o", packed, "--cache", tmp_path / "cache").output
    assert is_case(packed)
    assert _run("check", packed).exit_code == 0


@pytest.mark.parametrize("name", ["run.json", "settings.json", "messages.json", "answers.jsonl"])
def test_a_changed_part_is_refused(case: Path, tmp_path: Path, name: str) -> None:
    changed = tmp_path / "changed.butfor"
    with zipfile.ZipFile(case) as old, zipfile.ZipFile(changed, "w") as new:
        for entry in old.namelist():
            body = old.read(entry)
            new.writestr(entry, body.replace(b"a", b"b", 1) if entry == name else body)
    with pytest.raises(LogFormatError, match=name):
        unpack(changed)


def test_a_file_that_is_cut_short_is_refused(case: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.butfor"
    cut.write_bytes(case.read_bytes()[:-40])
    outcome = _run("check", cut)
    assert outcome.exit_code != 0


def test_a_case_cannot_name_code_to_import(tmp_path: Path) -> None:
    log, packed = tmp_path / "relay.json", tmp_path / "relay.butfor"
    log.write_text(scenario("relay").record().to_json())
    cache = ("--cache", tmp_path / "cache")
    judge = "butfor.counterfactual.judge:exact"
    _run("blame", log, "--model", "scripted:relay", "--judge", judge, *cache)
    _run("pack", log, "-o", packed, *cache)
    refused = _run("blame", packed)
    assert isinstance(refused.exception, ButforError)
    assert "if you trust it" in str(refused.exception)
    assert _run("blame", packed, "--judge", judge).exit_code == 0
