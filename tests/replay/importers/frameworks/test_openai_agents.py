"""The OpenAI Agents SDK's traces: no texts, but who ran what, and who shares whose history."""

import json
from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log, openai_agents
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_an_exported_trace_without_texts(logs: Path, told: Told) -> None:
    """The Researcher, inside a tool, hears nobody else; the Writer gets the Supervisor's history."""
    trace = import_log(f"{logs}/openai_agents/trace.jsonl#trace_54b0ca65")
    assert told(trace) == [
        "0 Supervisor llm, calls ask_researcher",
        "1 Researcher llm, calls lookup_population, reads 0 by tool call",
        "2 lookup_population tool, reads 1 by tool call",
        "3 Researcher llm, continues 1, reads 2 by tool call",
        "4 ask_researcher tool, reads 0 by tool call, reads 3 by order",
        "5 Supervisor llm, calls transfer_to_writer, continues 0, reads 4 by tool call",
        "6 transfer_to_writer tool, reads 5 by tool call",
        "7 Writer llm, " + ", ".join(f"reads {i} by addressee" for i in (0, 4, 5, 6)),
    ]
    assert trace.fidelity == "transcript"
    assert trace.source.name == "trace.jsonl#trace_54b0ca65eb6244cfaae8b44dd699fe34"
    assert [(a.name, a.kind) for a in trace.agents] == [
        ("Supervisor", "llm"),
        ("Researcher", "llm"),
        ("lookup_population", "tool"),
        ("ask_researcher", "tool"),
        ("transfer_to_writer", "tool"),
        ("Writer", "llm"),
    ]
    assert trace.steps[1].tool_calls[0].arguments == '{"city": "Paris"}'
    assert trace.steps[2].output == "POP: 2,102,650"
    assert trace.steps[7].usage is not None
    assert (trace.steps[7].usage.input_tokens, trace.steps[7].started) == (10, 1795341852.761166)


def test_spans_with_texts(told: Told) -> None:
    """A processor that keeps inputs and outputs, or the Chat Completions API: calls by their own ids."""
    call = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
    done = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I saw."}]}
    user = {"role": "user", "content": "Look."}
    agent = {"id": "a", "span_data": {"type": "agent", "name": "Looker"}}
    first = {"id": "1", "span_data": {"type": "generation", "input": [user], "output": [call], "model": "m"}}
    tool = {"id": "2", "span_data": {"type": "function", "name": "look", "input": "{}", "output": "seen"}}
    inputs = [user, call, done]
    last = {"id": "3", "span_data": {"type": "response", "input": inputs, "response": {"output": [said]}}}
    spans = []
    for number, span in enumerate((agent, first, tool, last)):
        times = {"started_at": f"2026-01-31T12:00:0{number}Z", "ended_at": f"2026-01-31T12:00:0{number}.5Z"}
        parent = None if span is agent else "a"
        spans.append(json.dumps({"object": "trace.span", "trace_id": "t", "parent_id": parent, **times, **span}))
    text = "\n".join(spans)
    assert openai_agents.sniff(text)
    trace = openai_agents.load(text, name="trace.jsonl")
    assert told(trace) == [
        "0 Looker llm, calls look",
        "1 look tool, reads 0 by tool call",
        "2 Looker llm, continues 0, reads 1 by tool call",
    ]
    assert (trace.fidelity, trace.steps[2].output) == ("messages", "I saw.")
    assert trace.steps[0].tool_calls[0].id == "call_1"
