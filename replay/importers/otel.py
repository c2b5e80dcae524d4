"""OpenTelemetry spans as files hold them: the SDK's own JSON, one span after another, and OTLP's JSON."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import plain
from butfor.replay.reading.sniffing import keys

_INDEXED = re.compile(r"(\d{1,6})\.(.+)")


_OPENINFERENCE = re.compile(
    r'"(?:openinference\.span\.kind|llm\.(?:(?:in|out)put_messages|model_name)|(?:in|out)put\.(?:value|mime_type))'
)


class OtelSpan(NamedTuple):
    """A span with its attributes as plain values."""

    trace: str
    id: str
    parent: str | None
    name: str
    started: float | None
    ended: float | None
    attributes: Field
    events: Sequence[tuple[str, Field]]
    error: str | None

    def text(self, *keys: str) -> str | None:
        """The first of these attributes that there is, as text."""
        return next((plain(found) for key in keys if (found := self.attributes.get(key)) is not None), None)

    def parsed(self, *keys: str) -> Field | None:
        """The first of these attributes that there is, read as JSON where it is JSON text."""
        found = next((found for key in keys if (found := self.attributes.get(key)) is not None), None)
        return found and found.parsed()


def begins_with_spans(head: str, *, openinference: bool) -> bool:
    """Whether a log begins with spans, and whether OpenInference's attributes are among theirs, as is asked."""
    found = keys(head).keys()
    spans = "context/span_id" in found or "resourceSpans" in found or {"span_id", "attributes"} <= found
    return spans and (_OPENINFERENCE.search(head) is not None) == openinference


def read_spans(text: str, *, name: str) -> dict[str, list[OtelSpan]]:
    """The spans in a file by the trace they belong to, in the file's order.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    traces: dict[str, list[OtelSpan]] = {}
    for record in parse_records(text, name=name):
        for span in _spans(record):
            traces.setdefault(span.trace, []).append(span)
    return traces


def indexed(attributes: Mapping[str, Field], prefix: str) -> list[dict[str, Field]]:
    """The attributes `PREFIX.0.a`, `PREFIX.1.a` … as a list of `{a: …}`, in the order of their numbers."""
    found: dict[int, dict[str, Field]] = {}
    for key, value in attributes.items():
        match = _INDEXED.fullmatch(key, len(prefix) + 1) if key.startswith(f"{prefix}.") else None
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[number] for number in sorted(found)]


def _spans(record: Field) -> list[OtelSpan]:
    resources = record.get("resourceSpans") or record.get("resource_spans")
    if resources is None:
        return [_sdk_span(record)]
    return [
        _otlp_span(span)
        for resource in resources.items()
        for key in ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
        for scope in resource.listed(key)
        for span in scope.listed("spans")
    ]


def _sdk_span(record: Field) -> OtelSpan:
    context = record.get("context") or record
    status = record.get("status")
    named = status and (status.maybe_text("status_code") if status.is_object else plain(status))
    described = status.maybe_text("description") if status is not None and status.is_object else None
    attributes = record.get("attributes") or Field({}, record.name, "attributes")
    events = [(event.text("name"), _attributes(event)) for event in record.listed("events")]
    return OtelSpan(
        trace=context.text("trace_id"),
        id=context.text("span_id"),
        parent=record.maybe_text("parent_id") or record.maybe_text("parent_span_id"),
        name=record.text("name"),
        started=record.time("start_time"),
        ended=record.time("end_time"),
        attributes=attributes,
        events=events,
        error=_error(attributes, events, failed=(named or "").endswith("ERROR"), described=described),
    )


def _attributes(event: Field) -> Field:
    return event.get("attributes") or Field({}, event.name, event.path)


def _otlp_span(span: Field) -> OtelSpan:
    attributes = _otlp_attributes(span)
    events = [(event.text("name"), _otlp_attributes(event)) for event in span.listed("events")]
    code = span.dig("status", "code")
    described = span.dig("status", "message")
    return OtelSpan(
        trace=span.text("traceId"),
        id=span.text("spanId"),
        parent=span.maybe_text("parentSpanId") or None,
        name=span.text("name"),
        started=_nanoseconds(span.get("startTimeUnixNano")),
        ended=_nanoseconds(span.get("endTimeUnixNano")),
        attributes=attributes,
        events=events,
        error=_error(
            attributes,
            events,
            failed=code is not None and code.value in (2, "STATUS_CODE_ERROR"),
            described=None if described is None else plain(described),
        ),
    )


def _otlp_attributes(field: Field) -> Field:
    found = {item.text("key"): _otlp_value(item.need("value")) for item in field.listed("attributes")}
    return Field(found, field.name, f"{field.path}.attributes")


def _otlp_value(field: Field) -> object:
    for kind, found in field.fields().items():
        if kind == "intValue" and found.is_text:
            return int(found.text()) if re.fullmatch(r"-?\d{1,19}", found.text()) else found.text()
        if kind == "arrayValue":
            return [_otlp_value(item) for item in found.listed("values")]
        if kind == "kvlistValue":
            return {item.text("key"): _otlp_value(item.need("value")) for item in found.listed("values")}
        return found.value
    return None


def _nanoseconds(field: Field | None) -> float | None:
    if field is None:
        return None
    digits = str(field.value) if isinstance(field.value, int | str) else ""
    if not re.fullmatch(r"\d{1,19}", digits):
        raise field.wrong("a time in nanoseconds since the epoch")
    return int(digits) / 1e9


def _error(
    attributes: Field, events: Sequence[tuple[str, Field]], *, failed: bool, described: str | None
) -> str | None:
    thrown = next((event for name, event in events if name == "exception"), None)
    message = thrown and thrown.get("exception.message")
    kind = attributes.get("error.type") or (thrown and thrown.get("exception.type"))
    if not failed and kind is None and message is None:
        return None
    parts = [plain(part) for part in (kind, message) if part is not None]
    return ": ".join(parts) or described or "error"
