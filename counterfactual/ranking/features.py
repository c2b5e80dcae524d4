"""What a log shows of each step, as numbers: place, neighbours, news, the final answer, wording, the ledger.

Nothing here looks at the expected answer, the judgement, the label or the file's name.
"""

import re
from collections.abc import Mapping, Sequence
from math import log1p
from typing import NamedTuple

from butfor.replay.trace import Trace, final_answer

from .ledger import Ledger, is_orchestrated, read_ledger
from .suspicion import blameable
from .words import SIGNS, Reading, count, likeness, read, words

Row = Mapping[str, float]
"""The features of one step by name; what is missing is 0."""

_EXIT = re.compile(r"exitcode: [1-9]|execution failed")
_COMPLAINT = re.compile(rf"{_EXIT.pattern}|Traceback|Error\b|error:|not subscribed|Timeout")
_ADDRESS = re.compile(r"\]\((https?://[^\s)?]+)")
_BLOCKED = re.compile(r"404|error|denied|not found|captcha|blocked|timeout|unavailable|are human")
_BOLD = re.compile(r"\*\*([^*\n]{1,60})\*\*|\\boxed\{([^{}]*)\}")
_BROKEN_TASK = re.compile(r"exitcode|Traceback|error|debug|code provided|unknown language", re.IGNORECASE)
_LOOK_BACK = 14
"""Steps on either side that a step is compared with."""
_NOTED = ("assumes", "makes up data", "says it cannot", "speaks of an error", "works by hand", "relies on memory")
_SHARED = (
    "code", "length", "speaks of an error", "apologises", "says it cannot", "says it is verified", "agrees", "assumes",
    "makes up data", "concludes", "works by hand", "tries otherwise", "asks", "brings the answer", "new numbers",
    "short", "same speaker next",
)  # fmt: skip
"""Features of the speakers before and after that matter for a step of an orchestrated run."""
_RANKED = (
    "length", "assumes", "makes up data", "hedges", "speaks of an error", "says it cannot", "concludes", "new numbers",
    "new numbers that last", "new words", "share of new words", "task words", "like an earlier step",
    "answer numbers", "answer words", "new answer words", "says it is verified", "new names",
)  # fmt: skip
"""Features whose rank among the steps of an orchestrated run matters."""


class Described(NamedTuple):
    """A run's steps as numbers."""

    steps: tuple[int, ...]
    """0-based positions of the steps that can be blamed."""
    rows: tuple[Row, ...]
    """One row for each of them."""
    orchestrated: bool
    """Whether somebody directs the team; the two kinds of run show different things."""


def describe(trace: Trace) -> Described:
    """The features of every step that can be blamed."""
    run = _read(trace)
    rows = [_row(run, index) for index in run.steps]
    if run.orchestrated:
        _add_neighbours(run, rows)
        _add_ranks(run, rows)
    else:
        _add_run(run, rows)
    return Described(run.steps, tuple(rows), run.orchestrated)


class _Run(NamedTuple):
    """A log, read once."""

    trace: Trace
    steps: tuple[int, ...]
    orchestrated: bool
    readings: tuple[Reading, ...]
    place: dict[int, int]
    """The ordinal among the team's own messages; tools have none."""
    task: frozenset[str]
    answer: Reading
    """The final answer, its words and numbers without the task's."""
    ended: bool
    """The team ended the run itself, and did not run out of turns."""
    ran: tuple[bool, ...]
    """A tool that did something."""
    failed: tuple[bool, ...]
    complained: tuple[bool, ...]
    """A tool whose output speaks of a failure, whatever its exit code."""
    code: tuple[bool, ...]
    ledgers: tuple[Ledger | None, ...]
    seen: tuple[Reading, ...]
    """Words, numbers and names before each step; `seen[0]` holds the task's numbers only."""
    later: tuple[frozenset[str], ...]
    """Numbers after each step."""
    like_earlier: tuple[float, ...]
    """The likeness of each step to the most alike of those before it."""
    like_later: tuple[float, ...]
    stalls: tuple[int, ...]
    """Steps at which the framework gave up the plan."""


