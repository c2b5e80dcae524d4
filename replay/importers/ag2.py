"""AG2: the history events of an agent (1.x, one a line), and the messages of a classic group chat.

A history is one agent's: what it was asked, its answers, and what its tools returned; its events were
written with `str`, and so hold Python's spelling of values. In a group chat everybody hears everything.
"""

import ast
import re
from collections.abc import Mapping

from butfor.cache.call import ToolCall, Usage
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import question_to_tool
from butfor.replay.reading.sniffing import all_named, keys
from butfor.replay.trace import Agent, Step, Trace

from .plain_chat import conversation

FORMAT = "ag2"
_AGENT = "agent"
_STRING = r"""('(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+")"""
_TEXT = re.compile(rf"(?:content|text)={_STRING}", re.DOTALL)
_CALL = re.compile(rf"ToolCallEvent\(id=([^,\s]{{1,200}}), name='([^']{{0,200}})', arguments={_STRING}", re.DOTALL)
_COUNT = re.compile(r"(prompt|completion)_tokens=(\d{1,15})\b")


def sniff(head: str) -> bool:
    """Events by their class; a group chat's list by the name that each of its messages has."""
    found = keys(head)
    if "cls" in found:
        return True
    return all_named(head) and "content" in found and "type" not in found


def load(text: str, *, name: str) -> Trace:
    """The trace in a history of events or a group chat.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    records = parse_records(text, name=name)
    if records and records[0].is_object and records[0].get("cls") is not None:
        return _from_events(records, name)
    trace = conversation(records, format=FORMAT, name=name)
    stop = "TERMINATE" if "TERMINATE" in trace.steps[-1].output else None
    return trace.model_copy(update={"team": trace.team.model_copy(update={"selector": "chat", "stop_word": stop})})


def _from_events(events: list[Field], name: str) -> Trace:
    steps: list[Step] = []
    asked: dict[str, ToolCall] = {}
    model: str | None = None
    for event in events:
        kind = event.text("cls")
        if kind == "ModelRequest":
            steps.append(_said(event, "user", _text(event.get("parts"))))
        elif kind == "ModelResponse":
            step = _answer(event)
            asked.update({call.id: call for call in step.tool_calls})
            steps.append(step)
            model = model or _model(event)
        elif kind in ("ToolResultEvent", "ToolErrorEvent"):
            steps.append(_result(event, asked, failed=kind == "ToolErrorEvent"))
    return assemble(steps, format=FORMAT, name=name, agents=[Agent(name=_AGENT, model=model)])


def _said(event: Field, agent: str, text: str) -> Step:
    return Step(index=0, agent=agent, kind="human", output=text, ended=_time(event))


def _answer(event: Field) -> Step:
    return Step(
        index=0,
        agent=_AGENT,
        output=_text(event.get("message")),
        tool_calls=_calls(event.get("tool_calls")),
        usage=_usage(event.get("usage")),
        ended=_time(event),
    )


def _result(event: Field, asked: Mapping[str, ToolCall], *, failed: bool) -> Step:
    call = asked.get(event.text("parent_id"))
    named = event.maybe_text("name") or (call.name if call else "tool")
    text = _text(event.get("result") or event.get("content"))
    error = event.maybe_text("error") or (text or "error" if failed else None)
    return Step(
        index=0,
        agent=named,
        kind="tool",
        output=text,
        audience=(_AGENT,),
        call=question_to_tool(call) if call else None,
        error=error,
        ended=_time(event),
    )


def _model(event: Field) -> str | None:
    provider, model = event.maybe_text("provider"), event.maybe_text("model")
    return f"{provider}:{model}" if provider and model else model


def _time(event: Field) -> float | None:
    found = event.get("created_at")
    if found is not None and found.is_text and re.fullmatch(r"\d{1,12}(?:\.\d{1,9})?", found.text()):
        return float(found.text())
    return event.time("created_at")


def _text(field: Field | None) -> str:
    """The texts in Python's spelling of parts or of a message, joined."""
    if field is None or field.text() == "None":
        return ""
    return "\n".join(_literal(found) for found in _TEXT.findall(field.text()))


def _calls(field: Field | None) -> tuple[ToolCall, ...]:
    found = _CALL.findall(field.text()) if field is not None else []
    return tuple(ToolCall(id=i.strip("'\""), name=named, arguments=_literal(given)) for i, named, given in found)


def _usage(field: Field | None) -> Usage | None:
    counts = dict(_COUNT.findall(field.text())) if field is not None else {}
    if not counts:
        return None
    return Usage(input_tokens=int(counts.get("prompt", 0)), output_tokens=int(counts.get("completion", 0)))


def _literal(text: str) -> str:
    """The text that a Python string stands for."""
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError):
        return text[1:-1]
