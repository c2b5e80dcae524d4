"""The published schemas are those of the code, and what the commands print obeys them."""

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from butfor.cli import app
from butfor.replay.trace import Trace
from butfor.scenarios import scenario
from butfor.schema import SCHEMAS, schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_is_the_current_one(name: str) -> None:
    assert (PUBLISHED / f"{name}.schema.json").read_text() == schema(name)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("show", ("show", "{log}")),
        ("blame", ("blame", "{log}", "--model", "scripted:tools")),
        ("whatif", ("whatif", "{log}", "--step", "0", "--remove", "--model", "scripted:tools")),
    ],
)
def test_what_is_printed_obeys_its_schema(name: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    log = _recorded(tmp_path)
    printed = CliRunner().invoke(app, [*(a.format(log=log) for a in arguments), "--json"])
    jsonschema.validate(json.loads(printed.output), json.loads(schema(name)))


def test_a_written_run_obeys_its_schema(tmp_path: Path) -> None:
    jsonschema.validate(json.loads(_recorded(tmp_path).read_text()), json.loads(schema("trace")))


def test_the_contract_of_blame_holds(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["blame", str(_recorded(tmp_path)), "--model", "scripted:tools", "--json"])
    found = json.loads(printed.output)
    assert found["verdict"] == "blamed"
    assert (found["agent"], found["step"]) == ("Coder", 0)
    assert {"effect", "interval", "trials", "untested", "cost", "fidelity"} <= found.keys()


def test_the_contract_of_show_holds(tmp_path: Path) -> None:
    steps = json.loads(CliRunner().invoke(app, ["show", str(_recorded(tmp_path)), "--json"]).output)["steps"]
    assert [(s["index"], s["agent"], s["kind"], s["reads"]) for s in steps] == [
        (0, "Coder", "llm", []),
        (1, "Calculator", "tool", [[0, 0]]),
        (2, "Checker", "llm", [[0, 1]]),
        (3, "Writer", "llm", [[0, 2]]),
    ]


def _recorded(folder: Path) -> Path:
    trace: Trace = scenario("tools").record()
    log = folder / "tools.json"
    log.write_text(trace.to_json())
    return log
