"""LangGraph's stream tells what each node was given; its final messages only what was said."""

from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log, langgraph
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_stream_of_tasks(logs: Path, told: Told) -> None:
    trace = import_log(logs / "langgraph" / "stream_debug.jsonl")
    team = "reads 0 by tool call, reads 1 by tool call, reads 2 by verbatim"
    assert told(trace) == [
        "0 researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 researcher llm, continues 0, reads 1 by tool call",
        f"3 writer llm, {team}",
        f"4 reviewer llm, {team}, reads 3 by verbatim",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model) for a in trace.agents] == [
        ("researcher", "llm", "openai:gpt-4o-mini"),
        ("lookup_population", "tool", None),
        ("writer", "llm", "openai:gpt-4o-mini"),
        ("reviewer", "llm", "openai:gpt-4o-mini"),
    ]
    assert trace.steps[0].tool_calls[0].arguments == '{"city": "Paris"}'
    assert trace.steps[1].output == "POP: 2,102,650"
    assert trace.steps[4].usage is not None
    assert trace.steps[4].usage.output_tokens == 5


def test_final_messages(logs: Path, told: Told) -> None:
    trace = import_log(logs / "langgraph" / "final_messages.json")
    everything = "reads 0 by broadcast, reads 1 by broadcast, reads 2 by broadcast, reads 3 by broadcast"
    assert told(trace) == [
        "0 user human",
        "1 researcher llm, calls lookup_population, reads 0 by broadcast",
        "2 lookup_population tool, reads 1 by tool call",
        "3 researcher llm, continues 1, reads 2 by tool call",
        f"4 assistant llm, {everything}",
        "5 assistant llm, continues 4",
    ]
    assert trace.fidelity == "transcript"
    assert trace.agent("researcher").model == "openai:gpt-4o-mini"


def test_a_stream_of_updates_alone_is_a_transcript(logs: Path, told: Told) -> None:
    lines = (logs / "langgraph" / "stream_debug.jsonl").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if '"mode": "updates"' in line)
    trace = langgraph.load(text, name="updates.jsonl")
    heard = "reads 0 by broadcast, reads 1 by broadcast, reads 2 by broadcast"
    assert told(trace) == [
        "0 researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 researcher llm, continues 0, reads 1 by tool call",
        f"3 writer llm, {heard}",
        f"4 reviewer llm, {heard}, reads 3 by broadcast",
    ]
    assert trace.fidelity == "transcript"
