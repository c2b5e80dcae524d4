"""Langfuse's observations: agents by the observation above, messages or text as a program sent them."""

import json
from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log, langfuse
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_trace_with_its_observations(logs: Path, told: Told) -> None:
    trace = import_log(logs / "langfuse" / "trace.json")
    assert told(trace) == [
        "0 Researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 Researcher llm, continues 0, reads 1 by tool call",
        "3 Writer llm, reads 2 by verbatim",
        "4 team llm, reads 3 by verbatim",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model) for a in trace.agents] == [
        ("Researcher", "llm", "gpt-4o-mini"),
        ("lookup_population", "tool", None),
        ("Writer", "llm", "gpt-4o-mini"),
        ("team", "llm", "gpt-4o-mini"),
    ]
    first = trace.steps[0]
    assert first.call is not None
    assert [t.name for t in first.call.tools] == ["lookup_population"]
    assert dict(first.call.params) == {"temperature": 0.5}
    assert first.usage is not None
    assert (first.usage.input_tokens, first.started) == (10, 1769860800.2)
    assert trace.steps[4].error == "429 Too Many Requests"


def test_a_page_in_snake_case_with_json_as_text() -> None:
    asked = json.dumps([{"role": "user", "content": "Hello."}])
    said = json.dumps({"role": "assistant", "content": "Hi."})
    observation = {
        "id": "1",
        "trace_id": "t",
        "parent_observation_id": None,
        "type": "GENERATION",
        "input": asked,
    }
    times = {
        "start_time": "2026-01-31T12:00:00Z",
        "end_time": None,
        "usage_details": {"input": 4, "output": 2},
    }
    text = json.dumps({"data": [{**observation, **times, "output": said}], "meta": {}})
    assert langfuse.sniff(text)
    trace = langfuse.load(text, name="page.json")
    assert (trace.task, trace.steps[0].output) == ("Hello.", "Hi.")
    assert trace.steps[0].usage is not None
    assert trace.steps[0].usage.input_tokens == 4


def test_a_tool_under_its_name_and_schemas_among_the_messages(logs: Path, told: Told) -> None:
    trace = import_log(logs / "langfuse" / "tool_name_as_role.json")
    assert told(trace) == [
        "0 LangGraph llm, calls timetable",
        "1 timetable tool, reads 0 by tool call",
        "2 LangGraph llm, continues 0, reads 1 by tool call",
    ]
    first, last = trace.steps[0].call, trace.steps[2].call
    assert first is not None
    assert last is not None
    assert [tool.name for tool in first.tools] == ["timetable"]
    assert [message.role for message in last.messages] == ["user", "assistant", "tool"]
    assert last.messages[2].tool_call_id == "call_gate_1"
    assert [step.output for step in trace.steps] == ["", "Train 12 leaves from gate 4.", "From gate 4."]


def test_messages_in_parts_under_agents_that_are_plain_spans(logs: Path, told: Told) -> None:
    trace = import_log(logs / "langfuse" / "message_parts.json")
    assert told(trace) == [
        "0 cook llm, calls larder",
        "1 larder tool, reads 0 by tool call",
        "2 cook llm, continues 0, reads 1 by tool call",
        "3 taster llm, reads 2 by verbatim",
    ]
    assert trace.task == "Name a soup of the season."
    assert trace.agent("cook").system_prompt == "You write menus."
    assert trace.steps[3].output == "It fits the season."


def test_a_tool_that_is_a_plain_span(logs: Path, told: Told) -> None:
    assert told(import_log(logs / "langfuse" / "tool_as_span.json")) == [
        "0 Shop.answer llm, calls stock",
        "1 stock tool, reads 0 by tool call",
        "2 Shop.answer llm, continues 0, reads 1 by tool call",
    ]
