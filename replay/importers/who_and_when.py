"""Who&When logs (ag2ai/Agents_Failure_Attribution), both splits: what was said, and a label of the decisive error.

Algorithm-Generated logs are group chats: each message has a `name`, a model picks the next speaker, everybody hears
everything, `Computer_terminal` runs the code in the message before it, and `TERMINATE` ends the run. Hand-Crafted
logs are by an orchestrator: `Orchestrator (-> WebSurfer)` addresses an agent, `Orchestrator (thought)` is private,
and the framework's own lines ("Next speaker …", "Stalled …") are nobody's answer.
"""

import re
from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from butfor.cache.errors import LogFormatError
from butfor.replay.hearing import heard
from butfor.replay.reading.sniffing import is_cut, keys
from butfor.replay.trace import Agent, Culprit, Kind, Outcome, Source, Step, Team, Trace, first_problem

FORMAT = "who-and-when"
_TOOLS = frozenset({"Computer_terminal", "ComputerTerminal"})
_HEAD = re.compile(r'"history"\s*:\s*\[\s*(?:\]|\{[^{}]*?"(?:content|role|name)"\s*:)')
_ROLE = re.compile(r"(?P<name>.+?)\s*\((?:(?P<thought>thought)|(?P<end>termination condition)|->\s*(?P<to>.+))\)")
_CONTROL = re.compile(r"(?:Next speaker |Stalled\.|Request satisfied\.|Replan counter exceeded)")
_LABELS = frozenset({"question", "question_ID", "mistake_step", "mistake_agent", "ground_truth", "groundtruth"})
_OTHERS = frozenset({"trajectory", "environment", "traj", "messages"})
_TEAM_LINE = re.compile(r"^(?P<name>\w+): (?P<description>.+)$", re.MULTILINE)
_EXIT = re.compile(r"exitcode: (?!0\b)\d+[^\n]*")


def sniff(head: str) -> bool:
    """A `history` of messages beside a `question` or a label, in any order."""
    if _HEAD.search(head) is None or '"version"' in head[:40]:
        return False
    found = keys(head)
    return bool(_LABELS & found.keys()) or (is_cut(head) and not _OTHERS & found.keys())


def load(text: str, *, name: str) -> Trace:
    """The trace in a Who&When log.

    Raises:
        LogFormatError: a field is missing or wrong; the message names it.
    """
    from . import parse_json, plain_chat

    log = parse_json(text, name=name)
    if not isinstance(log, dict):
        raise LogFormatError(f"{name}: expected an object with a history, found {type(log).__name__}")
    history = log.get("history")
    if not isinstance(history, list) or not history:
        raise LogFormatError(f"{name}: history is missing or empty (expected a list of messages)")
    if not _LABELS & log.keys() or _unnamed(log, history):
        return plain_chat.load(text, name=name)
    steps = _steps(history, name)
    return _trace(
        history,
        steps,
        name=name,
        format=FORMAT,
        prompts=log.get("system_prompt"),
        task=_text(log, "question", where=name),
        expected=_expected(log, name),
        culprit=_label(log, steps, name),
    )


def _unnamed(log: Mapping[str, object], history: Sequence[object]) -> bool:
    """Whether a chat without a label is none of this benchmark's: an API's roles, and nobody has a name."""
    plain = (isinstance(e, dict) and e.get("role") in ("user", "assistant") and "name" not in e for e in history)
    return "mistake_step" not in log and all(plain)


def orchestrated(history: Sequence[object]) -> bool:
    """Whether the messages' roles say who addresses whom and what is a thought, as Magentic-One's do."""
    roles = [entry.get("role") for entry in history if isinstance(entry, dict)]
    if len(roles) < len(history) or any("name" in entry for entry in history if isinstance(entry, dict)):
        return False
    return any(isinstance(role, str) and _ROLE.fullmatch(role) for role in roles)


def trace_of_chat(
    history: Sequence[object],
    *,
    name: str,
    format: str,  # noqa: A002
    task: str | None = None,
    expected: str | None = None,
    outcome: Outcome | None = None,
) -> Trace:
    """The trace of an orchestrator's chat, with a label or without; the task is what the person asks first.

    Raises:
        LogFormatError: a field is missing or wrong; the message names it.
    """
    steps = _steps(history, name)
    asked = next((step.output for step in steps if step.kind == "human"), "")
    task = asked if task is None else task
    return _trace(history, steps, name=name, format=format, task=task, expected=expected, outcome=outcome)


def _steps(history: Sequence[object], name: str) -> list[Step]:
    steps: list[Step] = []
    for index, entry in enumerate(history):
        steps.append(_step(entry, steps, where=f"{name}: history[{index}]"))
    return steps


def _trace(
    history: Sequence[object],
    steps: list[Step],
    *,
    name: str,
    format: str,  # noqa: A002
    task: str,
    prompts: object = None,
    expected: str | None = None,
    culprit: Culprit | None = None,
    outcome: Outcome | None = None,
) -> Trace:
    try:
        return Trace(
            task=task,
            expected=expected,
            agents=_agents(steps, prompts, name),
            team=_team(history),
            steps=tuple(steps),
            outcome=outcome,
            culprit=culprit,
            fidelity="transcript",
            source=Source(format=format, name=name),
        )
    except ValidationError as error:
        raise LogFormatError(f"{name}: {first_problem(error)}") from None


