"""What is said of a file that no importer knows: what was seen, the nearest format, and what to convert it to."""

from collections.abc import Iterable

from butfor.cache.errors import UnknownFormat
from butfor.replay.text import excerpt

from .fields import Field, parse_records
from .sniffing import keys

_SHOWN = 8
_SHAPE = '[{"role": "user", "content": "…"}, {"role": "assistant", "name": "Planner", "content": "…"}]'
_TELLING: dict[str, tuple[str, ...]] = {
    "langfuse": ("id", "traceId", "parentObservationId", "type", "input", "output"),
    "langsmith": ("id", "trace_id", "parent_run_id", "run_type", "inputs", "outputs"),
    "openinference": ("context", "parent_id", "attributes", "start_time", "end_time", "span_id"),
    "otel-genai": ("resourceSpans", "traceId", "spanId", "attributes", "name"),
    "crewai": ("type", "timestamp", "event_id", "emission_sequence"),
    "autogen": ("source", "content", "models_usage", "type"),
    "ag2": ("name", "role", "content"),
    "who-and-when": ("history", "question", "ground_truth", "mistake_step", "mistake_agent"),
    "mast": ("mas_name", "trace", "trace_id"),
    "inspect": ("eval", "samples", "status"),
    "langgraph": ("ns", "mode", "data", "values", "metadata"),
    "openai-agents": ("object", "trace_id", "span_data", "parent_id"),
    "pydantic-ai": ("kind", "parts"),
    "smolagents": ("step_number", "model_output", "observations", "tool_calls"),
    "plain-chat": ("role", "content", "messages"),
}
"""The keys of each format's records that tell it."""


def refusal(text: str, *, name: str, formats: Iterable[str]) -> UnknownFormat:
    """The error for a file that no importer knows.

    Raises:
        LogFormatError: it begins like JSON, and is none.
    """
    seen, found = _seen(text, name)
    near = _nearest(found)
    return UnknownFormat(
        f"{name}: not a log that butfor knows: it holds {seen}.{near} Name its format with format= "
        f"({', '.join(formats)}), or write the run as a list of messages: {_SHAPE}"
    )


def _seen(text: str, name: str) -> tuple[str, frozenset[str]]:
    if text.lstrip()[:1] not in ("{", "["):
        line = excerpt(text.strip().partition("\n")[0], limit=60)
        return f"text, {len(text.strip().splitlines())} lines that begin with {line!r}", frozenset()
    records = parse_records(text, name=name)
    objects = [record for record in records if record.is_object]
    if not objects:
        return f"{len(records)} values and no object", frozenset()
    found = frozenset(key for record in objects[:_SHOWN] for key in record.fields())
    return f"{_counted(len(records))} with the keys {_named(objects)}", found | frozenset(keys(text[:65_536]))


def _counted(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"


def _named(objects: list[Field]) -> str:
    found = list(dict.fromkeys(key for record in objects[:_SHOWN] for key in record.fields()))
    shown = ", ".join(excerpt(key, limit=40) for key in found[:_SHOWN])
    return (shown or "none") + (", …" if len(found) > _SHOWN else "")


def _nearest(found: frozenset[str]) -> str:
    """The format that has most of its keys in the file, and the ones it misses."""
    best = max(_TELLING, key=lambda known: len(found & set(_TELLING[known])) / len(_TELLING[known]))
    missing = [key for key in _TELLING[best] if key not in found]
    if len(missing) == len(_TELLING[best]):
        return ""
    lacking = f", without {', '.join(missing)}" if missing else ""
    return f" The nearest format is {best}{lacking}."
