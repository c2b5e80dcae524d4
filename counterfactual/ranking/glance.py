"""A log, read once for all features: who ran what, what was new when, how it ended."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from butfor.replay.trace import Trace, final_answer

from .ledger import Ledger, is_orchestrated, read_ledger
from .suspicion import blameable
from .words import Reading, likeness, read

_EXIT = re.compile(r"exitcode: [1-9]|execution failed")
_COMPLAINT = re.compile(rf"{_EXIT.pattern}|Traceback|Error\b|error:|not subscribed|Timeout")
_LOOK_BACK = 14
"""Steps on either side that a step is compared with."""


class Glance(NamedTuple):
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


def glance(trace: Trace) -> Glance:
    """Read a log once."""
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
    return Glance(
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
