"""Features come from what was said, and from nothing that tells the culprit."""

from pathlib import Path

import pytest
from hypothesis import given
from traces import conversations, run

from butfor.counterfactual.ranking.features import describe
from butfor.counterfactual.ranking.learned import learned
from butfor.replay.importers import import_log
from butfor.replay.trace import Culprit, Outcome, Source, Trace

REAL = ("AG-102.json", "AG-47.json", "AG-93.json", "HC-24.json", "HC-48.json")


def disguised(trace: Trace) -> Trace:
    """The run under another name, with another label, judgement and expected answer."""
    last = trace.steps[-1]
    return trace.model_copy(
        update={
            "expected": "something else",
            "outcome": Outcome(success=True, answer="41"),
            "culprit": Culprit(agent=last.agent, step=last.index, reason="because"),
            "source": Source(format="other", name="9999.json"),
        }
    )


@pytest.mark.parametrize("name", REAL)
def test_label_answer_and_name_change_no_feature_and_no_ranking(logs: Path, name: str) -> None:
    trace = import_log(logs / "who_and_when" / name)
    assert trace.culprit is not None
    for other in (trace.blind(), disguised(trace)):
        assert describe(other) == describe(trace)
        assert learned(other) == learned(trace)


@given(conversations())
def test_any_conversation_has_a_row_for_every_step_that_can_be_blamed(trace: Trace) -> None:
    described = describe(trace)
    assert described.steps == tuple(step.index for step in trace.steps if step.kind != "human")
    assert len(described.rows) == len(described.steps)
    assert describe(disguised(trace)) == described


def test_the_answer_is_found_where_it_first_appears() -> None:
    trace = run(
        ("Ann", "We begin with 12."),
        ("Bob", "Let's assume that it is 77."),
        ("Cat", "I agree with 77."),
        ("Ann", "FINAL ANSWER: 77"),
    )
    rows = describe(trace).rows
    assert [row.get("first to bring the answer", 0.0) for row in rows] == [0, 1, 0, 0]
    assert [row.get("assumes at all", 0.0) for row in rows] == [0, 1, 0, 0]


def test_a_failing_tool_speaks_against_the_step_that_called_it() -> None:
    trace = run(
        ("Ann", "Start."),
        ("Bob", "```python\nx\n```"),
        ("Tool", "exitcode: 1 (execution failed)"),
        ("Ann", "So be it."),
    )
    rows = describe(trace).rows
    assert [row.get("failure next", 0.0) for row in rows] == [0, 1, 0, 0]
    assert [row.get("failure before", 0.0) for row in rows] == [0, 0, 0, 1]
    assert rows[1]["first code"] == 1
