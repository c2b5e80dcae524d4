"""smolagents' memory: a plan, actions, and what their tools brought back."""

import json
from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log, smolagents
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_full_steps(logs: Path, told: Told) -> None:
    trace = import_log(logs / "smolagents" / "full_steps.json")
    assert told(trace) == [
        "0 agent llm",
        "1 agent llm, calls lookup_population, continues 0",
        "2 lookup_population tool, reads 1 by tool call",
        "3 agent llm, calls final_answer, continues 1, reads 2 by verbatim",
        "4 final_answer tool, reads 3 by tool call",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model, a.system_prompt) for a in trace.agents] == [
        ("agent", "llm", "gpt-4o-mini", "You solve tasks with tools."),
        ("lookup_population", "tool", None, None),
        ("final_answer", "tool", None, None),
    ]
    assert trace.steps[1].tool_calls[0].arguments == '{"city": "Paris"}'
    assert (trace.steps[2].output, trace.steps[4].output) == ("POP: 2,102,650", "3,000,000")
    assert trace.steps[1].usage is not None
    assert (trace.steps[1].usage.input_tokens, trace.steps[1].started) == (10, 1769860801.0)


def test_an_action_that_failed() -> None:
    timing = {"start_time": 1.0, "end_time": 2.0}
    error = {"type": "AgentParsingError", "message": "no code"}
    action = {"step_number": 1, "timing": timing, "model_output": "x", "tool_calls": [], "error": error}
    text = json.dumps([{"task": "Go."}, action])
    assert smolagents.sniff(text)
    trace = smolagents.load(text, name="memory.json")
    assert [(s.agent, s.output, s.error) for s in trace.steps] == [("agent", "x", "no code")]
    assert trace.fidelity == "transcript"
