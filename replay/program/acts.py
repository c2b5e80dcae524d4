"""From the calls that a program made to a trace: the recording's lines, retries folded, agents named,
steps linked.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from butfor.cache.apis import UNREADABLE, Body, Codec, codec_at, heard, parsed, recognise, responses
from butfor.cache.apis.reply import JSON_TYPE, Reply
from butfor.cache.apis.stable import stable_call, stable_text
from butfor.cache.call import Call, Completion, Message, Origin, ToolCall, whole
from butfor.cache.errors import LogFormatError, ProgramFailed
from butfor.replay.inside.asked import CANCELLED
from butfor.replay.inside.tape import as_text
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.messages import question_to_tool
from butfor.replay.trace import Ended, Read, Step, Trace

_NAMED = re.compile(
    r"\b(?:agent|role|name)\s*[=:]\s*[\"']?([A-Z][\w-]*)"
    r"|\b(?:you are|i am|act as) (?:an? |the )?([^\n.,;:!?]{2,40})",
    re.IGNORECASE,
)
_NO_CALL = (
    "{name}: the program asked no model that could be seen. Seen are clients on httpx, httpx2, requests, urllib3, "
    "aiohttp and urllib (openai, anthropic, ollama, LiteLLM, boto3 and what is built on them) in Python processes that "
    "load sitecustomize (not python -I, -S or -E); "
    "for anything else, use a proxy: butfor record --proxy"
)


class Act(NamedTuple):
    """One call that a program made, to a model or to a tool, with what came of it."""

    agent: str
    call: Call
    completion: Completion
    reply: Reply
    started: float
    ended: float
    is_tool: bool = False
    id: str | None = None
    """Of a tool call, for what happens inside it."""
    inside: str | None = None
    """The tool call in which this one happened."""
    origin: Origin = "recorded"
    step: Step | None = None
    """The recorded step whose answer this one got."""


class Conversations:
    """What the Responses API keeps on the server: the items behind each response's id."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[Body, ...]] = {}

    def inlined(self, body: Body) -> Body:
        """The request with its conversation in it, where that is known."""
        before = self._items.get(str(body.get("previous_response_id")))
        return body if before is None else responses.inlined(body, before)

    def learn(self, body: Body, reply: Reply) -> None:
        """Note the conversation that a response ends; `body` has it inlined."""
        if reply.failed or reply.base64:
            return
        try:
            whole = responses.response(reply.values())
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            return  # garbage begins no conversation
        self._items[str(whole.get("id"))] = (*responses.items(body), *whole["output"])


def cancelled(reply: Reply) -> bool:
    """Whether the program gave the call up itself, so that it is no failure that a client would try again."""
    return (reply.broken or "").partition(":")[0] in CANCELLED


class Entries(NamedTuple):
    """The lines of a recording."""

    entries: list[dict[str, Any]]
    partial: bool
    """Whether a line was cut short."""
    environment: dict[str, str | None]
    """Variables that the program's own code read."""
    unseen: dict[str, int]
    """Connections past the clients that are seen, by `HOST:PORT`."""


def read_entries(text: str, *, name: str) -> Entries:
    """The lines of a recording; one that was cut short is left out.

    Raises:
        LogFormatError: the file is no recording.
    """
    entries: list[dict[str, Any]] = []
    environment: dict[str, str | None] = {}
    unseen: Counter[str] = Counter()
    partial = bool(text) and not text.endswith("\n")
    for line in text.splitlines():
        try:
            entry = whole(json.loads(line)) if line.strip() else None
        except ValueError:
            partial = True
            continue
        if not isinstance(entry, dict) or entry.get("kind") not in ("llm", "tool", "world"):
            raise LogFormatError(f"{name}: holds a line that is no recorded call")
        if entry["kind"] == "world":
            environment.update(entry.get("environment", {}))
            unseen.update([entry["unseen"]] if "unseen" in entry else [])
        else:
            entries.append(entry)
    return Entries(entries, partial, environment, dict(unseen))


