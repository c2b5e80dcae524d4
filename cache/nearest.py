"""Why a call misses: the nearest call there is an answer for, and what differs."""

import difflib
import heapq
import json
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from .call import Call

_SHOWN_LINES = 24
_WORD = re.compile(r"[\w.-]+")
_VOLATILE = (
    (
        "the clock: a date or time in the prompt; freeze it, or keep it out of the prompt",
        re.compile(
            r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?|\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
        ),
    ),
    (
        "a random id in the prompt (uuid, hash, or address); seed it, or keep it out of the prompt",
        re.compile(r"0x[0-9a-f]+|\b(?=[0-9a-f-]*\d)[0-9a-f]{8}[0-9a-f-]*\b", re.IGNORECASE),
    ),
    ("a number that changes from run to run (random, a counter, or the clock)", re.compile(r"\d+(?:\.\d+)?")),
)
_LINE = 150
"""Characters that are shown of a line."""
_BEFORE = 60
"""Characters that are shown of it before the first that differs."""
_COMPARED_CHARACTERS = 4_000


class Nearest(NamedTuple):
    """A stored call, and how it differs from the one asked."""

    call: Call
    difference: str
    """A diff, from the stored call to the one asked; empty where only the repeats differ."""


def nearest(asked: Call, stored: Iterable[Call]) -> Nearest | None:
    """The stored call most like the one asked: by shared messages first, by the last ones' text second."""
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
    """What changed from one call to the other, as a diff of at most a screenful; empty where nothing
    did.

    The seed that a cache adds to what it asks live is no change.
    """
    if "seed" not in stored.params:
        asked = asked.model_copy(update={"params": {k: v for k, v in asked.params.items() if k != "seed"}})
    if stored.content_key == asked.content_key:
        return ""
    lines = _changes(_lines(stored), _lines(asked))
    if len(lines) > _SHOWN_LINES:
        lines[_SHOWN_LINES:] = [f"… {len(lines) - _SHOWN_LINES} more lines"]
    return "\n".join(lines) or "only the ids of tool calls"


def explain(asked: Call, stored: Iterable[Call]) -> str:
    """A paragraph for an error message: the nearest stored call and the difference, or that there is none."""
    found = nearest(asked, stored)
    if found is None:
        return "nothing is stored at all"
    who = f"{found.call.agent or 'a call'} ({found.call.model})"
    if not found.difference:
        return f"the same call of {who} is stored, but not as often as it was asked, or for another repeat"
    return f"the nearest stored call is of {who}; it differs here:\n{found.difference}"


def _changes(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """What was taken out and put in, each place after the line before it; a long line cut to what differs."""
    shown: list[str] = []
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            continue
        pairs = zip_longest(old[i:i_end], new[j:j_end], fillvalue="")
        starts = [_first_difference(*pair) - _BEFORE for pair in pairs]
        shown += [f" {_cut(line, 0)}" for line in old[max(i - 1, 0) : i]]
        shown += [f"-{_cut(line, start)}" for line, start in zip(old[i:i_end], starts, strict=False)]
        shown += [f"+{_cut(line, start)}" for line, start in zip(new[j:j_end], starts, strict=False)]
    return ["--- stored", "+++ asked", *shown] if shown else []


def _first_difference(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(min(one, other)))


def _cut(line: str, start: int) -> str:
    start = max(start, 0) if len(line) > _LINE else 0
    end = start + _LINE
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"


def likely_cause(stored: Call, asked: Call) -> str:
    """What probably made a call differ from the one stored, judged by the text that differs."""
    before, after = "\n".join(_lines(stored)), "\n".join(_lines(asked))
    if before == after:
        return "the same call was made more often than it was recorded"
    for name, pattern in _VOLATILE:
        if pattern.sub("·", before) == pattern.sub("·", after):
            return name
    if sorted(_WORD.findall(before)) == sorted(_WORD.findall(after)):
        return "the same words in another order: an unordered set, or answers that arrive in no fixed order"
    return "the code that builds the prompt, or the log itself, was changed since it was recorded"


def _lines(call: Call) -> list[str]:
    lines = [f"model: {call.model}", f"params: {json.dumps(dict(call.params), sort_keys=True)}"]
    lines += [f"tool: {tool.model_dump_json()}" for tool in call.tools]
    for message in call.messages:
        lines.append(f"[{message.role}{f' {message.name}' if message.name else ''}]")
        content = message.content
        lines += [json.dumps(part) for part in content] if isinstance(content, tuple) else message.text.split("\n")
        lines += [f"tool call {c.name}({c.arguments})" for c in message.tool_calls]
    return lines


def _likeness(asked: Call, stored: Call) -> float:
    ends = (_end(asked), _end(stored))
    return difflib.SequenceMatcher(None, *ends, autojunk=False).quick_ratio()


def _end(call: Call) -> str:
    return "\n".join(m.text for m in call.messages[-3:])[-_COMPARED_CHARACTERS:]
