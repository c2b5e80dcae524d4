"""pydantic-ai's message history (`result.all_messages_json()`): one agent's requests and the model's
responses.

The history is what the model is given, so the input of each response is everything before it. The agent
has no name in it, and agents that its tools ask keep histories of their own.
"""

from butfor.cache.call import Call, Message, TokenLogprob, ToolCall, Usage
from butfor.replay.reading.assemble import UNKNOWN_MODEL, assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, plain, question_to_tool, usage
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Step, Trace

FORMAT = "pydantic-ai"
_AGENT = "agent"


def sniff(head: str) -> bool:
    """Messages made of parts that say their kind."""
    found = keys(head).keys()
    return {"kind", "parts/part_kind"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace in a message history.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    steps: list[Step] = []
    history: list[Message] = []
    instructions: str | None = None
    for item in parse_records(text, name=name):
        if item.text("kind") == "request":
            instructions = item.maybe_text("instructions") or instructions
            for part in item.listed("parts"):
                history.append(_asked(part))
                steps.extend(_result(part, history))
        else:
            step = _answer(item, _prompt(instructions, history))
            steps.append(step)
            history.append(Message(role="assistant", content=step.output or None, tool_calls=step.tool_calls))
            steps.extend(found for part in item.listed("parts") for found in _hosted(part))
    return assemble(steps, format=FORMAT, name=name)


def _prompt(instructions: str | None, history: list[Message]) -> tuple[Message, ...]:
    system = (Message(role="system", content=instructions),) if instructions else ()
    return (*system, *history)


def _asked(part: Field) -> Message:
    kind = part.text("part_kind")
    text = plain(part.get("content"))
    if kind == "system-prompt":
        return Message(role="system", content=text)
    if kind == "tool-return" or (kind == "retry-prompt" and part.get("tool_name") is not None):
        return Message(role="tool", content=text, tool_call_id=part.maybe_text("tool_call_id"))
    return Message(role="user", content=text)


def _result(part: Field, history: list[Message]) -> list[Step]:
    """What a tool returned, or that it refused its arguments; nothing for what a person said."""
    kind = part.text("part_kind")
    if kind not in ("tool-return", "retry-prompt") or part.get("tool_name") is None:
        return []
    identifier, named = part.maybe_text("tool_call_id") or "", part.text("tool_name")
    asked = (call for m in reversed(history) for call in m.tool_calls if call.id and call.id == identifier)
    text = plain(part.get("content"))
    failed = kind == "retry-prompt" or part.maybe_text("outcome") in ("failed", "denied")
    return [
        Step(
            index=0,
            agent=named,
            kind="tool",
            output=text,
            audience=(_AGENT,),
            call=question_to_tool(next(asked, ToolCall(id=identifier, name=named, arguments="{}"))),
            error=text if failed else None,
            ended=part.time("timestamp"),
        )
    ]


def _hosted(part: Field) -> list[Step]:
    """What a tool on the provider's side returned, inside the response."""
    if part.text("part_kind") != "builtin-tool-return":
        return []
    named = part.text("tool_name")
    call = ToolCall(id=part.maybe_text("tool_call_id") or "", name=named, arguments="{}")
    return [
        Step(
            index=0,
            agent=named,
            kind="tool",
            output=plain(part.get("content")),
            audience=(_AGENT,),
            call=question_to_tool(call),
            ended=part.time("timestamp"),
        )
    ]


def _answer(item: Field, given: tuple[Message, ...]) -> Step:
    parts = item.listed("parts")
    texts = [plain(part.get("content")) for part in parts if part.text("part_kind") == "text"]
    called = [part for part in parts if part.text("part_kind") in ("tool-call", "builtin-tool-call")]
    return Step(
        index=0,
        agent=_AGENT,
        output="\n".join(texts),
        tool_calls=tuple(
            ToolCall(
                id=part.maybe_text("tool_call_id") or "",
                name=part.text("tool_name"),
                arguments=arguments(part.get("args")),
            )
            for part in called
        ),
        call=Call(model=_model(item), messages=given, agent=_AGENT),
        usage=_usage(item.get("usage")),
        logprobs=_logprobs(item),
        ended=item.time("timestamp"),
    )


def _model(item: Field) -> str:
    provider, model = item.maybe_text("provider_name"), item.maybe_text("model_name")
    return f"{provider}:{model}" if provider and model else model or UNKNOWN_MODEL


def _usage(field: Field | None) -> Usage | None:
    if field is None:
        return None
    read, wrote = field.maybe_integer("request_tokens"), field.maybe_integer("response_tokens")
    older = Usage(input_tokens=read or 0, output_tokens=wrote or 0) if (read or wrote) else None
    return usage(field) or older


def _logprobs(item: Field) -> tuple[TokenLogprob, ...] | None:
    found = item.dig("provider_details", "logprobs")
    listed = found.items() if found is not None and found.is_list else []
    return tuple(TokenLogprob(t.text("token"), t.need("logprob").number()) for t in listed) or None