def recorded_acts(entries: Iterable[dict[str, Any]]) -> list[Act]:
    """The acts of a recording, in the order in which they began; what a client tried again is one act."""
    acts: list[Act] = []
    failed: dict[bytes, list[int]] = {}
    conversations = Conversations()
    for entry in sorted(entries, key=lambda e: e["started"]):
        if entry["kind"] == "tool":
            acts.append(tool_act(entry))
            continue
        act = _llm_act(entry, conversations)
        key = stable_call(act.call).content_key
        before = failed.get(key)
        if before:
            position = before.pop()
            act = act._replace(started=acts[position].started)
            acts[position] = act
        else:
            position = len(acts)
            acts.append(act)
        if act.reply.failed and not cancelled(act.reply):
            failed.setdefault(key, []).append(position)
    return acts


def to_trace(acts: Sequence[Act], *, name: str, ended: Ended, expected: str | None = None) -> Trace:
    """The trace of these acts.

    Raises:
        ProgramFailed: no model was asked.
    """
    if not any(not act.is_tool for act in acts):
        raise ProgramFailed(_NO_CALL.format(name=name))
    around = {act.inside for act in acts if act.inside}
    parents = {act.id: act.inside for act in acts if act.is_tool}
    composite: set[str | None] = set()
    for inner in {act.inside for act in acts if act.inside and not act.is_tool}:
        at: str | None = inner
        while at is not None and at not in composite:
            composite.add(at)
            at = parents.get(at)
    ordered = sorted(acts, key=lambda act: act.ended if act.id in around else act.started)
    steps = [_step(act, act.id in composite) for act in ordered]
    trace = assemble(steps, format="program", name=name, expected=expected, known=_known_reads(ordered, steps))
    return trace.model_copy(update={"fidelity": "wire", "ended": ended})


def _known_reads(acts: Sequence[Act], steps: Sequence[Step]) -> dict[int, list[Read]]:
    """Which step asked for a tool, and so for what was said inside it, and who read its result by the id of the call.

    A tool is not told the id.
    """
    known: dict[int, list[Read]] = {i: [] for i in range(len(steps))}
    for index, act in enumerate(acts):
        within = (i for i, inner in enumerate(acts[:index]) if act.id is not None and inner.inside == act.id)
        known[index].extend(Read(i, "tool call") for i in within)
    open_calls: list[tuple[int, ToolCall]] = []
    answered: dict[str, int] = {}
    for index, step in enumerate(steps):
        if step.kind == "tool" and step.call is not None:
            asked = step.call.messages[0].tool_calls
            match = next((c for c in reversed(open_calls) if asked and _same(c[1], asked[0])), None)
            if match is not None:
                known[index].append(Read(match[0], "tool call"))
                inner = (i for i, act in enumerate(acts[:index]) if acts[index].id and act.inside == acts[index].id)
                for each in (i for i in inner if i > match[0]):  # an agent behind a tool was told what the tool was
                    known[each].append(Read(match[0], "tool call"))
                answered[match[1].id] = index
                open_calls.remove(match)
            continue
        ids = [m.tool_call_id for m in step.call.messages if m.tool_call_id] if step.call else []
        known[index].extend(Read(answered[i], "tool call") for i in ids if i in answered)
        open_calls.extend((index, call) for call in step.tool_calls)
    return known


def _same(call: ToolCall, other: ToolCall) -> bool:
    return call.name == other.name and _value(call.arguments) == _value(other.arguments)


