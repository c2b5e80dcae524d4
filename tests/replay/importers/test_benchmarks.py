"""Trajectories of benchmarks: who speaks, whose tools they are, what was expected and what was reached."""

from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_tau_bench(logs: Path, told: Told) -> None:
    file = logs / "tau_bench" / "results.json"
    trace = import_log(f"{file}#3")
    assert trace.source.format == "tau-bench"
    assert told(trace) == [
        "0 user llm",
        "1 agent llm, calls get_order, reads 0 by broadcast",
        "2 get_order tool, reads 1 by tool call",
        "3 agent llm, continues 1, reads 2 by tool call",
        "4 user llm, continues 0, reads 3 by broadcast",
    ]
    assert trace.task == "You want a refund for order 7."
    assert trace.expected == '[{"name": "refund", "kwargs": {"id": "7"}}]'
    assert trace.agent("agent").system_prompt == "# Shop policy\nOne refund a customer."
    assert trace.outcome is not None
    assert not trace.outcome.success
    assert trace.outcome.answer == "It is on its way, so I cannot refund it."
    passed = import_log(f"{file}#4").outcome
    assert passed is not None
    assert passed.success
    assert trace.fidelity == "transcript"


def test_tau2_where_the_customer_has_tools_too(logs: Path, told: Told) -> None:
    trace = import_log(logs / "tau_bench" / "tau2.json")
    assert told(trace) == [
        "0 agent llm",
        "1 user llm, reads 0 by broadcast",
        "2 agent llm, continues 0, reads 1 by broadcast",
        "3 user llm, calls toggle_data, continues 1, reads 2 by broadcast",
        "4 toggle_data tool, reads 3 by tool call",
        "5 user llm, continues 3, reads 4 by tool call",
    ]
    assert trace.task == "telecom\nNo mobile data.\nYou are Ana."
    assert (trace.agent("agent").model, trace.agent("user").model) == ("gpt-5", "gpt-5-mini")
    assert trace.steps[4].error == "Error: airplane mode"
    assert trace.outcome is not None
    assert (trace.outcome.success, trace.outcome.explanation) == (False, "reward 0, ended by user_stop")


def test_the_repository_of_mast(logs: Path, told: Told) -> None:
    trace = import_log(logs / "mast_repository" / "ag2.json")
    assert trace.source.format == "mast-repository"
    assert told(trace) == ["0 mathproxyagent llm", "1 assistant llm, reads 0 by broadcast"]
    assert (trace.task, trace.expected) == ("How many tiles cover a floor of 3 by 4?", "12")
    assert trace.outcome is not None
    assert (trace.outcome.success, trace.outcome.answer) == (False, "7")
    review = import_log(logs / "mast_repository" / "peer_review.json")
    assert [(s.agent, s.output) for s in review.steps] == [("Agent1", "Yes."), ("Agent2", "No: 7 times 13.")]
    assert (review.task, review.outcome) == ("Is 91 prime?", None)