def _read(trace: Trace) -> _Run:
    steps, orchestrated = trace.steps, is_orchestrated(trace)
    readings = tuple(read(step.output) for step in steps)
    place = [s.index for s in steps if s.kind in ("llm", "control") and not s.output.startswith("Next speaker")]
    idle = [s.kind == "tool" and "no code" in r.lower[:60] for s, r in zip(steps, readings, strict=True)]
    complained = _tools_that(trace, readings, _COMPLAINT)
    ledgers = tuple(read_ledger(step.output) if orchestrated else None for step in steps)
    stop = trace.team.stop_word or "TERMINATE"
    satisfied = any(ledger and ledger.satisfied for ledger in ledgers)
    like_earlier, like_later = _likenesses(readings)
    task = read(trace.task)
    return _Run(
        trace=trace,
        steps=blameable(trace),
        orchestrated=orchestrated,
        readings=readings,
        place={index: ordinal for ordinal, index in enumerate(place)},
        task=task.words,
        answer=_answer(trace, task),
        ended=satisfied if orchestrated else any(stop in reading.text for reading in readings[-2:]),
        ran=tuple(s.kind == "tool" and not no for s, no in zip(steps, idle, strict=True)),
        failed=complained if orchestrated else _tools_that(trace, readings, _EXIT),
        complained=complained,
        code=tuple(s.kind != "tool" and "```" in r.text for s, r in zip(steps, readings, strict=True)),
        ledgers=ledgers,
        seen=_seen(readings, task),
        later=_later(readings),
        like_earlier=like_earlier,
        like_later=like_later,
        stalls=tuple(s.index for s in steps if s.kind == "control" and s.output.startswith("Stalled")),
    )


def _tools_that(trace: Trace, readings: Sequence[Reading], fail: re.Pattern[str]) -> tuple[bool, ...]:
    pairs = zip(trace.steps, readings, strict=True)
    return tuple(s.kind == "tool" and (s.error is not None or fail.search(r.text) is not None) for s, r in pairs)


def _answer(trace: Trace, task: Reading) -> Reading:
    answer = read(final_answer(trace))
    return answer._replace(words=answer.words - task.words, numbers=answer.numbers - task.numbers)


def _seen(readings: Sequence[Reading], task: Reading) -> tuple[Reading, ...]:
    found = [Reading("", "", frozenset(), task.numbers, frozenset())]
    for reading in readings:
        before = found[-1]
        union = (before.words | reading.words, before.numbers | reading.numbers, before.names | reading.names)
        found.append(Reading("", "", *union))
    return tuple(found)


def _later(readings: Sequence[Reading]) -> tuple[frozenset[str], ...]:
    found: list[frozenset[str]] = [frozenset()]
    for reading in reversed(readings[1:]):
        found.append(found[-1] | reading.numbers)
    return tuple(reversed(found))