def _value(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def llm_act(
    head: Body, call: Call, completion: Completion, reply: Reply, *, ended: float, step: Step | None = None
) -> Act:
    """The act of asking a model."""
    agent = head.get("agent") or fingerprint(call)
    return Act(
        agent=agent,
        call=call.model_copy(update={"agent": agent}),
        completion=completion,
        reply=reply,
        started=head["started"],
        ended=ended,
        inside=head.get("inside"),
        origin=completion.origin,
        step=step,
    )


def tool_act(entry: Body) -> Act:
    """The act of a tool, from its line."""
    told = {key: entry[key] for key in ("result", "error", "opaque") if key in entry}
    reply = Reply(headers={"content-type": JSON_TYPE}, body=json.dumps(told))
    return Act(
        agent=entry["name"],
        call=tool_question(entry),
        completion=tool_completion(reply),
        reply=reply,
        started=entry["started"],
        ended=entry["ended"],
        is_tool=True,
        id=entry["id"],
        inside=entry.get("inside"),
    )


def tool_question(head: Body) -> Call:
    """The call of a tool."""
    asked = ToolCall(id="", name=head["name"], arguments=head["arguments"])
    return question_to_tool(asked).model_copy(update={"agent": head["name"]})


def tool_completion(reply: Reply) -> Completion:
    """A tool's result as an answer."""
    told = json.loads(reply.body)
    value = next(iter(told.values()), None)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Completion(message=Message(role="assistant", content=text), raw=reply.model_dump_json(exclude_defaults=True))


def output_text(completion: Completion) -> str:
    """An answer as one text; the tools that it calls as `NAME({…})`, one a line."""
    calls = "\n".join(f"{call.name}({call.arguments})" for call in completion.message.tool_calls)
    return "\n".join(text for text in (completion.text, calls) if text)


def fingerprint(call: Call) -> str:
    """A name for an agent that nothing names: what its system prompt says it is, or how that begins, or
    its model.
    """
    system = next((m.text for m in call.messages if m.role == "system" and m.text.strip()), None)
    if system is None:
        return call.model.partition(":")[2] or call.model
    found = _NAMED.search(system)
    if found:
        return (found[1] or found[2]).strip()
    return " ".join(stable_text(system).split()[:5])


def seed_of(call: Call, text: str) -> str:
    """What the ids of a made-up answer are built on: 24 hexadecimal digits, equal for equal answers to
    equal calls.
    """
    return sha256(call.content_key + text.encode(errors="surrogatepass")).hexdigest()[:24]


def text_of(body: bytes) -> str:
    """A request's body as the tape has it."""
    return str(as_text("body", body)["body"])


class Question(NamedTuple):
    """A request as it is understood."""

    codec: Codec
    call: Call
    body: Body
    """Its conversation in it, where a server keeps that; empty where the request cannot be read."""
    changed: bool = False
    """Whether the body is another one than the program sent."""


def question(path: str, request: str, conversations: Conversations) -> Question:
    """What a request asks; one that cannot be read is a question in its own words, which is lost to nobody.

    Raises:
        LogFormatError: nobody answers at the path.
    """
    codec = codec_at(path)
    if codec is None:
        raise LogFormatError(f"a recorded request went to {path}, which is no model's")
    try:
        own = whole(parsed(request))
        codec, found = recognise(path, own) or (codec, own)
        body = conversations.inlined(found)
        return Question(codec, codec.call(body), body, body is not found)
    except UNREADABLE:
        asked = Message(role="user", content=request)
        call = Call(model=f"{codec.NAME}:", messages=(asked,), params={"wire": {"api": codec.NAME}})
        return Question(codec, call, {})


def _llm_act(entry: dict[str, Any], conversations: Conversations) -> Act:
    asked = question(entry["path"], entry["request"], conversations)
    codec = asked.codec
    reply = Reply(
        status=entry["status"],
        headers=entry.get("headers", {}),
        body=entry["body"],
        base64=entry.get("body_base64", False),
        broken=entry.get("broken"),
    )
    if codec is responses:
        conversations.learn(asked.body, reply)
    return llm_act(entry, asked.call, heard(codec, reply), reply, ended=entry["ended"])._replace(origin="recorded")


def _step(act: Act, composite: bool) -> Step:
    if act.step is not None:
        return act.step
    embedding = act.call.model.startswith("embedder:")
    error = None
    if not act.is_tool and act.reply.failed:
        error = act.reply.broken or f"status {act.reply.status}"
    elif act.is_tool:
        error = json.loads(act.reply.body).get("error")
    return Step(
        index=0,
        agent="embeddings" if embedding else act.agent,
        kind="tool" if act.is_tool or embedding else "llm",
        output=output_text(act.completion),
        tool_calls=act.completion.message.tool_calls,
        call=act.call,
        reply=act.reply,
        composite=composite,
        usage=act.completion.usage,
        logprobs=act.completion.logprobs,
        error=error,
        started=act.started,
        ended=act.ended,
        origin=act.origin,
    )
