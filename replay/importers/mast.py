"""MAST-Data (mcemri/MAST-Data): runs of seven multi-agent systems, each kept as the text of its log.

How a run is cut into turns depends on the system; it is told by the text itself. Where a system says who
talks to whom (ChatDev's pairs, HyperAgent's reports), only those hear it. Labels are of whole runs, and not
read.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from butfor.cache.errors import LogFormatError
from butfor.replay.reading.assemble import assemble
from butfor.replay.reading.fields import Field, parse_records
from butfor.replay.reading.messages import plain
from butfor.replay.reading.several import Run, name_of, pick
from butfor.replay.reading.sniffing import keys
from butfor.replay.trace import Agent, Kind, Step, Trace

FORMAT = "mast"
_LINES = re.compile(r'"trajectory"\s*:\s*\[\s*"')


class _Turn(NamedTuple):
    """What one speaker says at once."""

    agent: str
    text: str
    kind: Kind = "llm"
    audience: tuple[str, ...] | None = None


class _Talk(NamedTuple):
    """A run in turns."""

    turns: list[_Turn]
    task: str | None = None


def sniff(head: str) -> bool:
    """Records that name their multi-agent system; in the authors' repository, a problem and the lines of a log."""
    found = keys(head).keys()
    lines = "problem_statement" in found and _LINES.search(head) is not None
    return "mas_name" in found or lines or {"run_id", "prompt", "content"} <= found


def load(text: str, *, name: str) -> Trace:
    """The trace of the only record in a file.

    Raises:
        LogFormatError: a record's text is by no system that is known, or there are several records.
    """
    return pick(runs(text, name=name), name=name)


def runs(text: str, *, name: str) -> Mapping[str, Run]:
    """The records of a file, by their position."""
    records = parse_records(text, name=name)
    return {str(i): _run(record, name_of(name, str(i), len(records))) for i, record in enumerate(records)}


def _run(record: Field, name: str) -> Run:
    return lambda: _trace(record, name)


def _trace(record: Field, name: str) -> Trace:
    system = record.maybe_text("mas_name") or "an unnamed system"
    talk = _talk(_trajectory(record))
    if not talk.turns:
        where = record.where
        raise LogFormatError(f"{where}: this log of {system} has no turns that can be told apart; convert it first")
    steps = [
        Step(index=0, agent=turn.agent, kind=turn.kind, output=turn.text, audience=turn.audience) for turn in talk.turns
    ]
    model = record.maybe_text("llm_name")
    agents = [Agent(name=turn.agent, model=model) for turn in talk.turns if turn.kind == "llm"]
    return assemble(steps, format=FORMAT, name=name, agents=agents, task=talk.task)


def _trajectory(record: Field) -> Field:
    if record.get("mas_name") is None and (record.get("problem_statement") or record.get("prompt")) is not None:
        return record
    found = record.get("trace") or record.need("trajectory", "the run's log")
    return found.need("trajectory", "the run's log") if found.is_object else found


def _talk(trajectory: Field) -> _Talk:
    log = trajectory.parsed()
    if log.is_object:
        problem = log.get("problem_statement") or log.get("prompt")
        task = plain(problem) if problem is not None else None
        inner = log.get("trajectory") or log.get("content")
        found = _listed(inner) if inner is not None and inner.is_list else _told(plain(inner))
        return found._replace(task=task or found.task)
    return _listed(log) if log.is_list else _told(log.text())


def _listed(log: Field) -> _Talk:
    """Messages (AG2), or the lines of a log (HyperAgent)."""
    items = log.items()
    if all(item.is_text for item in items):
        return _told("\n".join(item.text() for item in items))
    turns = [
        _Turn(item.maybe_text("name") or item.text("role"), plain(item.get("content")), _kind(item)) for item in items
    ]
    return _Talk(turns)


def _kind(item: Field) -> Kind:
    return "tool" if item.maybe_text("role") == "tool" else "llm"


def _told(text: str) -> _Talk:
    for begins, read in _SYSTEMS:
        if begins.search(text):
            return read(text)
    return _Talk([])


