"""What only an orchestrated run shows of a step: plans, ledgers, instructions, and the actions they led to."""

import re
from collections.abc import Mapping
from math import log1p

from .glance import Glance
from .words import likeness, share

Row = Mapping[str, float]
"""The features of one step by name; what is missing is 0."""

_ADDRESS = re.compile(r"\]\((https?://[^\s)?]+)")
_BLOCKED = re.compile(r"404|error|denied|not found|captcha|blocked|timeout|unavailable|are human")


def directed(run: Glance, index: int) -> Row:
    """What only an orchestrated run shows: plans, ledgers, instructions, and the actions they led to."""
    step = run.trace.steps[index]
    if step.audience == ():
        return _thought(run, index)
    if step.audience:
        return {"instruction": 1.0, **_turn(run, index, "instruction"), **_instruction(run, index)}
    return {"action": 1.0, **_turn(run, index, "action"), **_action(run, index)}


def _thought(run: Glance, index: int) -> Row:
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


def _turn(run: Glance, index: int, who: str) -> Row:
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


def _instruction(run: Glance, index: int) -> Row:
    steps, here = run.trace.steps, run.readings[index]
    given = [s.index for s in steps[:index] if s.audience]
    to = (steps[index].audience or ("",))[0]
    tools = {agent.name for agent in run.trace.agents if agent.kind == "tool"}
    return {
        "instruction repeats": max((likeness(here.words, run.readings[j].words) for j in given[-4:]), default=0.0),
        "instruction to a tool": to in tools,
        "instruction not to the web": "surf" not in to.lower(),
        "instruction to somebody new": all(steps[j].audience != steps[index].audience for j in given),
    }


def _action(run: Glance, index: int) -> Row:
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
        "instruction's words": share(run.readings[index].words, asked),
    }
