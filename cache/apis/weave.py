"""New text and new calls in the places of recorded ones: `woven`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

Slot = Literal["text", "call", "lead", "kept"]
"""What an item of an answer is: text, a call, what must stand right before another item, or what always stays."""


def woven(
    old: Sequence[dict[str, Any]],
    slot: Callable[[dict[str, Any]], Slot],
    *,
    text: dict[str, Any] | None,
    calls: Sequence[dict[str, Any]],
    made: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """The recorded items with new text and calls, each where one like it was, and what belongs to it before it.

    `made` builds a new item on the recorded one in its place, which is `{}` where there is none.
    """
    groups: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = []
    lead: list[dict[str, Any]] = []
    for item in old:
        if slot(item) == "lead":
            lead.append(item)
        else:
            groups.append((lead, item, slot(item)))
            lead = []
    if lead:
        groups.append((lead, {}, "free"))
    filled, rest = _filled(groups, text, calls, made)
    found: list[dict[str, Any]] = []
    for n, (before, item, kind) in enumerate(groups):
        if kind == "kept":
            found += [*before, item]
        elif n in filled:
            if kind == "call" and rest and rest[0] is text:  # what is said stands before what is called
                found.append(made({}, rest.pop(0)))
            found += [*before, filled[n]]
    return [*found, *(made({}, item) for item in rest)]


def _filled(
    groups: Sequence[tuple[list[dict[str, Any]], dict[str, Any], str]],
    text: dict[str, Any] | None,
    calls: Sequence[dict[str, Any]],
    made: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
) -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]]]:
    """Which group is filled with what, and what is left over."""
    spoken = [n for n, (_, _, kind) in enumerate(groups) if kind == "text"][-1:]
    called = [n for n, (_, _, kind) in enumerate(groups) if kind == "call"]
    filled = {n: made(groups[n][1], item) for n, item in zip(called, calls, strict=False)}
    rest = list(calls[len(called) :])
    if text is not None and spoken:
        filled[spoken[0]] = made(groups[spoken[0]][1], text)
    elif text is not None:
        rest.insert(0, text)
    for n, (lead, _, kind) in enumerate(groups):
        # a lead is refused where nothing follows it; calls keep their order
        if rest and lead and kind != "kept" and n not in filled and (rest[0] is text or not called):
            filled[n] = made({}, rest.pop(0))
    return filled, rest