def _blocks(header: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each header and what stands below it, up to the next one."""
    matches = list(header.finditer(text))
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        yield match, text[match.end() : following.start() if following else len(text)]


_CHATDEV = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+\] ", re.MULTILINE)
_PAIR = re.compile(
    r"(?P<speaker>[A-Z][A-Za-z ]{0,60}): \*\*(?P<one>[^*<\n]+)<->(?P<other>[^*\n]+?) on : \w+, turn \d+\*\*"
)
_CHATDEV_TASK = re.compile(r"\*\*task_prompt\*\*: *([^\n|]+)")


def _chatdev(text: str) -> _Talk:
    turns: list[_Turn] = []
    for match, body in _blocks(_CHATDEV, text):
        spoken = _PAIR.match(text, match.end())
        if spoken:
            pair = dict.fromkeys(name.strip() for name in (spoken["one"], spoken["other"]))
            speaker = spoken["speaker"]
            said = body[spoken.end() - match.end() :].strip()
            turns.append(_Turn(speaker, said, audience=tuple(name for name in pair if name != speaker)))
    task = _CHATDEV_TASK.search(text)
    return _Talk(turns, task[1].strip() if task else None)


_METAGPT_LOG = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]", re.MULTILINE)
_FROM = re.compile(r"FROM:\s{0,9}(\S{1,99})\s+TO:")
_NEW = re.compile(r"NEW MESSAGES:\s{0,9}(\w{1,99}):")


def _metagpt_log(text: str) -> _Talk:
    turns: list[_Turn] = []
    task = None
    for _, body in _blocks(_METAGPT_LOG, text):
        block = re.split(r"^-{20,}[ \t]*$|^=== ", body, maxsplit=1, flags=re.MULTILINE)[0]
        asked, new = _FROM.search(block), _NEW.search(block)
        if asked:
            said = block.partition("CONTENT:")[2].strip()
            kind: Kind = "human" if asked[1] == "Human" else "llm"
            turns.append(_Turn(asked[1], said, kind))
            task = task or said
        elif new:
            turns.append(_Turn(new[1], block[new.end() :].strip()))
    return _Talk(turns, task)


_METAGPT_ACT = re.compile(r"^.*?_act:\d+ - \w+\(([\w ]+)\): to do [^\n]*$", re.MULTILINE)
_STAMPED = re.compile(r"\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def _metagpt_acts(text: str) -> _Talk:
    found = _blocks(_METAGPT_ACT, text)
    return _Talk([_Turn(match[1].strip(), _STAMPED.split(body, maxsplit=1)[0].strip()) for match, body in found])


_MAGENTIC = re.compile(r"^-{4,} (\S[^\n]*?) -{4,}[ \t]*$", re.MULTILINE)


def _magentic(text: str) -> _Talk:
    body = text.partition("SCENARIO.PY STARTING")[2].partition("SCENARIO.PY COMPLETE")[0]
    kinds: dict[str, Kind] = {"user": "human", "human": "human", "ComputerTerminal": "tool"}
    turns = [_Turn(m[1], said.strip(), kinds.get(m[1], "llm")) for m, said in _blocks(_MAGENTIC, body)]
    return _Talk(turns)


_HYPERAGENT = re.compile(r"^[ \t]*HyperAgent_\S+ - \w+ - ", re.MULTILINE)
_REPLY = re.compile(r"(?:Inner-(?P<inner>\w+)-Assistant|(?P<outer>\w+))'s Response:|(?P<source>\w+)->(?P<target>\w+):")
_INTERN = re.compile(r"Intern Name:\s*(\w+)")


def _hyperagent(text: str) -> _Talk:
    turns: list[_Turn] = []
    for match, body in _blocks(_HYPERAGENT, text):
        reply = _REPLY.match(text, match.end())
        if not reply:
            continue
        said = body[reply.end() - match.end() :].strip()
        if reply["inner"]:
            turns.append(_Turn(reply["inner"], said, audience=()))
        elif reply["source"]:
            turns.append(_Turn(reply["source"], said, audience=(reply["target"],)))
        else:
            intern = _INTERN.search(said)
            turns.append(_Turn(reply["outer"], said, audience=(intern[1],) if intern else None))
    return _Talk(turns)


_APPWORLD = re.compile(
    r"^[ \t]*(?:(?P<what>Response from|Message to|Reply from|Entering|Exiting) (?P<who>[^\n]+?) "
    r"(?:Agent(?: message loop)?|API)|(?P<code>Code Execution Output))[ \t]*$",
    re.MULTILINE,
)
_APPWORLD_TASK = re.compile(r"^[ \t]*\*{5,} *Task [^\n]*\*{5,}[ \t]*$", re.MULTILINE)


def _appworld(text: str) -> _Talk:
    """Agents answer by code; its output, and what is sent to an agent, are the environment's turns."""
    turns: list[_Turn] = []
    speaker = "Supervisor"
    for match, body in _blocks(_APPWORLD, text):
        said = body.strip()
        if not said:
            continue
        who = (match["who"] or "").capitalize() if (match["who"] or "").islower() else match["who"]
        if match["code"]:
            turns.append(_Turn("CodeExecutor", said, "tool", (speaker,)))
        elif who == "Send_message":
            turns.append(_Turn("send_message", said, "tool", ("Supervisor",)))
        elif match["what"] in ("Response from", "Reply from"):
            speaker = who
            turns.append(_Turn(who, said, "llm", ("CodeExecutor", "send_message", "environment")))
        elif match["what"] == "Message to":
            turns.append(_Turn("environment", said, "tool", (who,)))
    banner, first = _APPWORLD_TASK.search(text), _APPWORLD.search(text)
    task = text[banner.end() : first.start()].strip() if banner and first else None
    return _Talk(turns, task)


_OPENMANUS = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| \w+ +\| [\w.]+:\w+:\d+ - ", re.MULTILINE)
_THOUGHT = re.compile(r"\W*(\w+)'s thoughts:")
_MISSION = re.compile(r"\W*Tool '([^'\n]+)' completed its mission! Result:")


def _openmanus(text: str) -> _Talk:
    turns: list[_Turn] = []
    for match, body in _blocks(_OPENMANUS, text):
        thought, result = _THOUGHT.match(text, match.end()), _MISSION.match(text, match.end())
        if found := thought or result:
            said = body[found.end() - match.end() :].strip()
            turns.append(_Turn(found[1], said, "llm" if thought else "tool"))
    return _Talk(turns)


_AG2_LINE = re.compile(r"^[ \t]*(?:- )?(content|role|name):[ \t]?(.*)$")


def _ag2(text: str) -> _Talk:
    """Messages as indented lines; a message ends with its `name`."""
    head, _, body = text.partition("trajectory:")
    problem = re.search(r"problem_statement:\s*([^\n]+)", head)
    turns: list[_Turn] = []
    content: list[str] = []
    inside = False
    for line in body.split("\n"):
        match = _AG2_LINE.match(line)
        if match and match[1] == "content":
            content, inside = [match[2]], True
        elif match and match[1] == "name":
            turns.append(_Turn(match[2].strip() or "agent", "\n".join(content).strip()))
            content, inside = [], False
        elif match:
            inside = False
        elif inside:
            content.append(line)
    return _Talk(turns, problem[1].strip() if problem else None)


_SYSTEMS: tuple[tuple[re.Pattern[str], Callable[[str], _Talk]], ...] = (
    (_PAIR, _chatdev),
    (_METAGPT_ACT, _metagpt_acts),
    (_NEW, _metagpt_log),
    (re.compile("SCENARIO.PY STARTING"), _magentic),
    (_HYPERAGENT, _hyperagent),
    (_APPWORLD, _appworld),
    (_OPENMANUS, _openmanus),
    (re.compile(r"^[ \t]*trajectory:", re.MULTILINE), _ag2),
)
