"""Why a call misses: the nearest call there is an answer for, and what differs."""

import difflib
import heapq
import json
from collections.abc import Iterable
from typing import NamedTuple

from .call import Call

_SHOWN_LINES = 24
_COMPARED_CHARACTERS = 4_000


class Nearest(NamedTuple):
    """A stored call, and how it differs from the one asked."""

    call: Call
    difference: str
    """A unified diff, from the stored call to the one asked; empty where only the count of repeats differs."""


def nearest(asked: Call, stored: Iterable[Call]) -> Nearest | None:
    """The stored call most like the one asked: by shared messages first, by the text of the last ones second."""
    wanted = {message._digest for message in asked.messages}

    def shared(call: Call) -> tuple[int, bool, bool]:
        common = sum(message._digest in wanted for message in call.messages)
        spare = len(call.messages) - common
        return 2 * common - spare, call.agent == asked.agent, call.model == asked.model

    best = heapq.nlargest(5, stored, key=shared)
    if not best:
        return None
    top = shared(best[0])[0]
    ties = [call for call in best if shared(call)[0] == top]
    chosen = max(ties, key=lambda call: _likeness(asked, call)) if len(ties) > 1 else ties[0]
    return Nearest(chosen, difference(chosen, asked))


def difference(stored: Call, asked: Call) -> str:
    """What changed from one call to the other, as a unified diff of at most a screenful."""
    lines = list(difflib.unified_diff(_lines(stored), _lines(asked), "stored", "asked", n=1, lineterm=""))
    shown = lines[:_SHOWN_LINES]
    if len(lines) > len(shown):
        shown.append(f"… {len(lines) - len(shown)} more lines")
    return "\n".join(line if len(line) <= 160 else f"{line[:157]}…" for line in shown)


def explain(asked: Call, stored: Iterable[Call]) -> str:
    """A paragraph for an error message: the nearest stored call and the difference, or that there is none."""
    found = nearest(asked, stored)
    if found is None:
        return "nothing is stored at all"
    who = f"{found.call.agent or 'a call'} ({found.call.model})"
    if not found.difference:
        return f"the same call of {who} is stored, but not as often as it was asked, or for another repeat"
    return f"the nearest stored call is of {who}; it differs here:\n{found.difference}"


def _lines(call: Call) -> list[str]:
    head = {"model": call.model, "tools": [t.name for t in call.tools], "params": dict(call.params)}
    lines = [f"{name}: {json.dumps(value, sort_keys=True)}" for name, value in head.items()]
    for message in call.messages:
        lines.append(f"[{message.role}{f' {message.name}' if message.name else ''}]")
        lines.extend(message.text.splitlines())
        lines.extend(f"tool call {c.name}({c.arguments})" for c in message.tool_calls)
    return lines


def _likeness(asked: Call, stored: Call) -> float:
    ends = (_end(asked), _end(stored))
    return difflib.SequenceMatcher(None, *ends, autojunk=False).quick_ratio()


def _end(call: Call) -> str:
    return "\n".join(m.text for m in call.messages[-3:])[-_COMPARED_CHARACTERS:]
