"""A real local model plays a team, corrects it and is audited; the second audit asks it nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from butfor.cli import app
from butfor.scenarios import scenario

pytest_plugins = ["local_model"]


@pytest.mark.model
def test_a_real_model_is_asked_once_and_the_verdict_stands(smollm2: str, tmp_path: Path) -> None:
    log = tmp_path / "relay.json"
    log.write_text(scenario("relay").record().to_json())
    options = ["--param", "max_tokens=200", "--param", "temperature=0.7", "--param", "repeat_penalty=1.2"]
    options += ["--param", 'stop=["\\n"]', "--repeats", "4", "--cache", str(tmp_path / "cache"), "--json"]
    first, second = (
        json.loads(CliRunner().invoke(app, ["blame", str(log), "--model", smollm2, *options]).output) for _ in range(2)
    )
    assert first["cost"]["live_calls"] > 0
    assert first["cost"]["output_tokens"] > 0
    cut_short = any(untested["reason"] == "failed" for untested in first["untested"])
    cut_short = cut_short or any(trial["error"] for trial in first["trials"])
    assert cut_short or second["cost"]["live_calls"] == 0
    assert (second["verdict"], second["step"]) == (first["verdict"], first["step"])
    trials = [json.dumps(found["trials"]).replace('"cached"', '"live"') for found in (first, second)]
    assert trials[0] == trials[1]


@pytest.mark.model
def test_a_real_model_takes_an_agents_place(smollm2: str, tmp_path: Path) -> None:
    log = tmp_path / "relay.json"
    log.write_text(scenario("relay").record().to_json())
    swap = ["--swap", f"Weigher={smollm2}", "--model", "scripted:relay", "--param", "max_tokens=200"]
    shown = CliRunner().invoke(app, ["whatif", str(log), *swap, "--param", 'stop=["\\n"]', "--json"])
    found = json.loads(shown.output)
    assert found["run"]["steps"][1]["agent"] == "Weigher"
    assert found["run"]["steps"][1]["origin"] == "live"
    assert found["run"]["steps"][0]["origin"] == "recorded"
