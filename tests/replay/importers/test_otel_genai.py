"""OpenTelemetry's generative AI spans: both generations of names, the SDK's JSON and OTLP."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_log, otel_genai
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_microsoft_agent_framework(logs: Path, told: Told) -> None:
    """The second call of the Researcher sends the tool's result only, and its predecessor's response id."""
    trace = import_log(logs / "otel_genai" / "agent_framework_spans.jsonl")
    team = "reads 0 by tool call, reads 1 by tool call, reads 2 by verbatim"
    assert told(trace) == [
        "0 Researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 Researcher llm, continues 0, reads 1 by tool call",
        f"3 Writer llm, {team}",
        f"4 Reviewer llm, {team}, reads 3 by verbatim",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model, a.system_prompt) for a in trace.agents] == [
        ("Researcher", "llm", "openai:gpt-4o-mini", "AGENT=Researcher"),
        ("lookup_population", "tool", None, None),
        ("Writer", "llm", "openai:gpt-4o-mini", "AGENT=Writer"),
        ("Reviewer", "llm", "openai:gpt-4o-mini", "AGENT=Reviewer"),
    ]
    first, tool, fact, *_ = trace.steps
    assert first.call is not None
    assert [t.name for t in first.call.tools] == ["lookup_population"]
    assert first.tool_calls[0].arguments == '{"city": "Paris"}'
    assert (tool.output, tool.started, tool.ended) == ("POP: 2,102,650", 1795342050.346289, 1795342050.349314)
    assert fact.call is not None
    assert fact.call.params["previous_response_id"] == "resp_22421baa31494ea69c620d857a639e88"
    assert [m.role for m in fact.call.messages] == ["system", "tool"]
    assert fact.usage is not None
    assert (fact.usage.input_tokens, fact.usage.output_tokens) == (10, 5)


def test_pydantic_ai(logs: Path, told: Told) -> None:
    """A tool that asks another agent comes after that agent's steps; the agent's first step read the call."""
    trace = import_log(logs / "otel_genai" / "pydantic_ai_spans.jsonl")
    assert told(trace) == [
        "0 Supervisor llm, calls ask_researcher",
        "1 Researcher llm, calls lookup_population, reads 0 by tool call",
        "2 lookup_population tool, reads 1 by tool call",
        "3 Researcher llm, continues 1, reads 2 by tool call",
        "4 ask_researcher tool, reads 0 by tool call, reads 3 by verbatim",
        "5 Supervisor llm, calls ask_writer, continues 0, reads 4 by tool call",
        "6 Writer llm, reads 0 by tool call, reads 4 by verbatim, reads 5 by tool call",
        "7 ask_writer tool, reads 5 by tool call, reads 6 by verbatim",
        "8 Supervisor llm, continues 5, reads 7 by tool call",
    ]
    assert [a.name for a in trace.agents if a.kind == "llm"] == ["Supervisor", "Researcher", "Writer"]
    assert trace.fidelity == "messages"


def test_autogen(logs: Path, told: Told) -> None:
    """AutoGen's spans hold no inputs, but what its agents sent each other."""
    trace = import_log(logs / "otel_genai" / "autogen_spans.jsonl")
    assert told(trace) == [
        "0 user human",
        "1 Researcher llm, calls lookup_population, reads 0 by broadcast",
        "2 lookup_population tool, reads 1 by tool call",
        "3 Researcher llm, continues 1, reads 2 by tool call",
        "4 Writer llm, reads 0 by broadcast, reads 3 by broadcast",
        "5 Reviewer llm, reads 0 by broadcast, reads 3 by broadcast, reads 4 by broadcast",
    ]
    assert (trace.fidelity, trace.source.format) == ("transcript", "otel-genai")
    assert trace.agent("Writer").description == "An agent that provides assistance with ability to use tools."


def _span(number: int, name: str, attributes: Mapping[str, object], events: Sequence[object] = ()) -> str:
    context = {"trace_id": "0x1", "span_id": f"0x{number}"}
    times = {"start_time": f"2026-01-31T12:00:0{number}Z", "end_time": f"2026-01-31T12:00:0{number}.5Z"}
    span = {
        "name": name,
        "context": context,
        "parent_id": None,
        "attributes": attributes,
        "events": list(events),
    }
    return json.dumps({**span, **times, "status": {"status_code": "UNSET"}})


