"""CrewAI's events: tasks hand results on in prompts, and peers do not see each other's tool calls."""

import json
from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import crewai, import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_sequential_crew(logs: Path, told: Told) -> None:
    trace = import_log(logs / "crewai" / "events.jsonl")
    assert told(trace) == [
        "0 Researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 Researcher llm, continues 0, reads 1 by tool call",
        "3 Writer llm, reads 2 by verbatim",
        "4 Reviewer llm, reads 2 by verbatim, reads 3 by verbatim",
    ]
    assert trace.task == "Find the population of Paris\nWrite a draft\nReview"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind) for a in trace.agents] == [
        ("Researcher", "llm"),
        ("lookup_population", "tool"),
        ("Writer", "llm"),
        ("Reviewer", "llm"),
    ]
    first, tool, fact, *_ = trace.steps
    assert first.tool_calls[0].id == "call_bad8eeb4bebb4672a4e23761"
    assert (first.tool_calls[0].name, first.tool_calls[0].arguments) == (
        "lookup_population",
        '{"city": "Paris"}',
    )
    assert first.call is not None
    assert first.call.tools[0].description == "Look up the population of a city."
    assert first.call.params["stop"] == ["\nObservation:"]
    assert (tool.output, fact.output) == ("POP: 2,102,650", "FACT: population=3,000,000 [d7f0]")
    assert fact.usage is not None
    assert (fact.usage.input_tokens, fact.ended) == (10, 1795341991.692365)


def test_what_failed_is_a_step_with_an_error(told: Told) -> None:
    place = {"emission_sequence": 1, "timestamp": "2026-01-31T12:00:00Z", "agent_role": "Writer "}
    asked = {
        "type": "llm_call_started",
        "event_id": "1",
        "call_id": "c",
        "messages": "Write.",
        "model": "m",
        **place,
    }
    lost = {"type": "llm_call_failed", "event_id": "2", "call_id": "c", "error": "429", **place}
    over = {"type": "crew_kickoff_failed", "event_id": "3", "error": "gave up", **place, "agent_role": None}
    text = "\n".join(map(json.dumps, (asked, lost, over)))
    assert crewai.sniff(text)
    trace = crewai.load(text, name="events.jsonl")
    assert told(trace) == ["0 Writer llm", "1 crew control"]
    assert [step.error for step in trace.steps] == ["429", "gave up"]
