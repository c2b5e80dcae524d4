"""A plan bounds what an audit spends, and a certificate says whether its verdict still holds."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from butfor.cache.errors import LogFormatError
from butfor.cache.store import MemoryStore
from butfor.cli import app
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.plan import planned
from butfor.counterfactual.settings import Settings
from butfor.scenarios.scenario import scenarios


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    log, packed = tmp_path / "parallel.json", tmp_path / "verdict.butfor"
    log.write_text(scenarios()["parallel"].record().to_json())
    cache = ("--cache", tmp_path / "cache")
    assert _run("blame", log, "--model", "scripted:parallel", "--certificate", packed, *cache).exit_code == 0
    return packed


@pytest.mark.parametrize("name", [n for n, case in scenarios().items() if case.verdict != "set"])
def test_an_audit_stays_within_its_plan(name: str) -> None:
    trace, settings = scenarios()[name].record(), Settings(model=f"scripted:{name}", controls=False)
    plan = planned(trace, settings)
    spent = Audit(settings, MemoryStore()).audit(trace).cost.live_calls
    tools = sum(step.kind == "tool" for step in trace.steps)
    together = spent if scenarios()[name].verdict == "no flip" else 0
    assert spent <= plan.calls_most * (1 + tools) + together
    assert plan.calls_expected <= plan.calls_most
    assert plan.tokens_expected <= plan.tokens_most


def test_a_plan_asks_nothing() -> None:
    assert planned(scenarios()["relay"].record(), Settings()).calls_most > 0


def test_a_certificate_holds(certificate: Path) -> None:
    checked = _run("verify", certificate)
    assert checked.exit_code == 0
    assert "holds: But for step 2 (Middle)" in checked.output


@pytest.mark.parametrize(("field", "value"), [("effect", 0.2), ("step", 1), ("verdict", "no flip")])
def test_a_verdict_that_was_changed_does_not_hold(certificate: Path, field: str, value: object) -> None:
    _rewrite(certificate, "verdict.json", lambda found: found | {field: value})
    checked = _run("verify", certificate)
    assert checked.exit_code == 1
    assert f"  {field}: packed" in checked.output


def test_an_answer_that_was_changed_does_not_hold(certificate: Path) -> None:
    def changed(text: str) -> str:
        return text.replace("FINAL ANSWER: 1806", "FINAL ANSWER: 1807")

    _rewrite_text(certificate, "answers.jsonl", changed)
    assert _run("verify", certificate).exit_code == 1


def test_what_holds_no_verdict_cannot_be_verified(tmp_path: Path) -> None:
    log = tmp_path / "run.json"
    log.write_text(scenarios()["relay"].record().to_json())
    outcome = _run("verify", log)
    assert isinstance(outcome.exception, LogFormatError)


def _rewrite(case: Path, name: str, change: object) -> None:
    assert callable(change)
    _rewrite_text(case, name, lambda text: json.dumps(change(json.loads(text))))


def _rewrite_text(case: Path, name: str, change: object) -> None:
    """Change a part of a case together with its checksum, as somebody who means to deceive would."""
    assert callable(change)
    with zipfile.ZipFile(case) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    parts[name] = change(parts[name].decode()).encode()
    manifest = json.loads(parts["manifest.json"])
    manifest["sha256"][name] = sha256(parts[name]).hexdigest()
    parts["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(case, "w") as archive:
        for entry, body in parts.items():
            archive.writestr(entry, body)
