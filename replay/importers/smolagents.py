"""smolagents' memory (`agent.memory.get_full_steps()`): one agent's tasks, plans and actions.

An action is two steps here: what the model answered, and what the tools that it called brought back. A
managed agent is a tool of its manager's, and keeps a memory of its own.
"""

import json

from butfor.cache.call import Call, Message, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL, assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import message, plain, question_to_tool, tool_calls, usage
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Step, Trace

FORMAT = "smolagents"
_AGENT = "agent"


def sniff(head: str) -> bool:
    """Steps with a number and their timing, or with the model's input."""
    found = keys(head).keys()
    return {"step_number", "timing"} <= found or {"model_input_messages", "plan"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace in an agent's memory.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    steps: list[Step] = []
    task: str | None = None
    for item in parse_records(text, name=name):
        if item.get("task") is not None:
            task = item.text("task") if task is None else task
        elif item.get("plan") is not None:
            steps.append(_asked(item, item.text("plan"), ()))
        elif item.get("step_number") is not None:
            steps.extend(_action(item))
    return assemble(steps, format=FORMAT, name=name, task=task)


def _action(item: Field) -> list[Step]:
    calls = tuple(call for call in tool_calls(item))
    problem = item.get("error")
    error = None
    if problem is not None:
        error = problem.maybe_text("message") or plain(problem) if problem.is_object else plain(problem)
    asked = _asked(item, plain(item.get("model_output")), calls)
    if not calls:
        return [asked.model_copy(update={"error": error})]
    return [asked, _result(item, calls, error)]


def _asked(item: Field, output: str, calls: tuple[ToolCall, ...]) -> Step:
    given = tuple(_message(found) for found in item.listed("model_input_messages"))
    model = item.dig("model_output_message", "raw", "model")
    named = model.text() if model is not None and model.is_text else UNKNOWN_MODEL
    timing = item.get("timing")
    return Step(
        index=0,
        agent=_AGENT,
        output=output,
        tool_calls=calls,
        call=Call(model=named, messages=given, agent=_AGENT) if given else None,
        usage=usage(item.get("token_usage")),
        started=timing.time("start_time") if timing is not None else None,
        ended=timing.time("end_time") if timing is not None and not calls else None,
    )


def _message(found: Field) -> Message:
    """A message of the model's input; its tool calls are only in its text, as the model sees them."""
    said = message(found)
    return said.model_copy(update={"content": said.text, "tool_calls": said.tool_calls})


def _result(item: Field, calls: tuple[ToolCall, ...], error: str | None) -> Step:
    """What the action's tools brought back, which smolagents keeps as one text."""
    timing, final = item.get("timing"), item.get("action_output")
    observed = item.get("observations")
    asked = question_to_tool(calls[0])
    if len(calls) > 1:
        texts = "\n".join(f"{call.name}({call.arguments})" for call in calls)
        together = Message(role="assistant", content=texts, tool_calls=calls)
        asked = asked.model_copy(update={"messages": (together,)})
    output = plain(observed) if observed is not None else "" if final is None else _shown(final)
    return Step(
        index=0,
        agent=calls[0].name,
        kind="tool",
        output=output,
        audience=(_AGENT,),
        call=asked,
        error=error,
        ended=timing.time("end_time") if timing is not None else None,
    )


def _shown(value: Field) -> str:
    return value.text() if value.is_text else json.dumps(value.json(), ensure_ascii=False)
