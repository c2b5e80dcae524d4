"""LangSmith's runs: agents by LangChain's name or the graph's node, the input of each model call."""

import json
from collections.abc import Callable
from pathlib import Path

from butfor.replay.importers import import_log, langsmith
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


def test_a_graph_with_shared_history(logs: Path, told: Told) -> None:
    trace = import_log(logs / "langsmith" / "runs.jsonl")
    assert told(trace) == [
        "0 researcher llm, calls lookup_population",
        "1 lookup_population tool, reads 0 by tool call",
        "2 researcher llm, continues 0, reads 1 by tool call",
        "3 writer llm, reads 0 by tool call, reads 1 by tool call, reads 2 by verbatim",
    ]
    assert trace.task == "What is the population of Paris?"
    assert trace.fidelity == "messages"
    assert [(a.name, a.kind, a.model, a.system_prompt) for a in trace.agents] == [
        ("researcher", "llm", "openai:gpt-4o-mini", "AGENT=Researcher. Look up."),
        ("lookup_population", "tool", None, None),
        ("writer", "llm", "openai:gpt-4o-mini", "AGENT=Writer."),
    ]
    first, tool, fact, _ = trace.steps
    assert first.call is not None
    assert [t.name for t in first.call.tools] == ["lookup_population"]
    assert dict(first.call.params) == {"stream": False}
    assert first.tool_calls[0].arguments == '{"city": "Paris"}'
    assert tool.output == "POP: 2,102,650"
    assert fact.usage is not None
    assert (fact.usage.input_tokens, fact.started) == (10, 1795343422.476037)


def test_an_exported_tree_with_a_wrapped_client_and_log_probabilities(told: Told) -> None:
    """Runs nested in each other, an API's own messages, an error, and log-probabilities."""
    probable = {"content": [{"token": "Hi", "logprob": -0.5}]}
    message = {"data": {"type": "ai", "content": "Hi"}, "type": "ai"}
    generation = {"message": message, "generation_info": {"logprobs": probable}}
    asked = {"messages": [{"role": "user", "content": "Hello."}], "model": "gpt-4o"}
    model = {"id": "2", "run_type": "llm", "name": "openai", "inputs": asked, "parent_run_id": "1"}
    model["outputs"] = {"generations": [[generation]]}
    failed = {
        "id": "3",
        "run_type": "llm",
        "name": "openai",
        "inputs": asked,
        "outputs": None,
        "error": "429",
    }
    root = {"id": "1", "run_type": "chain", "name": "Greeter", "inputs": {}, "child_runs": [model, failed]}
    text = json.dumps(root)
    assert langsmith.sniff(text)
    trace = langsmith.load(text, name="run.json")
    assert told(trace) == ["0 Greeter llm", "1 openai llm"]
    assert trace.steps[0].logprobs == (("Hi", -0.5),)
    assert trace.steps[1].error == "429"
