"""AG2: one agent's history of events, and a classic group chat by name."""

from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_history_events(logs: Path, told: Told) -> None:
    trace = import_log(logs / "ag2" / "history_events.jsonl")
    assert told(trace) == [
        "0 user human",
        "1 agent llm, calls ask_researcher, reads 0 by broadcast",
        "2 ask_researcher tool, reads 1 by tool call",
        "3 agent llm, calls ask_writer, continues 1, reads 2 by tool call",
        "4 ask_writer tool, reads 3 by tool call",
        "5 agent llm, continues 3, reads 4 by tool call",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "transcript"
    assert [(a.name, a.kind, a.model) for a in trace.agents] == [
        ("user", "human", None),
        ("agent", "llm", "openai:gpt-4o-mini"),
        ("ask_researcher", "tool", None),
        ("ask_writer", "tool", None),
    ]
    call = trace.steps[1].tool_calls[0]
    assert (call.id, call.arguments) == ("call_0fe93355e322422f9fb59d6f", '{"input": "population of Paris?"}')
    assert trace.steps[2].output == "FACT: population=3,000,000 [761f]"
    assert trace.steps[5].output == "FINAL ANSWER: 3,000,000 TERMINATE [694b]"
    assert trace.steps[5].usage is not None
    assert (trace.steps[5].usage.input_tokens, trace.steps[5].ended) == (10, 1795342097.1607356)


def test_a_group_chat(logs: Path, told: Told) -> None:
    trace = import_log(logs / "ag2" / "group_chat.json")
    heard = "reads 0 by broadcast, reads 1 by broadcast, reads 2 by broadcast, reads 3 by broadcast"
    assert told(trace) == [
        "0 user human",
        "1 Researcher llm, calls lookup_population, reads 0 by broadcast",
        "2 lookup_population tool, reads 1 by tool call",
        "3 Researcher llm, continues 1, reads 2 by tool call",
        f"4 Writer llm, {heard}",
        f"5 Reviewer llm, {heard}, reads 4 by broadcast",
    ]
    assert (trace.team.selector, trace.team.stop_word) == ("chat", "TERMINATE")
