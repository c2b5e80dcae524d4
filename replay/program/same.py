"""What counts as the same: calls and outputs without what differs from run to run by itself."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from butfor.cache.apis.stable import stable_call, stable_text
from butfor.cache.call import Call, Message
from butfor.cache.errors import ButforError
from butfor.replay.pattern import Pattern, pattern_of

_DURATION = re.compile(
    r"\b\d+:\d\d:\d\d(?:\.\d+)?\b"
    r"|(?<![\w.])\d+(?:[.,]\d+)?(?:e[+-]?\d+)?\s?"
    r"(?:ns|us|µs|ms|s|secs?|seconds?|min|minutes?|h|hours?|it/s|s/it|tok(?:ens)?/s)\b"
    r"|(?<=duration=)[\d.e+-]+|(?<=_time=)[\d.e+-]+|(?<=elapsed=)[\d.e+-]+"
)
_RULE = re.compile(r"([=\-─━═_*#~.])\1{3,}")
"""A line drawn across a terminal, as long as what stands in it leaves room for."""


@cache
def pattern(text: str) -> Pattern:
    """A pattern to be ignored.

    Raises:
        ButforError: it is no regular expression.
    """
    try:
        return pattern_of(text)
    except ValueError as error:
        raise ButforError(f"--ignore {text}: it is no regular expression ({error})") from None


def recognised(call: Call, ignore: Sequence[str] = ()) -> Call:
    """A call as it is recognised in a replay: its volatile parts and what is to be ignored replaced."""
    stable = stable_call(call)
    if not ignore:
        return stable
    return stable.model_copy(update={"messages": tuple(_without(message, ignore) for message in stable.messages)})


def first_difference(recorded: str, again: str, ignore: Sequence[str] = ()) -> tuple[str, str] | None:
    """The first lines of two outputs that differ; `None` where none do, or only their order does.

    Durations, times, ids and rules drawn across the terminal do not count: threads print when they get to it.
    """
    before, after = recorded.splitlines(), again.splitlines()
    masked, remasked = ([_masked(line, ignore) for line in lines] for lines in (before, after))
    if Counter(masked) == Counter(remasked):
        return None
    for at in range(max(len(masked), len(remasked))):
        if masked[at : at + 1] != remasked[at : at + 1]:
            return (before[at] if at < len(before) else "", after[at] if at < len(after) else "")
    return None


def _masked(line: str, ignore: Sequence[str]) -> str:
    found = _ignored(stable_text(line), ignore)
    return _RULE.sub(r"\1", _DURATION.sub("<duration>", found)).rstrip()


def _ignored(text: str, ignore: Sequence[str]) -> str:
    for one in ignore:
        text = pattern(one).replaced(text, "<ignored>")
    return text


def _without(message: Message, ignore: Sequence[str]) -> Message:
    calls = tuple(c.model_copy(update={"arguments": _ignored(c.arguments, ignore)}) for c in message.tool_calls)
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": _ignored(content, ignore), "tool_calls": calls})
    parts = content and tuple(
        {**part, "text": _ignored(str(part["text"]), ignore)} if isinstance(part, dict) and "text" in part else part
        for part in content
    )
    return message.model_copy(update={"content": parts, "tool_calls": calls})
