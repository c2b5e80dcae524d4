"""What to do about a step: the kind of failure it looks like, the evidence for it, and a change to try.

The kinds are those that taxonomies of multi-agent failures share (MAST, Cemri et al. 2025, has the first three as its
classes). They are read off the run by plain rules, so the advice says what it rests on; `butfor whatif` tries it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Literal

from butfor.cache.call import Frozen
from butfor.replay.trace import Step, Trace

from .leak import numbers_in

FailureKind = Literal["tool", "missing context", "verification", "miscommunication", "specification"]
ChangeKind = Literal["instruction", "check", "confirmation step"]

_ASSUMES = re.compile(
    r"[^.\n]*\b(?:assum\w+|hypothetical\w*|suppose|placeholder|sample data|mock\w*|pretend|made[- ]up|from memory)\b"
    r"[^.\n]*",
    re.IGNORECASE,
)
_CLAIMS = re.compile(
    r"[^.\n]*\b(?:verified|confirmed|validated|is correct|are correct|accurate)\b[^.\n]*", re.IGNORECASE
)
_EXCERPT = 200
_FEWEST_NUMBERS = 2


class Evidence(Frozen):
    """A passage of the run."""

    step: int
    text: str


class Advice(Frozen):
    """A likely kind of failure, and what to try."""

    step: int
    agent: str
    kind: FailureKind
    why: str
    evidence: tuple[Evidence, ...]
    change: ChangeKind
    instruction: str
    """What to tell the agent; `butfor whatif --instruct` tries it."""


def advise(trace: Trace, step: int) -> tuple[Advice, ...]:
    """What a step's failure looks like, the likeliest kind first; the last is always the task itself."""
    return tuple(found for look in _LOOKS for found in look(trace, trace.steps[step]))


def _tool(trace: Trace, step: Step) -> Iterator[Advice]:
    """An error of a tool that the step called, or read and passed over."""
    around = [trace.steps[i] for i in trace.context(step.index)[-1:]]
    around += [later for later in trace.steps[step.index + 1 :][:1] if step.index in trace.context(later.index)]
    for other in around:
        if other.error:
            yield _advice(
                step,
                "tool",
                f"the tool's answer in step {other.index} is an error, and the run went on from it",
                [Evidence(step=other.index, text=_short(other.error))],
                "check",
                "When a tool reports an error, say so, find the cause and call it again; never go on from a failed "
                "call.",
            )


def _missing_context(trace: Trace, step: Step) -> Iterator[Advice]:
    """Something assumed or made up instead of looked up."""
    passages = [match[0].strip() for match in _ASSUMES.finditer(step.output)]
    if passages:
        yield _advice(
            step,
            "missing context",
            "the step assumes or makes up what it should have been given or looked up",
            [Evidence(step=step.index, text=_short(passage)) for passage in passages[:2]],
            "instruction",
            "Use only what the task, the conversation or a tool has given you. If something is missing, ask for it or "
            "look it up; do not assume it.",
        )


def _miscommunication(trace: Trace, step: Step) -> Iterator[Advice]:
    """A figure that differs from every one it was told: passed on wrongly, or computed without showing how."""
    read = [trace.steps[i] for i in trace.context(step.index)]
    known = {number for text in (trace.task, *(s.output for s in read)) for number in numbers_in(text)}
    new = [n for n in dict.fromkeys(numbers_in(step.output)) if n not in known and abs(n) > 12]
    last = next((s for s in reversed(read) if set(numbers_in(s.output))), None)
    if new and last and len(known) >= _FEWEST_NUMBERS:
        shown = ", ".join(f"{float(n):,.10g}" for n in new[:3])
        yield _advice(
            step,
            "miscommunication",
            f"the step says {shown}, which nothing that it had read says",
            [Evidence(step=last.index, text=_short(last.output)), Evidence(step=step.index, text=_short(step.output))],
            "confirmation step",
            "Quote every figure you use together with where it comes from, and show the calculation of any new one, so "
            "that the next agent can confirm it.",
        )


def _verification(trace: Trace, step: Step) -> Iterator[Advice]:
    """A claim to have checked, with no check in sight."""
    claims = [match[0].strip() for match in _CLAIMS.finditer(step.output)]
    checked = any(trace.steps[i].kind == "tool" and not trace.steps[i].error for i in trace.context(step.index)[-2:])
    if claims and not checked:
        yield _advice(
            step,
            "verification",
            "the step calls something verified, and no tool was run for that",
            [Evidence(step=step.index, text=_short(claim)) for claim in claims[:2]],
            "check",
            "Do not call anything verified unless you checked it in this message, independently: repeat the "
            "calculation or the look-up, and show it.",
        )


def _specification(trace: Trace, step: Step) -> Iterator[Advice]:
    """Whatever else it is, the step may have lost sight of the task."""
    yield _advice(
        step,
        "specification",
        "the step may not do what the task asks; compare the two",
        [Evidence(step=step.index, text=_short(step.output))],
        "instruction",
        "Before you answer, restate every condition of the task in one line each, and make sure that your message "
        "meets all of them.",
    )


_LOOKS: tuple[Callable[[Trace, Step], Iterator[Advice]], ...] = (
    _tool,
    _missing_context,
    _miscommunication,
    _verification,
    _specification,
)


def _advice(
    step: Step, kind: FailureKind, why: str, evidence: list[Evidence], change: ChangeKind, instruction: str
) -> Advice:
    return Advice(
        step=step.index,
        agent=step.agent,
        kind=kind,
        why=why,
        evidence=tuple(evidence),
        change=change,
        instruction=instruction,
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[: _EXCERPT - 1]}…"
