"""UIMessages of the Vercel AI SDK: a chat whose assistant's messages hold their tools' calls and results."""

from butfor.cache.call import ToolCall
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, plain
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.turns import Turns
from butfor.replay.trace import Agent, Trace

FORMAT = "ui-messages"
_AGENT = "assistant"
_PASSED_OVER = ("step-start", "reasoning")


def sniff(head: str) -> bool:
    """Messages with a `role` and typed `parts`, among them a step or a tool by its `toolCallId`."""
    found = keys(head).keys()
    return any(
        {f"{at}role", f"{at}parts/type", f"{at}id"} <= found
        and (f"{at}parts/toolCallId" in found or "step-start" in head)
        for at in ("", "messages/")
    )


def load(text: str, *, name: str) -> Trace:
    """The trace of a chat.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    records = parse_records(text, name=name)
    turns = Turns()
    prompts: list[str] = []
    for message in [one for record in records for one in record.listed("messages") or [record]]:
        role = message.text("role")
        parts = message.listed("parts")
        if role == "assistant":
            _answered(parts, turns)
            continue
        said = "\n".join(_said(part) for part in parts)
        if role == "system":
            prompts.append(said)
        else:
            turns.hear(_AGENT, said)
    agent = Agent(name=_AGENT, system_prompt="\n\n".join(prompts) or None)
    return turns.trace(format=FORMAT, name=name, agents=(agent,))


def _said(part: Field) -> str:
    text = part.get("text")
    return plain(text if text is not None else part)


def _answered(parts: list[Field], turns: Turns) -> None:
    """The model's steps in one message: each ends with the results of the tools that it called."""
    texts: list[str] = []
    called: list[Field] = []
    for part in parts:
        tool = part.get("toolCallId") is not None
        if called and not tool:
            _step(texts, called, turns)
            texts, called = [], []
        if tool:
            called.append(part)
        elif part.text("type") not in _PASSED_OVER:
            texts.append(_said(part))
    if texts or called:
        _step(texts, called, turns)


def _step(texts: list[str], called: list[Field], turns: Turns) -> None:
    calls = [_call(part) for part in called]
    turns.say(_AGENT, "\n".join(texts), calls=calls)
    for call, part in zip(calls, called, strict=True):
        error, output = part.maybe_text("errorText"), part.get("output")
        if output is not None or error is not None:
            turns.result(_AGENT, plain(output) or error or "", call=call.id, error=error)


def _call(part: Field) -> ToolCall:
    named = part.maybe_text("toolName") or part.text("type").removeprefix("tool-")
    return ToolCall(id=part.text("toolCallId"), name=named, arguments=arguments(part.get("input")))
