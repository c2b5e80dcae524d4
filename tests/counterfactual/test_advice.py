"""Advice names the kind of a failure on evidence that stands in the run, and a change that can be tried at once."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from butfor.cli import app
from butfor.counterfactual.advice import FailureKind, advise
from butfor.replay.importers import import_log
from butfor.replay.trace import Agent, Kind, Read, Source, Step, Trace


@pytest.mark.parametrize(
    ("before", "said", "kind"),
    [
        (("llm", "Population: 2,102,650", None), "The population is 3,000,000.", "miscommunication"),
        (("tool", "Traceback", "exitcode: 1 (execution failed)"), "Good, so we go on.", "tool"),
        (("llm", "Find the price.", None), "Let us assume the price is what it was.", "missing context"),
        (("llm", "Is it right?", None), "I have verified that it is so.", "verification"),
        (("llm", "Sort the names.", None), "Here they are, unsorted.", "specification"),
    ],
)
def test_the_kind_of_a_failure_is_read_off_the_run(
    before: tuple[Kind, str, str | None], said: str, kind: FailureKind
) -> None:
    trace = _trace(*before, said)
    first = advise(trace, 1)[0]
    assert first.kind == kind
    assert first.agent == "B"
    for evidence in first.evidence:
        step = trace.steps[evidence.step]
        assert evidence.text in f"{step.output} {step.error}"


def test_a_check_that_was_run_is_no_failure_to_verify() -> None:
    kinds = [advice.kind for advice in advise(_trace("tool", "4 rows", None, "Verified by the tool."), 1)]
    assert "verification" not in kinds


@given(st.text(max_size=300), st.text(max_size=300))
def test_there_is_always_something_to_try(before: str, said: str) -> None:
    for advice in advise(_trace("llm", before, None, said), 1):
        assert advice.instruction
        assert advice.evidence


def test_the_command_prints_what_whatif_takes(logs: Path) -> None:
    log = logs / "who_and_when" / "AG-93.json"
    found = json.loads(CliRunner().invoke(app, ["advise", str(log), "--step", "1", "--json"]).output)
    trace = import_log(log)
    assert found[0]["agent"] == trace.steps[1].agent
    shown = CliRunner().invoke(app, ["advise", str(log), "--step", "1"]).output
    assert "butfor whatif" in shown
    assert "--instruct" in shown


def _trace(kind: Kind, before: str, error: str | None, said: str) -> Trace:
    return Trace(
        task="Do it, in 1 of 20 ways.",
        agents=(Agent(name="A", kind=kind), Agent(name="B")),
        steps=(
            Step(index=0, agent="A", kind=kind, output=before, error=error),
            Step(index=1, agent="B", output=said, reads=(Read(0, "broadcast"),)),
        ),
        fidelity="transcript",
        source=Source(format="test"),
    )
