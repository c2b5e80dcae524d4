"""Claude Code's session files: one record a line, an answer spread over several of them, subagents beside it.

A subagent's records are marked `isSidechain`: in the session's own file under its `agentId`, or, in older
versions, as a chain that begins with the prompt of the `Task` call that started it.
"""

from collections.abc import Sequence

from butfor.cache.call import ToolCall
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import plain, tool_call, usage
from butfor.replay.reading.sniffing import keys
from butfor.replay.reading.turns import Turns
from butfor.replay.trace import Agent, Trace

FORMAT = "claude-code"
_MAIN = "claude"
_SPOKEN = ("user", "assistant")


def sniff(head: str) -> bool:
    """Records with a `sessionId` that point to their parents."""
    return {"sessionId", "parentUuid", "uuid"} <= keys(head).keys()


def load(text: str, *, name: str) -> Trace:
    """The trace of a session.

    Raises:
        LogFormatError: a field is missing or wrong.
    """
    records = _once(parse_records(text, name=name))
    session = _Session(records)
    for group in _answers(records):
        session.add(group)
    return session.turns.trace(format=FORMAT, name=name)


def _once(records: Sequence[Field]) -> list[Field]:
    """The records without those that a resumed session repeats."""
    found: dict[str, Field] = {}
    for index, record in enumerate(records):
        found.setdefault(record.maybe_text("uuid") or f"line {index}", record)
    return list(found.values())


def _answers(records: Sequence[Field]) -> list[list[Field]]:
    """Records in groups: those of one answer together, which other agents' records may stand between."""
    groups: list[list[Field]] = []
    place: dict[str, list[Field]] = {}
    for record in records:
        kind = record.maybe_text("type")
        own = record.dig("message", "id") if kind == "assistant" else None
        if own is not None and own.text() in place:
            place[own.text()].append(record)
            continue
        groups.append([record])
        if own is not None:
            place[own.text()] = groups[-1]
    return groups


class _Session:
    """The turns of a session, and which agent each chain of records belongs to."""

    def __init__(self, records: Sequence[Field]) -> None:
        self.turns = Turns()
        self._prompts: dict[str, str] = {}
        """By a subagent's prompt: the id of the call that holds it."""
        self._chain: dict[str, str] = {}
        """By a record's uuid: its agent."""
        self._kinds: dict[str, str] = {}
        """By a call's id: the kind of subagent that it starts."""
        self._given: set[str] = set()
        """The uuids of prompts that a call holds already."""
        self._count = 0
        spoken = [record for record in records if record.maybe_text("type") in _SPOKEN]
        self._own = all((side := one.get("isSidechain")) is not None and side.value is True for one in spoken)
        """Whether the file is one subagent's own."""

    def add(self, group: Sequence[Field]) -> None:
        """Add an answer, a message, the results of tools, or what the program reports."""
        record = group[0]
        kind = record.maybe_text("type")
        if kind not in _SPOKEN:
            self._report(record, kind)
            return
        agent = self._agent(record)
        for one in group:
            self._chain[one.maybe_text("uuid") or ""] = agent
        if kind == "assistant":
            self._answer(agent, group)
        else:
            self._heard(agent, record)

    def _agent(self, record: Field) -> str:
        side = record.get("isSidechain")
        if side is None or side.value is not True or self._own:
            return _MAIN
        above = self._chain.get(record.maybe_text("parentUuid") or "")
        identifier = record.maybe_text("agentId")
        if above is not None and above != _MAIN:
            return above
        prompt = plain(record.dig("message", "content")).strip()
        call = self._prompts.pop(prompt, None)
        known = self._chain.get(f"agent {identifier}") if identifier else None
        if known is not None:
            return known
        self._count += 1
        found = f"{self._kinds.get(call or '', 'subagent')} {identifier or self._count}"
        if identifier:
            self._chain[f"agent {identifier}"] = found
        if call is not None:
            self.turns.start(found, call=call)
            self._given.add(record.maybe_text("uuid") or "")
        return found

    def _answer(self, agent: str, group: Sequence[Field]) -> None:
        texts: list[str] = []
        calls: list[ToolCall] = []
        for record in group:
            content = record.need("message", "a message").get("content")
            for block in content.items() if content is not None and content.is_list else ():
                if block.maybe_text("type") in ("tool_use", "server_tool_use"):
                    calls.append(self._called(block))
                elif block.maybe_text("type") == "text":
                    texts.append(block.text("text"))
                elif block.maybe_text("type") not in ("thinking", "redacted_thinking"):
                    texts.append(plain(block))
            if content is not None and content.is_text:
                texts.append(content.text())
        message = group[-1].need("message")
        model = message.maybe_text("model")
        if model and not model.startswith("<"):
            self.turns.know(Agent(name=agent, model=model))
        failed = group[0].get("isApiErrorMessage")
        said = "\n".join(text for text in texts if text)
        error = said if failed is not None and failed.value is True else None
        self.turns.say(agent, said, calls=calls, usage=usage(message.get("usage")), error=error,
                       started=group[0].time("timestamp"))  # fmt: skip

    def _called(self, block: Field) -> ToolCall:
        call = tool_call(block)
        prompt = block.dig("input", "prompt")
        if prompt is not None and prompt.is_text:
            self._prompts[prompt.text().strip()] = call.id
            kind = block.dig("input", "subagent_type")
            self._kinds[call.id] = kind.text() if kind is not None and kind.is_text else "subagent"
        return call

    def _heard(self, agent: str, record: Field) -> None:
        if record.maybe_text("uuid") in self._given:
            return
        content = record.need("message", "a message").get("content")
        when = record.time("timestamp")
        blocks = content.items() if content is not None and content.is_list else []
        results = [b for b in blocks if b.is_object and b.maybe_text("type") == "tool_result"]
        for block in results:
            output = plain(block.get("content"))
            failed = block.get("is_error")
            error = output if failed is not None and failed.value is True else None
            self.turns.result(agent, output, call=block.text("tool_use_id"), error=error, ended=when)
        left = [b for b in blocks if b not in results]
        if left or not blocks:
            said = plain(Field([b.value for b in left], record.name, "message.content") if left else content)
            meta = record.get("isMeta")
            aside = meta is not None and meta.value is True
            self.turns.hear(agent, said, started=when, speaker="program" if aside else "user")

    def _report(self, record: Field, kind: str | None) -> None:
        content = record.get("content")
        if kind == "system" and content is not None:
            level = record.maybe_text("level")
            said = plain(content)
            self.turns.note(said, error=said if level == "error" else None, started=record.time("timestamp"))