def _likenesses(readings: Sequence[Reading]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    earlier, later = [0.0] * len(readings), [0.0] * len(readings)
    for here, reading in enumerate(readings):
        for other in range(max(0, here - _LOOK_BACK), here):
            alike = likeness(reading.words, readings[other].words)
            earlier[here] = max(earlier[here], alike)
            later[other] = max(later[other], alike)
    return tuple(earlier), tuple(later)


def _row(run: _Run, index: int) -> dict[str, float]:
    if index not in run.place:
        return {"tool": 1.0} if run.trace.steps[index].kind == "tool" else {"speaker is named": 1.0}
    parts = [_position(run, index), _tools(run, index), _news(run, index), _final(run, index), _wording(run, index)]
    row = {name: float(value) for part in parts for name, value in part.items()}
    row |= {name: float(value) for name, value in _together(run, row).items()}
    if run.orchestrated:
        row |= {name: float(value) for name, value in _directed(run, index).items()}
    return row


def _position(run: _Run, index: int) -> Row:
    steps, place = run.trace.steps, run.place[index]
    step, last = steps[index], len(steps) - 1
    speakers = list(run.place)
    agents = [other.agent for other in steps]
    length = len(step.output)
    return {
        **{f"message {nth}": place == nth for nth in range(6)},
        "first of all": index == 0,
        "messages before": log1p(place),
        "relative position": index / max(1, last),
        "steps to the end": min(last - index, 6) / 6,
        "last message": index == speakers[-1],
        "last but one": len(speakers) > 1 and index == speakers[-2],
        "length": log1p(length) / 5,
        "short": length < 200,
        "very short": length < 40,
        "opener": step.agent == agents[speakers[0]],
        "agent's first": step.agent not in agents[:index],
        "agent's messages before": log1p(agents[:index].count(step.agent)),
        "agent's share": agents.count(step.agent) / len(agents),
        "same speaker before": index > 0 and agents[index - 1] == step.agent,
        "same speaker next": index < last and agents[index + 1] == step.agent,
    }


def _tools(run: _Run, index: int) -> Row:
    steps, after = run.trace.steps, index + 1
    follows, precedes = after < len(steps), index > 0
    coded = [other for other in run.place if run.code[other]]
    answer = run.answer.numbers
    tool_next = follows and steps[after].kind == "tool"
    return {
        "tool next": tool_next,
        "tool before": precedes and steps[index - 1].kind == "tool",
        "failure before": precedes and run.failed[index - 1],
        "complaint before": precedes and run.complained[index - 1],
        "success before": precedes and run.ran[index - 1] and not run.complained[index - 1],
        "nothing run before": precedes and steps[index - 1].kind == "tool" and not run.ran[index - 1],
        "failure next": follows and run.failed[after],
        "success next": follows and run.ran[after] and not run.failed[after],
        "complaint next": follows and run.complained[after],
        "nothing run next": tool_next and not run.ran[after],
        "little output next": follows and run.ran[after] and len(run.readings[after].text) < 120,
        "answer in output next": _share(run.readings[after].numbers, answer) if follows and run.ran[after] else 0.0,
        "failures before": log1p(sum(run.failed[:index])),
        "failures after": log1p(sum(run.failed[after:])),
        "code": run.code[index],
        "first code": run.code[index] and index == next((c for c in coded if c > 0), None),
        "last code": run.code[index] and index == coded[-1],
        "code before": log1p(sum(run.code[:index])),
        "code after": log1p(sum(run.code[after:])),
        "no code so far": not any(run.code[:after]),
    }


def _news(run: _Run, index: int) -> Row:
    here, seen = run.readings[index], run.seen[index]
    fresh = here.words - seen.words - run.task
    figures = here.numbers - seen.numbers
    unsupported = not run.code[index] and not (index > 0 and run.ran[index - 1])
    return {
        "like an earlier step": run.like_earlier[index],
        "like a later step": run.like_later[index],
        "task words": _share(here.words, run.task),
        "words from the task": _share(run.task, here.words),
        "new numbers": log1p(len(figures)),
        "new numbers that last": log1p(len(figures & run.later[index])),
        "share of new numbers": len(figures) / max(1, len(here.numbers)),
        "new words": log1p(len(fresh)),
        "share of new words": len(fresh) / max(1, len(here.words)),
        "new names": log1p(len(here.names - seen.names)),
        "numbers from nowhere": run.place[index] > 0 and unsupported and bool(figures),
    }


def _final(run: _Run, index: int) -> Row:
    here, seen, answer = run.readings[index], run.seen[index], run.answer
    brought = (here.numbers - seen.numbers) & answer.numbers
    marked = {part.lower() for pair in _BOLD.findall(answer.text) for part in pair if part}
    earlier = any(mark in other.lower for mark in marked for other in run.readings[:index])
    return {
        "new answer numbers": _share(here.numbers - seen.numbers, answer.numbers),
        "brings the answer": bool(brought),
        "first to bring the answer": bool(brought) and not seen.numbers & answer.numbers,
        "answer numbers": _share(here.numbers, answer.numbers),
        "answer words": _share(here.words, answer.words),
        "new answer words": _share(here.words - seen.words - run.task, answer.words),
        "new answer names": _share(here.names - seen.names, answer.names),
        "first to say the answer": not earlier and any(mark in here.lower for mark in marked),
    }


def _wording(run: _Run, index: int) -> Row:
    reading = run.readings[index]
    if run.place[index] == 0 and not run.orchestrated:
        return _opening(run, index)
    counts = {sign: count(reading.lower, sign) for sign in SIGNS}
    return {
        **{sign: log1p(number) for sign, number in counts.items()},
        **{f"{sign} at all": counts[sign] > 0 for sign in _NOTED},
        "ends the run": (run.trace.team.stop_word or "TERMINATE") in reading.text,
        "concludes without code": log1p(counts["concludes"]) * (not run.code[index]),
    }


def _opening(run: _Run, index: int) -> Row:
    """A first message that hands over the task: does what it asks for match the task?"""
    text = run.trace.steps[index].output.replace(run.trace.task, "")
    orders = text.split("# Task and suggestions from manager")[-1]
    return {
        "off the task": 1 - _share(words(orders.lower()), run.task),
        "orders hold code": "```" in orders,
        "orders hold an error": _BROKEN_TASK.search(orders) is not None,
        "orders' length": log1p(len(orders)) / 5,
    }


def _together(run: _Run, row: Row) -> Row:
    """Products that matter: what a place means depends on how the run went."""
    failing, ended, code = float(any(run.failed)), float(run.ended), row["code"]
    exhausted = 1 - ended
    products = {
        "code, run out": exhausted * code,
        "last code, run out": exhausted * row["last code"],
        "failure next, run ended": ended * row["failure next"],
        "answer brought, run ended": ended * row["brings the answer"],
        "position, run out": exhausted * row["relative position"],
        "position by length": log1p(len(run.trace.steps)) * row["relative position"] / 2,
    }
    for nth in range(3):
        here = row[f"message {nth}"]
        products[f"message {nth}, failures"] = here * failing
        products[f"message {nth}, run ended"] = here * ended
        products[f"message {nth}, code"] = here * code
    return products


def _directed(run: _Run, index: int) -> Row:
    """What only an orchestrated run shows: plans, ledgers, instructions, and the actions they led to."""
    step = run.trace.steps[index]
    if step.audience == ():
        return _thought(run, index)
    if step.audience:
        return {"instruction": 1.0, **_turn(run, index, "instruction"), **_instruction(run, index)}
    return {"action": 1.0, **_turn(run, index, "action"), **_action(run, index)}


def _thought(run: _Run, index: int) -> Row:
    text, ledger = run.readings[index].text, run.ledgers[index]
    row: dict[str, float] = {
        "thought": 1.0,
        "ledger": ledger is not None,
        "plan": text.startswith("Initial plan"),
        "new plan": text.startswith("New plan"),
        "gives up the plan": index in run.stalls,
        "first to give up the plan": run.stalls[:1] == (index,),
        "declares success": text.startswith("Request satisfied"),
    }
    if ledger:
        earlier = [other for other in run.ledgers[:index] if other]
        row |= {
            "notes progress": ledger.progress is True,
            "notes a loop": ledger.loop is True,
            "notes success": ledger.satisfied is True,
            "notes progress lost": bool(earlier) and earlier[-1].progress is True and ledger.progress is False,
            "notes a first loop": ledger.loop is True and not any(other.loop for other in earlier),
            "ledgers before": log1p(len(earlier)),
        }
    return row


def _turn(run: _Run, index: int, who: str) -> Row:
    """Where an action or an instruction stands among the actions, and what the next ledger says of it."""
    steps = run.trace.steps
    acted = [s.index for s in steps if s.kind in ("llm", "control") and s.audience is None]
    before = sum(other < index for other in acted)
    stalled = any(stall in run.stalls for stall in range(index + 1, index + 4))
    row: dict[str, float] = {
        "turns before": log1p(before),
        **{f"turn {nth}": before == nth for nth in range(4)},
        "last turn": before >= len(acted) - 1,
        "relative turn": before / max(1, len(acted)),
        "plan given up next": stalled,
        "plan first given up next": stalled and not any(stall < index for stall in run.stalls),
        "plan was given up": any(stall < index for stall in run.stalls),
        "plans given up": log1p(sum(stall < index for stall in run.stalls)),
    }
    earlier = [ledger for ledger in run.ledgers[:index] if ledger]
    following = next((ledger for ledger in run.ledgers[index + 1 :] if ledger), None)
    if following:
        row |= {
            "no progress next": following.progress is False,
            "loop next": following.loop is True,
            "success next": following.satisfied is True,
            "first without progress": following.progress is False and not any(e.progress is False for e in earlier),
            "first loop next": following.loop is True and not any(e.loop for e in earlier),
        }
        if earlier:
            row["progress lost next"] = earlier[-1].progress is True and following.progress is False
            row["loop begins next"] = not earlier[-1].loop and following.loop is True
    return {f"{who}: {name}": value for name, value in row.items()}


def _instruction(run: _Run, index: int) -> Row:
    steps, here = run.trace.steps, run.readings[index]
    given = [s.index for s in steps[:index] if s.audience]
    to = (steps[index].audience or ("",))[0]
    return {
        "instruction repeats": max((likeness(here.words, run.readings[j].words) for j in given[-4:]), default=0.0),
        "instruction to a tool": run.trace.agent(to).kind == "tool",
        "instruction not to the web": "surf" not in to.lower(),
        "instruction to somebody new": all(steps[j].audience != steps[index].audience for j in given),
    }


def _action(run: _Run, index: int) -> Row:
    steps, text = run.trace.steps, run.trace.steps[index].output
    address = _ADDRESS.search(text)
    visited = {found[1] for s in steps[:index] if s.audience is None and (found := _ADDRESS.search(s.output))}
    order = next((s.index for s in reversed(steps[:index]) if s.audience), None)
    asked = run.readings[order].words if order is not None else frozenset()
    return {
        "typed": text.startswith("I typed"),
        "clicked": text.startswith("I clicked"),
        "scrolled": text.startswith("I scrolled"),
        "hardly anything": len(text) < 150,
        "prose": not text.startswith("I ") and len(text) >= 150,
        "search page": "bing.com/search" in text,
        "page seen before": address is not None and address[1] in visited,
        "new page": address is not None and address[1] not in visited,
        "blocked": _BLOCKED.search(run.readings[index].lower) is not None,
        "advertisement": any(mark in text[:1500].lower() for mark in ("utm_", "gclid", "/ad", "sponsor")),
        "in a browser": "screenshot" in text[:600] or "viewport" in text[:600].lower(),
        "not a web surfer": "surf" not in steps[index].agent.lower(),
        "instruction's words": _share(run.readings[index].words, asked),
    }


def _add_run(run: _Run, rows: Sequence[dict[str, float]]) -> None:
    """What the run as a whole looked like, beside every step: trees read the rest in its light."""
    own = [row for row in rows if "tool" not in row] or [{}]

    def most(name: str) -> float:
        return max(row.get(name, 0.0) for row in own)

    whole = {
        "run: length": log1p(len(rows)),
        "run: agents": float(len({step.agent for step in run.trace.steps})),
        "run: code": sum(row.get("code", 0.0) for row in own) / len(own),
        "run: failures": sum(row.get("failure next", 0.0) for row in own) / 3,
        "run: ended": float(run.ended),
        "run: assumes": most("assumes at all"),
        "run: makes up data": most("makes up data at all"),
        "run: off the task": most("off the task"),
        "run: orders hold an error": most("orders hold an error"),
        "run: orders hold code": most("orders hold code"),
        "run: tools": 1 - len(own) / max(1, len(rows)),
        "run: ends on a failure": rows[-1].get("failure before", 0.0) if rows else 0.0,
    }
    for row in rows:
        row |= whole


def _add_neighbours(run: _Run, rows: Sequence[dict[str, float]]) -> None:
    spoken = [(row, dict(row)) for index, row in zip(run.steps, rows, strict=True) if index in run.place]
    for at, (row, _) in enumerate(spoken):
        for name, other in (("next", at + 1), ("previous", at - 1)):
            if 0 <= other < len(spoken):
                row |= {f"{name}: {shared}": spoken[other][1].get(shared, 0.0) for shared in _SHARED}
            else:
                row[f"{name}: none"] = 1.0


def _add_ranks(run: _Run, rows: Sequence[dict[str, float]]) -> None:
    spoken = [row for index, row in zip(run.steps, rows, strict=True) if index in run.place]
    for name in _RANKED:
        values = sorted(row.get(name, 0.0) for row in spoken)
        below = {value: values.index(value) for value in set(values)}
        equal = {value: values.count(value) for value in below}
        for row in spoken:
            value = row.get(name, 0.0)
            row[f"rank: {name}"] = (below[value] + equal[value] / 2) / len(values) - 0.5


def _share(found: frozenset[str], wanted: frozenset[str]) -> float:
    return len(found & wanted) / len(wanted) if wanted else 0.0
