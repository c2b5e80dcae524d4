"""What a log shows of each step, as numbers: place, neighbours, news, the final answer, wording, the ledger.

Nothing here looks at the expected answer, the judgement, the label or the file's name.
"""

import re
from collections.abc import Sequence
from math import log1p
from typing import NamedTuple

from butfor.replay.trace import Trace

from .directed import Row, directed
from .glance import Glance, glance
from .words import SIGNS, count, share, words

_BOLD = re.compile(r"\*\*([^*\n]{1,60})\*\*|\\boxed\{([^{}]*)\}")
_BROKEN_TASK = re.compile(r"exitcode|Traceback|error|debug|code provided|unknown language", re.IGNORECASE)
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
    run = glance(trace)
    rows = [_row(run, index) for index in run.steps]
    if run.orchestrated:
        _add_neighbours(run, rows)
        _add_ranks(run, rows)
    else:
        _add_run(run, rows)
    return Described(run.steps, tuple(rows), run.orchestrated)


def _row(run: Glance, index: int) -> dict[str, float]:
    if index not in run.place:
        return {"tool": 1.0} if run.trace.steps[index].kind == "tool" else {"speaker is named": 1.0}
    parts = [_position(run, index), _tools(run, index), _news(run, index), _final(run, index), _wording(run, index)]
    row = {name: float(value) for part in parts for name, value in part.items()}
    row |= {name: float(value) for name, value in _together(run, row).items()}
    if run.orchestrated:
        row |= {name: float(value) for name, value in directed(run, index).items()}
    return row


def _position(run: Glance, index: int) -> Row:
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


def _tools(run: Glance, index: int) -> Row:
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
        "answer in output next": share(run.readings[after].numbers, answer) if follows and run.ran[after] else 0.0,
        "failures before": log1p(sum(run.failed[:index])),
        "failures after": log1p(sum(run.failed[after:])),
        "code": run.code[index],
        "first code": run.code[index] and index == next((c for c in coded if c > 0), None),
        "last code": run.code[index] and index == coded[-1],
        "code before": log1p(sum(run.code[:index])),
        "code after": log1p(sum(run.code[after:])),
        "no code so far": not any(run.code[:after]),
    }


def _news(run: Glance, index: int) -> Row:
    here, seen = run.readings[index], run.seen[index]
    fresh = here.words - seen.words - run.task
    figures = here.numbers - seen.numbers
    unsupported = not run.code[index] and not (index > 0 and run.ran[index - 1])
    return {
        "like an earlier step": run.like_earlier[index],
        "like a later step": run.like_later[index],
        "task words": share(here.words, run.task),
        "words from the task": share(run.task, here.words),
        "new numbers": log1p(len(figures)),
        "new numbers that last": log1p(len(figures & run.later[index])),
        "share of new numbers": len(figures) / max(1, len(here.numbers)),
        "new words": log1p(len(fresh)),
        "share of new words": len(fresh) / max(1, len(here.words)),
        "new names": log1p(len(here.names - seen.names)),
        "numbers from nowhere": run.place[index] > 0 and unsupported and bool(figures),
    }


def _final(run: Glance, index: int) -> Row:
    here, seen, answer = run.readings[index], run.seen[index], run.answer
    brought = (here.numbers - seen.numbers) & answer.numbers
    marked = {part.lower() for pair in _BOLD.findall(answer.text) for part in pair if part}
    earlier = any(mark in other.lower for mark in marked for other in run.readings[:index])
    return {
        "new answer numbers": share(here.numbers - seen.numbers, answer.numbers),
        "brings the answer": bool(brought),
        "first to bring the answer": bool(brought) and not seen.numbers & answer.numbers,
        "answer numbers": share(here.numbers, answer.numbers),
        "answer words": share(here.words, answer.words),
        "new answer words": share(here.words - seen.words - run.task, answer.words),
        "new answer names": share(here.names - seen.names, answer.names),
        "first to say the answer": not earlier and any(mark in here.lower for mark in marked),
    }


def _wording(run: Glance, index: int) -> Row:
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


def _opening(run: Glance, index: int) -> Row:
    """A first message that hands over the task: does what it asks for match the task?"""
    text = run.trace.steps[index].output.replace(run.trace.task, "")
    orders = text.split("# Task and suggestions from manager")[-1]
    return {
        "off the task": 1 - share(words(orders.lower()), run.task),
        "orders hold code": "```" in orders,
        "orders hold an error": _BROKEN_TASK.search(orders) is not None,
        "orders' length": log1p(len(orders)) / 5,
    }


def _together(run: Glance, row: Row) -> Row:
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


def _add_run(run: Glance, rows: Sequence[dict[str, float]]) -> None:
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


def _add_neighbours(run: Glance, rows: Sequence[dict[str, float]]) -> None:
    spoken = [(row, dict(row)) for index, row in zip(run.steps, rows, strict=True) if index in run.place]
    for at, (row, _) in enumerate(spoken):
        for name, other in (("next", at + 1), ("previous", at - 1)):
            if 0 <= other < len(spoken):
                row |= {f"{name}: {shared}": spoken[other][1].get(shared, 0.0) for shared in _SHARED}
            else:
                row[f"{name}: none"] = 1.0


def _add_ranks(run: Glance, rows: Sequence[dict[str, float]]) -> None:
    spoken = [row for index, row in zip(run.steps, rows, strict=True) if index in run.place]
    for name in _RANKED:
        values = sorted(row.get(name, 0.0) for row in spoken)
        below = {value: values.index(value) for value in set(values)}
        equal = {value: values.count(value) for value in below}
        for row in spoken:
            value = row.get(name, 0.0)
            row[f"rank: {name}"] = (below[value] + equal[value] / 2) / len(values) - 0.5
