"""Google ADK's sessions and the events that its server returns: Gemini contents, each with its author.

The agents of a session share it: whatever one does, the others are told.
"""

from collections.abc import Sequence

from butfor.cache.call import ToolCall, Usage
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, plain, question_to_tool
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Step, Trace

FORMAT = "adk"
_PERSON = "user"


def sniff(head: str) -> bool:
    """Events with an `author`, and an `invocationId` or a `content` in parts."""
    found = keys(head).keys()
    return any(
        f"{at}author" in found and ({f"{at}invocationId", f"{at}invocation_id", f"{at}content/parts"} & found)
        for at in ("", "events/")
    )


def load(text: str, *, name: str) -> Trace:
    """The trace of a session.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    records = parse_records(text, name=name)
    events = [one for record in records for one in record.listed("events") or [record]]
    steps: list[Step] = []
    asked: dict[str, ToolCall] = {}
    for event in events:
        partial = event.get("partial")
        if event.maybe_text("author") is not None and (partial is None or partial.value is not True):
            found = _steps(event, asked)
            asked.update({call.id: call for step in found for call in step.tool_calls if call.id})
            steps.extend(found)
    return assemble(steps, format=FORMAT, name=name)


def _steps(event: Field, asked: dict[str, ToolCall]) -> list[Step]:
    content = event.get("content")
    parts = content.listed("parts") if content is not None else []
    author, when = event.text("author"), event.time("timestamp")
    error = _either(event, "errorMessage", "error_message") or _either(event, "errorCode", "error_code")
    results = [found for part in parts if (found := _one(part, "functionResponse", "function_response"))]
    steps = [_result(result, asked, when) for result in results]
    calls = [_call(found) for part in parts if (found := _one(part, "functionCall", "function_call"))]
    said = "\n".join(text for part in parts if (text := _said(part)))
    if said or calls or (error and not steps):
        kind = "human" if author == _PERSON else "llm"
        steps.append(
            Step(
                index=0,
                agent=author,
                kind="human" if kind == "human" else "llm",
                output=said,
                tool_calls=tuple(calls),
                usage=_usage(_one(event, "usageMetadata", "usage_metadata")),
                error=error,
                started=when,
            )
        )
    return steps


def _one(field: Field, *spellings: str) -> Field | None:
    return next((found for key in spellings if (found := field.get(key)) is not None), None)


def _either(field: Field, *spellings: str) -> str | None:
    found = _one(field, *spellings)
    return plain(found) or None if found is not None else None


def _said(part: Field) -> str:
    """The text of a part; what is neither text nor a call (an image, code and its result) as its JSON."""
    thought = part.get("thought")
    if thought is not None and thought.value is True:
        return ""
    if _one(part, "functionCall", "function_call", "functionResponse", "function_response"):
        return ""
    text = part.get("text")
    known: Sequence[str] = ("thoughtSignature", "thought_signature")
    if text is None and all(key in known for key in part.fields()):
        return ""
    return plain(text if text is not None else part)


def _call(field: Field) -> ToolCall:
    return ToolCall(id=field.maybe_text("id") or "", name=field.text("name"), arguments=arguments(field.get("args")))


def _result(field: Field, asked: dict[str, ToolCall], when: float | None) -> Step:
    call = asked.get(field.maybe_text("id") or "")
    response = field.get("response")
    failed = response.get("error") if response is not None and response.is_object else None
    return Step(
        index=0,
        agent=field.maybe_text("name") or (call.name if call else "tool"),
        kind="tool",
        output=plain(response),
        call=question_to_tool(call) if call else None,
        error=plain(failed) if failed is not None else None,
        ended=when,
    )


def _usage(field: Field | None) -> Usage | None:
    if field is None:
        return None
    read = _one(field, "promptTokenCount", "prompt_token_count")
    written = _one(field, "candidatesTokenCount", "candidates_token_count")
    return Usage(
        input_tokens=read.integer() if read is not None else 0,
        output_tokens=written.integer() if written is not None else 0,
    )
