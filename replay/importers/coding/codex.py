"""Codex's session files (rollouts): items of the Responses API, one a line, bare or in envelopes."""

from butfor.cache.call import ToolCall
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import arguments, plain
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.turns import Turns
from butfor.replay.trace import Agent, Trace

FORMAT = "codex"
_AGENT = "codex"
_CALLS = ("function_call", "custom_tool_call", "local_shell_call", "web_search_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_TROUBLE = ("error", "stream_error", "turn_aborted")


def sniff(head: str) -> bool:
    """Envelopes that begin with a session's, or the bare items of the first versions."""
    found = keys(head).keys()
    enveloped = {"timestamp", "type", "payload/type"} <= found and (
        '"session_meta"' in head or '"response_item"' in head
    )
    return enveloped or ("record_type" in found and "instructions" in found)


def load(text: str, *, name: str) -> Trace:
    """The trace of a session.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    session = _Session()
    for record in parse_records(text, name=name):
        session.add(record)
    session.flush()
    agent = Agent(name=_AGENT, model=session.model, system_prompt=session.prompt)
    return session.turns.trace(format=FORMAT, name=name, task=session.task, agents=(agent,))


class _Session:
    """A session's turns; what a model says and calls before a tool answers is one step."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.model: str | None = None
        self.prompt: str | None = None
        self.task: str | None = None
        self._texts: list[str] = []
        self._calls: list[ToolCall] = []
        self._began: float | None = None

    def add(self, record: Field) -> None:
        """Add one line."""
        kind, payload = record.maybe_text("type"), record.get("payload")
        if payload is None:
            payload = record.get("item") or record
            kind = "session_meta" if kind is None else "response_item"
        if kind == "session_meta":
            base = payload.dig("base_instructions", "text")
            self.prompt = base.text() if base is not None else payload.maybe_text("instructions") or self.prompt
        elif kind == "turn_context":
            self.model = payload.maybe_text("model") or self.model
        elif kind == "response_item":
            self._item(payload, record.time("timestamp"))
        elif kind == "event_msg":
            self._event(payload, record.time("timestamp"))
        elif kind == "compacted":
            self.flush()
            self.turns.hear(_AGENT, payload.maybe_text("message") or "", speaker="program")

    def flush(self) -> None:
        """End the model's step that is under way."""
        if self._texts or self._calls:
            self.turns.say(_AGENT, "\n".join(self._texts), calls=self._calls, started=self._began)
        self._texts, self._calls, self._began = [], [], None

    def _item(self, item: Field, when: float | None) -> None:
        kind = item.maybe_text("type")
        if kind in _RESULTS:
            self.flush()
            output, error = _result(item.get("output"))
            self.turns.result(_AGENT, output, call=item.maybe_text("call_id") or "", error=error, ended=when)
        elif kind in _CALLS:
            self._calls.append(_call(item))
        elif kind == "message" and item.maybe_text("role") == "assistant":
            self._texts.append(plain(item.get("content")))
        elif kind == "message":
            self._heard(plain(item.get("content")), item.maybe_text("role") or "user", when)
        elif kind is not None and kind not in ("reasoning", "ghost_snapshot", "compaction"):
            self._texts.append(plain(item))
        if self._began is None and (self._texts or self._calls):
            self._began = when

    def _heard(self, said: str, role: str, when: float | None) -> None:
        self.flush()
        aside = role != "user" or said.lstrip().startswith(("<", "# AGENTS.md"))
        if not aside and self.task is None:
            self.task = said
        self.turns.hear(_AGENT, said, started=when, speaker="program" if aside else "user")

    def _event(self, event: Field, when: float | None) -> None:
        kind = event.maybe_text("type")
        if kind in _TROUBLE:
            self.flush()
            said = event.maybe_text("message") or event.maybe_text("reason") or kind
            self.turns.note(said, error=said, started=when)


def _call(item: Field) -> ToolCall:
    kind = item.text("type")
    named = item.maybe_text("name") or kind.removesuffix("_call")
    given = next((f for key in ("arguments", "input", "action") if (f := item.get(key))), None)
    identifier = item.maybe_text("call_id") or item.maybe_text("id") or ""
    return ToolCall(id=identifier, name=named, arguments=arguments(given))


def _result(output: Field | None) -> tuple[str, str | None]:
    """A tool's text, and that text again where the tool says that it failed."""
    found = output.parsed() if output is not None else None
    if found is None or not found.is_object:
        return plain(output), None
    inner = found.get("output") or found.get("content")
    said = plain(inner if inner is not None else found)
    status, success = found.dig("metadata", "exit_code"), found.get("success")
    failed = (status is not None and status.value != 0) or (success is not None and success.value is False)
    return said, said or "failed" if failed else None
