"""Damaged logs of every format end in `LogFormatError`, and nothing else; what is read survives writing."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import IMPORTERS, read_text
from butfor.replay.reading.several import ManyRuns
from butfor.replay.trace import Trace, read_trace

LOGS = Path(__file__).parents[2] / "logs"
FOLDERS = {
    "ag2": "ag2",
    "autogen": "autogen",
    "crewai": "crewai",
    "inspect": "inspect",
    "langfuse": "langfuse",
    "langgraph": "langgraph",
    "langsmith": "langsmith",
    "mast": "mast",
    "openai_agents": "openai-agents",
    "openinference": "openinference",
    "otel_genai": "otel-genai",
    "plain_chat": "plain-chat",
    "pydantic_ai": "pydantic-ai",
    "smolagents": "smolagents",
}
WHO_AND_WHEN = json.dumps(
    {
        "question": "What is 2 + 2?",
        "ground_truth": "4",
        "history": [
            {"content": "Ask the terminal.", "role": "assistant", "name": "Planner"},
            {"content": "exitcode: 1", "role": "user", "name": "Computer_terminal"},
        ],
        "mistake_agent": "Planner",
        "mistake_step": "0",
    }
)
NATIVE = json.dumps(
    {
        "version": 1,
        "task": "?",
        "agents": [{"name": "a"}],
        "steps": [{"index": 0, "agent": "a", "output": "x", "usage": {"input_tokens": 1}, "started": 1.5}],
        "fidelity": "transcript",
        "source": {"format": "butfor"},
    }
)
SAMPLES: list[tuple[str, str]] = [("who-and-when", WHO_AND_WHEN), ("butfor", NATIVE)]
for folder, form in FOLDERS.items():
    for file in sorted((LOGS / folder).iterdir()):
        try:
            SAMPLES.append((form, read_text(file)))
        except LogFormatError:  # an archive that this installation cannot unpack
            continue

every_sample = pytest.mark.parametrize(
    ("form", "text"), SAMPLES, ids=[f"{number}-{sample[0]}" for number, sample in enumerate(SAMPLES)]
)
HOSTILE: list[object] = [
    *(None, True, -1, 0, 1.5, 10**30, -(10**400), 1e308),
    *("", " ", "x" * 300, "\0", "\ud800", "\u202e", "[{", '{"a": 1}', "None", "9" * 400, "0x1", "tool"),
    *([], {}, [None], [[]], [{}], {"": None}, {"role": "x"}, {"type": []}, ["a", "b"]),
]
GARBAGE = [
    *("\0", "{", "}", "]", '"', ",", "\\", "\n", "/*", "\ufeff"),
    *("NaN", "-Infinity", "1e999", "[" * 2000, "\\ud800"),
]


def _damaged(draw: st.DrawFn, text: str) -> str:
    """A log with some of its JSON values deleted, doubled or replaced, or with its text cut or spoilt."""
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        spoilt = text[:at] + draw(st.sampled_from(GARBAGE)) + text[at + draw(st.integers(0, 9)) :]
        return draw(st.sampled_from([text[:at], spoilt]))
    try:
        documents = [json.loads(text)]
    except ValueError:
        documents = [json.loads(line) for line in text.splitlines()] if text.startswith("{") else [text]
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(documents))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        if draw(st.booleans()):
            holder[key] = deepcopy(draw(st.sampled_from(HOSTILE)))
        elif isinstance(holder, list) and draw(st.booleans()):
            holder.insert(key, holder[key])
        else:
            del holder[key]
            documents = documents or [None]
    lines = [_nested(json.dumps(document)) for document in documents]
    return "\n".join(lines)


def _nested(text: str) -> str:
    return text.replace('"[{"', "[" * 150 + "]" * 150)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, below in pairs:
            yield holder, key
            if isinstance(below, dict | list):
                waiting.append(below)


def _load(form: str, text: str) -> list[Trace]:
    importer = IMPORTERS[form]
    importer.sniff(text[:65_536])
    if not isinstance(importer, ManyRuns):
        return [importer.load(text, name="a.log")]
    return [trace for run in importer.runs(text, name="a.log").values() if (trace := _one(run))]


def _refused(error: LogFormatError) -> None:
    assert str(error).startswith("a.log")


def _one(run: Callable[[], Trace]) -> Trace | None:
    try:
        return run()
    except LogFormatError as error:
        _refused(error)
        return None


@every_sample
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_log_is_read_or_refused(form: str, text: str, data: st.DataObject) -> None:
    _read_or_refuse(form, text, data)


@pytest.mark.slow
@every_sample
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_log_is_read_or_refused_at_length(form: str, text: str, data: st.DataObject) -> None:
    _read_or_refuse(form, text, data)


def _read_or_refuse(form: str, text: str, data: st.DataObject) -> None:
    damaged = data.draw(st.composite(_damaged)(text))
    try:
        traces = _load(form, damaged)
    except LogFormatError as error:
        _refused(error)
        return
    for trace in traces:
        assert read_trace(trace.to_json()) == trace


@every_sample
def test_a_whole_log_survives_writing(form: str, text: str) -> None:
    for trace in _load(form, text):
        assert read_trace(trace.to_json()) == trace
