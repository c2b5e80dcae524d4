"""pydantic-ai's message history: everything before a response is its input."""

from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_message_history(logs: Path, told: Told) -> None:
    trace = import_log(logs / "pydantic_ai" / "messages.json")
    assert told(trace) == [
        "0 agent llm, calls ask_researcher",
        "1 ask_researcher tool, reads 0 by tool call",
        "2 agent llm, calls ask_writer, continues 0, reads 1 by tool call",
        "3 ask_writer tool, reads 2 by tool call",
        "4 agent llm, continues 2, reads 3 by tool call",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model, a.system_prompt) for a in trace.agents] == [
        ("agent", "llm", "openai:gpt-4o-mini", "AGENT=Supervisor."),
        ("ask_researcher", "tool", None, None),
        ("ask_writer", "tool", None, None),
    ]
    last = trace.steps[4]
    assert last.call is not None
    roles = [m.role for m in last.call.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert trace.steps[0].tool_calls[0].arguments == '{"input": "population of Paris?"}'
    assert last.usage is not None
    assert (last.usage.input_tokens, last.ended) == (10, 1795342000.04151)
