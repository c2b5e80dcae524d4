"""Coding agents' sessions and trajectories: their agents, subagents, tools, edges, tasks and endings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_claude_code_with_a_subagent(logs: Path, told: Told) -> None:
    trace = import_log(logs / "claude_code" / "subagent.jsonl")
    assert trace.source.format == "claude-code"
    assert told(trace) == [
        "0 user human",
        "1 claude llm, calls Task, reads 0 by addressee",
        "2 Explore 1 llm, calls Grep, reads 1 by tool call",
        "3 Grep tool, reads 2 by tool call",
        "4 Explore 1 llm, continues 2, reads 3 by tool call",
        "5 Task tool, reads 1 by tool call, reads 4 by verbatim",
        "6 claude llm, calls Bash, continues 1, reads 5 by tool call",
        "7 Bash tool, reads 6 by tool call",
        "8 claude llm, continues 6, reads 7 by tool call",
        "9 program control",
    ]
    assert trace.task == "Why is the discount applied twice?"
    assert (trace.outcome, trace.expected, trace.fidelity) == (None, None, "transcript")
    assert trace.agent("claude").model == "claude-sonnet-4-5"
    assert trace.agent("Explore 1").model == "claude-haiku-4-5"
    assert trace.steps[1].output == "I will have the code searched."
    assert trace.steps[7].error == "no tests ran: folder missing"
    assert trace.steps[9].error == "529 overloaded"
    assert trace.steps[1].usage is not None
    assert trace.steps[1].usage.input_tokens == 12
    assert trace.steps[1].started == 1769860802.0


def test_codex_rollout(logs: Path, told: Told) -> None:
    trace = import_log(logs / "codex" / "rollout.jsonl")
    assert trace.source.format == "codex"
    assert told(trace)[1:7] == [
        "1 user human",
        "2 codex llm, calls shell, reads 0 by addressee, reads 1 by addressee",
        "3 shell tool, reads 2 by tool call",
        "4 codex llm, calls apply_patch, continues 2, reads 3 by tool call",
        "5 apply_patch tool, reads 4 by tool call",
        "6 codex llm, continues 4, reads 5 by tool call",
    ]
    assert (trace.task, trace.fidelity, trace.outcome) == ("Make the tests pass.", "transcript", None)
    assert trace.agent("codex").model == "gpt-5-codex"
    assert trace.agent("codex").system_prompt == "You write code in a terminal."
    assert [(s.output, s.error) for s in trace.steps if s.kind == "tool"] == [
        ("1 failed", "1 failed"),
        ("Success.", None),
    ]
    assert trace.steps[7].error == "interrupted"


def test_atif_with_a_nested_trajectory(logs: Path, told: Told) -> None:
    trace = import_log(logs / "atif" / "nested.json")
    assert trace.source.format == "atif"
    assert told(trace) == [
        "0 user human",
        "1 planner llm, calls delegate, reads 0 by addressee",
        "2 searcher llm, calls lookup, reads 1 by tool call",
        "3 lookup tool, reads 2 by tool call",
        "4 searcher llm, continues 2, reads 3 by tool call",
        "5 delegate tool, reads 1 by tool call, reads 4 by verbatim",
        "6 planner llm, continues 1, reads 5 by tool call",
    ]
    assert trace.task == "How old is the oldest bridge in town?"
    assert [(a.name, a.model) for a in trace.agents if a.kind == "llm"] == [
        ("planner", "gpt-5"),
        ("searcher", "gpt-5-mini"),
    ]
    assert trace.agent("planner").system_prompt == "Plan, then delegate."
    assert trace.steps[3].output == "Mill Bridge, 1620"
    assert (trace.fidelity, trace.outcome) == ("transcript", None)


def test_swe_agent(logs: Path, told: Told) -> None:
    trace = import_log(logs / "swe_agent" / "issue.traj")
    assert trace.source.format == "swe-agent"
    assert told(trace)[:5] == [
        "0 user human",
        "1 swe-agent llm, calls bash, reads 0 by addressee",
        "2 bash tool, reads 1 by tool call",
        "3 swe-agent llm, continues 1, reads 2 by tool call",
        "4 bash tool, reads 3 by order",
    ]
    assert trace.task == "ISSUE: the total is wrong."
    assert trace.agent("swe-agent").system_prompt == "You are a programmer."
    assert trace.steps[2].output == "41: total = total - discount"
    assert (trace.steps[-1].output, trace.steps[-1].error) == ("diff --git a/cart.py b/cart.py", "exit_cost")
    assert trace.fidelity == "transcript"


def test_openhands_events(logs: Path, told: Told) -> None:
    trace = import_log(logs / "openhands" / "events.json")
    assert trace.source.format == "openhands"
    assert told(trace) == [
        "0 user human",
        "1 openhands llm, calls execute_bash, reads 0 by addressee",
        "2 execute_bash tool, reads 1 by tool call",
        "3 openhands llm, calls read, continues 1, reads 2 by tool call",
        "4 read tool, reads 3 by tool call",
        "5 openhands llm, continues 3, reads 4 by tool call",
    ]
    assert trace.task == "Fix the bug."
    assert trace.agent("openhands").system_prompt == "You are an agent that codes."
    assert [s.error for s in trace.steps if s.kind == "tool"] == ["2 failed", "No such file: a.py"]
    assert trace.steps[5].output == "I could not fix it."


def test_openhands_evaluation(logs: Path) -> None:
    file = logs / "openhands" / "output.jsonl"
    with pytest.raises(LogFormatError, match="holds 2 runs"):
        import_log(file)
    trace = import_log(f"{file}#shop__1")
    assert trace.task == "Fix issue 1."
    assert trace.outcome is not None
    assert (trace.outcome.success, trace.outcome.answer) == (False, "diff")
    second = import_log(f"{file}#shop__2")
    assert (len(second.steps), second.outcome) == (2, None)


def test_openhands_sdk(logs: Path, told: Told) -> None:
    trace = import_log(logs / "openhands" / "sdk.jsonl")
    assert told(trace) == [
        "0 user human",
        "1 openhands llm, calls execute_bash, reads 0 by addressee",
        "2 execute_bash tool, reads 1 by tool call",
        "3 openhands llm, continues 1, reads 2 by tool call",
    ]
    assert (trace.task, trace.agent("openhands").system_prompt) == ("List the files.", "You code.")
    assert trace.steps[2].output == "a.py b.py"