def _step(entry: object, before: list[Step], *, where: str) -> Step:
    if not isinstance(entry, dict):
        raise LogFormatError(f"{where} is not a message (expected an object, found {type(entry).__name__})")
    content = _text(entry, "content", where=where, empty=True)
    agent, kind, audience = _speaker(entry, content, where)
    continues, reads = heard(before, agent, kind)
    problem = _EXIT.match(content) if kind == "tool" else None
    error = problem[0] if problem else None
    if "Error processing publish message" in content:
        error = "Error processing publish message"
    try:
        return Step(
            index=len(before),
            agent=agent,
            kind=kind,
            output=content,
            audience=audience,
            continues=continues,
            reads=reads,
            error=error,
        )
    except ValidationError as invalid:
        raise LogFormatError(f"{where}: {first_problem(invalid)}") from None


def _speaker(entry: Mapping[str, object], content: str, where: str) -> tuple[str, Kind, tuple[str, ...] | None]:
    role = _text(entry, "role", where=where)
    if "name" in entry or role in ("user", "assistant", "system", "tool"):
        agent = _text(entry, "name", where=where)
        return agent, "tool" if agent in _TOOLS else "llm", None
    match = _ROLE.fullmatch(role)
    if match is None:
        kind: Kind = "human" if role == "human" else "tool" if role in _TOOLS else "llm"
        return role, kind, None
    agent = match["name"]
    if match["end"]:
        return agent, "llm" if "FINAL ANSWER" in content else "control", None
    if match["thought"]:
        return agent, "control" if _CONTROL.match(content) else "llm", ()
    return agent, "llm", (match["to"].strip(),)


def _agents(steps: list[Step], prompts: object, name: str) -> tuple[Agent, ...]:
    if prompts is None:
        prompts = {}
    if not isinstance(prompts, dict):
        raise LogFormatError(f"{name}: system_prompt is not an object (expected a prompt per agent)")
    known = {who: _text(prompts, who, where=f"{name}: system_prompt", empty=True) for who in prompts}
    kinds: dict[str, Kind] = {}
    for step in steps:
        kinds.setdefault(step.agent, "llm" if step.kind == "control" else step.kind)
        for addressee in step.audience or ():
            kinds.setdefault(addressee, "tool" if addressee in _TOOLS else "llm")
    for who in known:
        kinds.setdefault(who, "llm")
    described = _descriptions(steps, kinds)
    return tuple(
        Agent(name=who, kind=kind, system_prompt=known.get(who), description=described.get(who))
        for who, kind in kinds.items()
    )


def _descriptions(steps: list[Step], names: Mapping[str, Kind]) -> dict[str, str]:
    """What an orchestrator's first plan says of each member of the team."""
    plan = next((s.output for s in steps if s.audience == () and "following team" in s.output), "")
    lines = {m["name"]: m["description"].strip() for m in _TEAM_LINE.finditer(plan)}
    return {who: text for who, text in lines.items() if who in names}


def _team(history: Sequence[object]) -> Team:
    roles = [entry.get("role") for entry in history if isinstance(entry, dict)]
    if any(isinstance(role, str) and role.startswith("Orchestrator (") for role in roles):
        return Team(selector="orchestrator")
    return Team(selector="chat", stop_word="TERMINATE")


def _expected(log: Mapping[str, object], name: str) -> str | None:
    for field in ("ground_truth", "groundtruth"):
        if log.get(field) is not None:
            return _text(log, field, where=name, empty=True)
    return None


def _label(log: Mapping[str, object], steps: list[Step], name: str) -> Culprit | None:
    if log.get("mistake_step") is None:
        return None
    where = str(log["mistake_step"]).strip()
    if not where.isdecimal() or len(where) > 9:
        raise LogFormatError(f"{name}: mistake_step is {where[:40]!r} (expected the 0-based number of a step)")
    agent = _text(log, "mistake_agent", where=name)
    if int(where) >= len(steps):
        raise LogFormatError(
            f"{name}: mistake_step is {where}, and the run has steps 0 to {len(steps) - 1}; repair the label"
        )
    if all(step.agent != agent for step in steps):
        raise LogFormatError(f"{name}: mistake_agent is {agent!r}, who says nothing in the run; repair the label")
    reason = log.get("mistake_reason")
    return Culprit(agent=agent, step=int(where), reason=reason if isinstance(reason, str) else "")


def _text(entry: Mapping[str, object], field: str, *, where: str, empty: bool = False) -> str:
    value = entry.get(field)
    if isinstance(value, int | float) and not isinstance(value, bool) and field.startswith("ground"):
        value = str(value)
    if not isinstance(value, str) or not (value or empty):
        separator = ": " if where.endswith(".json") else "."
        found = "is missing" if value is None or value == "" else f"is {type(value).__name__}"
        raise LogFormatError(f"{where}{separator}{field} {found} (expected text); repair the log")
    return value
