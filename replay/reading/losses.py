"""An import that lost what a log says is refused: steps without a word, and words that no step holds."""

import json
from collections.abc import Iterable, Iterator

from butfor.cache.errors import LogFormatError
from butfor.replay.text import excerpt
from butfor.replay.trace import Step, Trace

from .fields import Field, parse_records

_FEWEST = 2
"""So many empty steps are no accident."""

_SAYING = frozenset(
    {
        "content",
        "text",
        "value",
        "output",
        "outputs",
        "response",
        "completion",
        "answer",
        "reply",
        "message",
        "result",
        "parts",
        "output_text",
        "generated_text",
        "said",
    }
)
_SHORTEST = 3
_DEEPEST = 60


def is_empty(step: Step) -> bool:
    """Whether a model's step says nothing, calls nothing and did not fail."""
    return step.kind == "llm" and not step.output.strip() and not step.tool_calls and not step.error


def suspicious(trace: Trace) -> bool:
    """Whether most of a run's model steps are empty."""
    asked = sum(step.kind == "llm" for step in trace.steps)
    empty = sum(is_empty(step) for step in trace.steps)
    return empty >= _FEWEST and empty * 2 > asked


def refuse_losses(trace: Trace, text: str, *, name: str, others: Iterable[Trace] = ()) -> None:
    """Refuse a run whose model steps are mostly empty, while the log has texts that no step of it holds.

    `others` are the other runs of the same file.

    Raises:
        LogFormatError: content was lost; the message names the field.
    """
    if not suspicious(trace) or text.lstrip()[:1] not in ("{", "["):
        return
    kept = "\n".join(found.to_json() for found in (trace, *others))
    lost = [found for record in parse_records(text, name=name) for found in _texts(record) if not _kept(found, kept)]
    if not lost:
        return
    asked, empty = sum(s.kind == "llm" for s in trace.steps), sum(is_empty(s) for s in trace.steps)
    raise LogFormatError(
        f"{name}: read as {trace.source.format}, {empty} of {asked} model steps are empty, and {len(lost)} texts of "
        f"the log are in none: {lost[0].where} is {excerpt(lost[0].text(), limit=60)!r}; that field was not read, "
        "so convert the log to a list of messages with role, name and content"
    )


def _kept(found: Field, kept: str) -> bool:
    return json.dumps(found.text().strip(), ensure_ascii=False)[1:-1] in kept


def _texts(field: Field, key: str = "", depth: int = 0) -> Iterator[Field]:
    """The texts of a record that somebody may have said, thoughts left out."""
    field = field.parsed()
    if depth > _DEEPEST:
        return
    if field.is_text:
        if key in _SAYING and len(field.text().strip()) >= _SHORTEST:
            yield field
    elif field.is_list:
        for item in field.items():
            yield from _texts(item, key, depth + 1)
    elif field.is_object:
        values = field.fields()
        kind = values.get("type")
        if "thought" in values or (kind is not None and kind.value in ("thinking", "reasoning")):
            return
        for name, value in values.items():
            yield from _texts(value, name, depth + 1)
