"""A run for a reader: every step's input as ranges, and one line on what was read."""

from pathlib import Path

from hypothesis import given
from traces import graphs

from butfor.replay.importers import import_log
from butfor.replay.summary import account, contexts, summary
from butfor.replay.trace import Trace, context

LOGS = Path(__file__).parents[1] / "logs"


@given(graphs())
def test_the_ranges_are_the_contexts(trace: Trace) -> None:
    found = [[step for first, last in reads for step in range(first, last + 1)] for reads in contexts(trace.steps)]
    assert found == [list(context(trace.steps, index)) for index in range(len(trace.steps))]


def test_one_line_on_what_was_read() -> None:
    trace = import_log(LOGS / "langfuse" / "trace.json")
    assert account(trace) == (
        "read as langfuse: 5 steps, no model step empty, inputs of 4 known; edges: 2 tool call, 2 verbatim, 1 memory"
    )
    silent = trace.steps[4].model_copy(update={"error": None, "output": ""})
    assert "1 of 4 model steps empty" in account(trace.model_copy(update={"steps": (*trace.steps[:4], silent)}))
    assert summary(trace).account == account(trace)
