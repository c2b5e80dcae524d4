"""An orchestrator's plan and ledger, as Magentic-One style teams write them into the log."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from butfor.replay.trace import Step, Trace

_FIELD = r'"%s"\s*:\s*\{[^{}]*?"answer"\s*:\s*(true|false)'
_PROGRESS = re.compile(_FIELD % "is_progress_being_made")
_LOOP = re.compile(_FIELD % "is_in_loop")
_SATISFIED = re.compile(_FIELD % "is_request_satisfied")
_ITEM = re.compile(r"^[ \t]*(?:\d+[.)]|[-*])[ \t]+(.+)$", re.MULTILINE)
_PLAN = re.compile(r"\bplan\b[^\n]*\n", re.IGNORECASE)


class Ledger(NamedTuple):
    """What an orchestrator noted about the run so far; `None` where the note does not say."""

    progress: bool | None
    loop: bool | None
    satisfied: bool | None


def read_ledger(text: str) -> Ledger | None:
    """The ledger in a message, or `None` where the message is no ledger."""
    if '"is_in_loop"' not in text and '"is_progress_being_made"' not in text:
        return None
    return Ledger(_answer(_PROGRESS, text), _answer(_LOOP, text), _answer(_SATISFIED, text))


def is_orchestrated(trace: Trace) -> bool:
    """Whether somebody directs the team: messages have addressees, or thoughts are kept private."""
    return trace.team.selector == "orchestrator" or any(step.audience is not None for step in trace.steps)


def plan_items(steps: Sequence[Step]) -> tuple[str, ...]:
    """The items of the run's first plan: the list that follows the word "plan" in an early message."""
    for step in steps[:4]:
        begun = _PLAN.search(step.output)
        items = _ITEM.findall(step.output, begun.end()) if begun else []
        if len(items) >= 2:
            return tuple(items[:20])
    return ()


def _answer(pattern: re.Pattern[str], text: str) -> bool | None:
    found = pattern.search(text)
    return None if found is None else found[1] == "true"
