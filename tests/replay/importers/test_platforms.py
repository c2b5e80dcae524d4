"""Sessions and events of platforms for agents: authors, tools, edges, tasks and how they end."""

from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_adk_session(logs: Path, told: Told) -> None:
    trace = import_log(logs / "adk" / "session.json")
    assert trace.source.format == "adk"
    assert told(trace) == [
        "0 user human",
        "1 router llm, calls transfer_to_agent, reads 0 by broadcast",
        "2 transfer_to_agent tool, reads 1 by tool call",
        "3 ferries llm, calls timetable, reads 0 by broadcast, reads 1 by broadcast, reads 2 by broadcast",
        "4 timetable tool, reads 3 by tool call",
        "5 ferries llm, continues 3, reads 4 by tool call",
        "6 ferries llm, continues 5",
    ]
    assert (trace.task, trace.fidelity, trace.outcome) == ("When does the ferry leave?", "transcript", None)
    assert [step.error for step in trace.steps[4:]] == ["no timetable for Sunday", None, "bad call"]
    assert trace.steps[3].tool_calls[0].arguments == '{"day": "Sunday"}'
    assert trace.steps[5].output == "It leaves at 9."
    assert trace.steps[1].usage is not None
    assert (trace.steps[1].usage.input_tokens, trace.steps[1].started) == (20, 1769860801.5)


def test_crewai_events_without_numbers(logs: Path, told: Told) -> None:
    trace = import_log(logs / "crewai_events" / "events.json")
    assert trace.source.format == "crewai-events"
    assert told(trace)[:3] == [
        "0 Guide llm",
        "1 book tool, reads 0 by order",
        "2 Guide llm, reads 1 by verbatim",
    ]
    assert (trace.task, trace.fidelity) == ("Find the height of the tower in Ulm.", "messages")
    assert trace.agent("Guide").system_prompt == "You are Guide."
    assert (trace.steps[1].output, trace.steps[2].error) == ("161.53 metres high", "context too long")
    assert trace.outcome is not None
    assert (trace.outcome.success, trace.outcome.explanation) == (False, "context too long")


def test_ui_messages(logs: Path, told: Told) -> None:
    trace = import_log(logs / "ui_messages" / "chat.json")
    assert trace.source.format == "ui-messages"
    assert told(trace) == [
        "0 user human",
        "1 assistant llm, calls forecast, calls radar, reads 0 by addressee",
        "2 forecast tool, reads 1 by tool call",
        "3 radar tool, reads 1 by tool call",
        "4 assistant llm, continues 1, reads 2 by tool call, reads 3 by tool call",
    ]
    assert (trace.task, trace.fidelity) == ("Will it rain in Kiel?", "transcript")
    assert [(s.output, s.error) for s in trace.steps[1:]] == [
        ("Checking.", None),
        ('{"rain": true}', None),
        ("radar is down", "radar is down"),
        ("Yes, it will rain.", None),
    ]
