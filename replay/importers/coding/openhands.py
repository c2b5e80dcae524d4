"""OpenHands' events: actions and observations tied by `cause`, alone or under `history` beside an instance."""

import re
from collections.abc import Mapping, Sequence

from butfor.cache.call import ToolCall
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, plain, tool_call
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.turns import Turns
from butfor.replay.trace import Agent, Outcome, Trace

FORMAT = "openhands"
_AGENT = "openhands"
_SILENT = ("change_agent_state", "recall", "null", "pause", "start")
_SDK = re.compile(r'"kind":\s*"(?:MessageEvent|ActionEvent|SystemPromptEvent)"')
_ANSWERS = ("message", "finish", "think", "reject")


def sniff(head: str) -> bool:
    """Events with a `source` and an `action` or an `observation`, or those of the SDK by their `kind`."""
    found = keys(head).keys()
    evented = any({f"{at}source", f"{at}action", f"{at}args"} <= found for at in ("", "history/"))
    return evented or ("source" in found and _SDK.search(head) is not None)


def load(text: str, *, name: str) -> Trace:
    """The trace of the only run in a file.

    Raises:
        LogFormatError: a field is missing or wrong, or there are several runs.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The runs in a file by their instance's id, or the only one."""
    records = parse_records(text, name=name)
    if not any(record.is_object and record.get("history") for record in records):
        return {"0": lambda: _trace(records, None, name)}
    ids = [record.maybe_text("instance_id") or str(index) for index, record in enumerate(records)]
    return {one: _run(record, name_of(name, one, len(ids))) for one, record in zip(ids, records, strict=True)}


def _run(record: Field, name: str) -> Run:
    return lambda: _trace(record.need("history", "a list of events").items(), record, name)


def _trace(events: Sequence[Field], record: Field | None, name: str) -> Trace:
    run = _Events()
    for event in events:
        for one in event.items() if event.is_list else [event]:
            run.add(one)
    task, outcome = None, None
    if record is not None:
        task = record.maybe_text("instruction")
        found = record.dig("test_result", "report", "resolved") or record.dig("test_result", "resolved")
        if found is not None and isinstance(found.value, bool):
            patch = record.dig("test_result", "git_patch")
            outcome = Outcome(success=found.value, answer=plain(patch) if patch is not None else None)
    agent = Agent(name=_AGENT, system_prompt=run.prompt)
    return run.turns.trace(format=FORMAT, name=name, task=task, outcome=outcome, agents=(agent,))


class _Events:
    """The turns of a stream of events."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.prompt: str | None = None

    def add(self, event: Field) -> None:
        """Add one event."""
        if event.get("kind") is not None and event.get("action") is None and event.get("llm_message") is not None:
            self._message(event)
        elif event.maybe_text("kind") is not None and event.get("tool_call_id") is not None:
            self._sdk(event)
        elif event.maybe_text("kind") == "SystemPromptEvent":
            prompt = event.get("system_prompt")
            self.prompt = plain(prompt.get("text") if prompt is not None and prompt.is_object else prompt)
        elif event.get("observation") is not None:
            self._observed(event)
        elif (action := event.get("action")) is not None:
            self._acted(event, action.text())
        elif event.get("kind") is not None:
            self.turns.note(plain(event), started=event.time("timestamp"))

    def _acted(self, event: Field, action: str) -> None:
        args = event.get("args")
        when = event.time("timestamp")
        said = next((plain(f) for k in ("content", "thought", "final_thought")
                     if args is not None and (f := args.get(k)) and f.value), "")  # fmt: skip
        if action == "system":
            self.prompt = said
        elif event.maybe_text("source") == "user" and action == "message":
            self.turns.hear(_AGENT, said or event.maybe_text("message") or "", started=when)
        elif action in _SILENT or event.maybe_text("source") == "environment":
            return
        elif action in _ANSWERS:
            self.turns.say(_AGENT, said or event.maybe_text("message") or "", started=when)
        else:
            self.turns.say(_AGENT, said, calls=(_call(event, action, args),), started=when)

    def _observed(self, event: Field) -> None:
        kind = event.text("observation")
        cause = event.get("cause")
        if kind in ("agent_state_changed", "recall", "null", "think") or (cause is None and kind != "error"):
            return
        output = plain(event.get("content")) or event.maybe_text("message") or ""
        status = event.dig("extras", "metadata", "exit_code")
        failed = kind == "error" or (status is not None and status.value not in (0, -1))
        call = str(cause.value) if cause is not None else ""
        self.turns.result(_AGENT, output, call=call, tool=kind, error=output or kind if failed else None,
                          ended=event.time("timestamp"))  # fmt: skip

    def _message(self, event: Field) -> None:
        said = plain(event.need("llm_message").get("content"))
        if event.maybe_text("source") == "agent":
            self.turns.say(_AGENT, said, started=event.time("timestamp"))
        else:
            self.turns.hear(_AGENT, said, started=event.time("timestamp"))

    def _sdk(self, event: Field) -> None:
        identifier, when = event.text("tool_call_id"), event.time("timestamp")
        observation = event.get("observation")
        if observation is not None or event.get("error") is not None:
            said = observation.get("content") or observation if observation is not None else None
            failed = event.get("error") or (observation.get("error") if observation is not None else None)
            error = plain(failed) if failed is not None else None
            self.turns.result(_AGENT, plain(said) or error or "", call=identifier,
                              tool=event.maybe_text("tool_name"), error=error, ended=when)  # fmt: skip
            return
        written = event.get("tool_call")
        call = tool_call(written) if written is not None else ToolCall(
            id=identifier, name=event.text("tool_name"), arguments=arguments(event.get("action")))  # fmt: skip
        thought = event.get("thought")
        self.turns.say(_AGENT, plain(thought), calls=(call.model_copy(update={"id": identifier}),), started=when)


def _call(event: Field, action: str, args: Field | None) -> ToolCall:
    """The call of an action; observations name it by the event's id (`cause`)."""
    told = event.dig("tool_call_metadata", "function_name")
    given = {k: v.value for k, v in args.fields().items() if k != "thought"} if args is not None else {}
    identifier = event.get("id")
    return ToolCall(
        id=str(identifier.value) if identifier is not None else "",
        name=told.text() if told is not None else action,
        arguments=arguments(Field(given, event.name)),
    )
