"""OpenInference's spans: agents by the spans above, a handover, and an agent as a tool."""

from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_supervisor_with_an_agent_as_a_tool_and_a_handover(logs: Path, told: Told) -> None:
    trace = import_log(logs / "openinference" / "spans.jsonl")
    assert told(trace) == [
        "0 Supervisor llm, calls ask_researcher",
        "1 Researcher llm, calls lookup_population, reads 0 by tool call",
        "2 lookup_population tool, reads 1 by tool call",
        "3 Researcher llm, continues 1, reads 2 by tool call",
        "4 ask_researcher tool, reads 0 by tool call, reads 3 by verbatim",
        "5 Supervisor llm, calls transfer_to_writer, continues 0, reads 4 by tool call",
        "6 transfer_to_writer tool, reads 5 by tool call",
        "7 Writer llm, " + ", ".join(f"reads {i} by tool call" for i in (0, 4, 5, 6)),
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.system_prompt) for a in trace.agents] == [
        ("Supervisor", "llm", "AGENT=Supervisor."),
        ("Researcher", "llm", "AGENT=Researcher. Look up facts."),
        ("lookup_population", "tool", None),
        ("ask_researcher", "tool", None),
        ("transfer_to_writer", "tool", None),
        ("Writer", "llm", "AGENT=Writer. Write."),
    ]
    first = trace.steps[0]
    assert first.call is not None
    assert first.call.model == "openai:gpt-4o-mini"
    assert [t.name for t in first.call.tools] == ["ask_researcher", "transfer_to_writer"]
    assert first.call.params["temperature"] == 1.0
    assert first.tool_calls[0].id == "call_fc8a3d1478ca48cd8401733b"
    assert first.tool_calls[0].arguments == '{"input": "population of Paris?"}'
    assert first.usage is not None
    assert first.usage.output_tokens == 5
    assert trace.steps[3].output == "FACT: population=3,000,000 [8aaa]"
    assert trace.steps[3].started == 1795343191.212189
