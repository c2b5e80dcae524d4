"""CrewAI's events without ids or sequence numbers, as listeners write them down: told by their order."""

from collections.abc import Sequence

from butfor.cache.call import Call, ToolCall
from butfor.replay.reading.assemble import UNKNOWN_MODEL, assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, message, plain, question_to_tool, usage
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Outcome, Read, Step, Trace

FORMAT = "crewai-events"
_OURS = ('"crew_kickoff_started"', '"task_started"', '"llm_call_started"', '"agent_execution_started"')
_FAILED = ("crew_kickoff_failed", "task_failed", "agent_execution_error")


def sniff(head: str) -> bool:
    """Events of CrewAI by their `type`, none with a sequence number."""
    found = keys(head).keys()
    typed = "type" in found or "events/type" in found
    return typed and not any("emission_sequence" in key for key in found) and any(one in head for one in _OURS)


def load(text: str, *, name: str) -> Trace:
    """The trace of a kickoff.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    records = parse_records(text, name=name)
    events = [one for record in records for one in record.listed("events") or [record]]
    steps: list[Step] = []
    told: list[str] = []
    asking: Field | None = None
    agent = "agent"
    for event in events:
        kind = event.text("type")
        agent = _acting(event) or agent
        if kind == "task_started":
            told.append(_task(event))
        elif kind == "llm_call_started":
            asking = event
        elif step := _step(event, kind, agent, asking):
            steps.append(step)
            asking = None if step.kind == "llm" else asking
    tools = [i for i, step in enumerate(steps) if step.kind == "tool"]
    last = {i: next((s for s in range(i - 1, -1, -1) if steps[s].kind == "llm"), None) for i in tools}
    known = {i: [Read(before, "order")] for i, before in last.items() if before is not None}
    task = "\n".join(dict.fromkeys(one for one in told if one)) or None
    return assemble(steps, format=FORMAT, name=name, task=task, outcome=_outcome(events), known=known)


def _acting(event: Field) -> str | None:
    found = event.get("agent_role") or event.dig("agent", "role")
    return found.text().strip() if found is not None and found.is_text else None


def _task(event: Field) -> str:
    found = event.get("description") or event.dig("task", "description") or event.get("task_name")
    return plain(found)


def _step(event: Field, kind: str, agent: str, asking: Field | None) -> Step | None:
    when = event.time("timestamp")
    if kind in ("llm_call_completed", "llm_call_failed"):
        began = asking if asking is not None else event
        given = began.get("messages")
        asked = tuple(message(one) for one in given.items()) if given is not None and given.is_list else ()
        model = began.maybe_text("model") or UNKNOWN_MODEL
        return Step(
            index=0,
            agent=agent,
            output=plain(event.get("response")),
            call=Call(model=model, messages=asked, agent=agent) if asked else None,
            usage=usage(event.get("usage")),
            error=event.maybe_text("error"),
            started=began.time("timestamp"),
            ended=when,
        )
    if kind in ("tool_usage_finished", "tool_usage_error"):
        call = ToolCall(id="", name=event.text("tool_name"), arguments=arguments(event.get("tool_args")))
        return Step(
            index=0,
            agent=call.name,
            kind="tool",
            output=plain(event.get("output")),
            audience=(agent,),
            call=question_to_tool(call),
            error=plain(event.get("error")) or None,
            ended=when,
        )
    if kind == "crew_kickoff_completed" and (output := plain(event.get("output"))):
        return Step(index=0, agent="crew", kind="control", output=output, started=when)
    if kind in _FAILED:
        return Step(index=0, agent="crew", kind="control", output="", error=plain(event.get("error")) or kind)
    return None


def _outcome(events: Sequence[Field]) -> Outcome | None:
    """A crew that failed has no answer; whether an answer is right, its events do not tell."""
    failed = next((event for event in events if event.text("type") == "crew_kickoff_failed"), None)
    return Outcome(success=False, explanation=plain(failed.get("error"))) if failed is not None else None