OLD = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def test_the_old_events_one_for_each_message(told: Told) -> None:
    call = {"id": "c1", "function": {"name": "look", "arguments": "{}"}}
    asked = {"name": "gen_ai.user.message", "attributes": {"content": "Look."}}
    chose = {"name": "gen_ai.choice", "attributes": {"message": json.dumps({"tool_calls": [call]})}}
    tried = {"name": "gen_ai.assistant.message", "attributes": {"tool_calls": json.dumps([call])}}
    found = {"name": "gen_ai.tool.message", "attributes": {"content": "seen", "id": "c1"}}
    said = {
        "name": "gen_ai.choice",
        "attributes": {"gen_ai.event.content": '{"message": {"content": "I saw."}}'},
    }
    usage = {"gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 2}
    text = "\n".join(
        (
            _span(1, "chat", OLD, (asked, chose)),
            _span(2, "execute_tool look", {"gen_ai.tool.name": "look", "gen_ai.tool.call.id": "c1"}),
            _span(3, "chat", {**OLD, **usage, "gen_ai.request.temperature": 0.5}, (asked, tried, found, said)),
        )
    )
    assert otel_genai.sniff(text)
    trace = otel_genai.load(text, name="spans.jsonl")
    assert told(trace) == [
        "0 agent llm, calls look",
        "1 look tool, reads 0 by tool call",
        "2 agent llm, continues 0, reads 1 by tool call",
    ]
    last = trace.steps[2]
    assert (trace.steps[1].output, last.output) == ("seen", "I saw.")
    assert last.call is not None
    assert (last.call.model, dict(last.call.params)) == ("openai:gpt-4o", {"temperature": 0.5})
    assert last.usage is not None
    assert last.usage.input_tokens == 7


def test_numbered_attributes(told: Told) -> None:
    attributes = {
        **OLD,
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Look.",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "I saw.",
        "error.type": "Timeout",
    }
    trace = otel_genai.load(_span(1, "chat", attributes), name="spans.jsonl")
    assert told(trace) == ["0 agent llm"]
    assert (trace.task, trace.steps[0].output, trace.steps[0].error) == ("Look.", "I saw.", "Timeout")


def test_otlp() -> None:
    """The collector's JSON: typed attribute values, nanoseconds, a status with a code."""
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "I saw."}]}])
    attributes = [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
        {
            "key": "gen_ai.request.stop_sequences",
            "value": {"arrayValue": {"values": [{"stringValue": "END"}]}},
        },
        {"key": "gen_ai.input.messages", "value": {"stringValue": '[{"role": "user", "content": "Look."}]'}},
        {"key": "gen_ai.output.messages", "value": {"stringValue": said}},
    ]
    span = {"traceId": "a", "spanId": "b", "name": "chat", "attributes": attributes}
    times = {"startTimeUnixNano": "1769860800500000000", "endTimeUnixNano": 1769860801000000000}
    spans = [{**span, **times, "status": {"code": 2, "message": "cut off"}}]
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    assert otel_genai.sniff(text)
    step = otel_genai.load(text, name="traces.json").steps[0]
    assert (step.output, step.started, step.ended, step.error) == (
        "I saw.",
        1769860800.5,
        1769860801.0,
        "cut off",
    )
    assert step.call is not None
    assert dict(step.call.params) == {"stop": ["END"]}


def test_two_traces_are_two_runs() -> None:
    text = _span(1, "chat", OLD) + "\n" + _span(2, "chat", OLD).replace('"0x1"', '"0x9"')
    with pytest.raises(LogFormatError, match="holds 2 runs"):
        otel_genai.load(text, name="spans.jsonl")
    assert list(otel_genai.runs(text, name="spans.jsonl")) == ["0x1", "0x9"]


def test_a_call_that_two_instrumentations_recorded_is_one_step(told: Told) -> None:
    """A framework's span around the client's: the one that knows what was asked stays."""
    asked = {"gen_ai.input.messages": '[{"role": "user", "content": "Look."}]'}
    said = {"gen_ai.output.messages": '[{"role": "assistant", "content": "I saw."}]'}
    inner = _span(2, "chat", {**OLD, **asked, **said}).replace('"parent_id": null', '"parent_id": "0x1"')
    for outer in ({**OLD, **said}, {**OLD, **asked, **said}):
        trace = otel_genai.load(_span(1, "chat", outer) + inner, name="spans.jsonl")
        assert told(trace) == ["0 agent llm"]
        assert (trace.fidelity, trace.steps[0].output) == ("messages", "I saw.")
