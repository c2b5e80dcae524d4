"""Where a failed run leaves the path: that of successful runs of the same task, or of its own plan and ledger."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import partial
from itertools import islice
from typing import NamedTuple

from butfor.replay.trace import Step, Trace

from .ledger import Ledger, plan_items, read_ledger
from .suspicion import Suspicion, blameable, ordered
from .words import likeness, read, share, words

_ALIKE = 0.35
"""Shared words over all words, from which two steps by the same agent do the same."""
_FADES = 0.8
"""Each step that leaves the path makes the next one less suspect: it may only follow from the first."""
_TOOL = 0.5
"""A tool's result differs because its call differed."""
_REPEATS = 0.8
"""Shared words over all words, from which a step says what was said."""
_LOOK_BACK = 5
"""Messages of the same agent that a step is compared with."""
_ON_PLAN = 0.15
"""Words of an item of the plan, from which a step works on it."""
_FEWEST_WORDS = 5
_ON_PATH = "on the path of the successful runs"
_ON_OWN_PATH = "in line with the run's own plan and ledger"


class Parting(NamedTuple):
    """Where a failed run and a successful one part."""

    step: int
    """The first step of the failed run that the successful one lacks; the number of its steps if it has all."""
    matched: dict[int, int]
    """Steps of the failed run and the steps of the successful one that do the same, both in order."""


def trajectory(trace: Trace, /, *, successes: Sequence[Trace] = ()) -> tuple[Suspicion, ...]:
    """Rank the steps by where the run leaves the path; of several successful runs, the nearest counts.

    Without successful runs the path is the run's own: what its plan leaves out, what its ledger calls a loop or no
    progress, what failed, and what repeats an earlier step.
    """
    if not successes:
        return _against_itself(trace)
    nearest = max((part(trace, success) for success in successes), key=lambda parting: len(parting.matched))
    return _against_success(trace, nearest, len(successes))


def along(*successes: Trace) -> "partial[tuple[Suspicion, ...]]":
    """The ranker that compares a failed run with these successful runs of its task."""
    return partial(trajectory, successes=successes)


def part(failed: Trace, success: Trace) -> Parting:
    """Align two runs of one task by agent, role and content, and find where they part.

    Steps that do the same get the same letter, and difflib finds the longest common stretches of letters.
    """
    theirs = [(step, read(step.output).words) for step in success.steps if step.kind != "human"]
    letters: list[int] = []
    ours = list(blameable(failed))
    for index in ours:
        step = failed.steps[index]
        said = read(step.output).words
        likenesses = [
            _likeness(step, said, other, other_said) if _same_role(step, other) else 0.0 for other, other_said in theirs
        ]
        best = max(range(len(theirs)), key=lambda at: (likenesses[at], -abs(at - len(letters))), default=None)
        letters.append(best if best is not None and likenesses[best] >= _ALIKE else -1 - index)
    blocks = SequenceMatcher(None, letters, range(len(theirs)), autojunk=False).get_matching_blocks()
    matched = {ours[block.a + at]: theirs[block.b + at][0].index for block in blocks for at in range(block.size)}
    return Parting(next((index for index in ours if index not in matched), len(failed.steps)), matched)


def _same_role(step: Step, other: Step) -> bool:
    return step.agent == other.agent and step.kind == other.kind and step.audience == other.audience


def _likeness(step: Step, said: frozenset[str], other: Step, other_said: frozenset[str]) -> float:
    same = step.output == other.output and step.tool_calls == other.tool_calls
    return 1.0 if same else likeness(said, other_said)


def _against_success(trace: Trace, parting: Parting, runs: int) -> tuple[Suspicion, ...]:
    scores: dict[int, float] = {}
    reasons: dict[int, str] = {}
    weight = 1.0
    path = "the successful run" if runs == 1 else f"the nearest of {runs} successful runs"
    for index in blameable(trace):
        if index in parting.matched:
            reasons[index] = f"does what step {parting.matched[index]} of {path} does"
            continue
        tool = trace.steps[index].kind == "tool"
        scores[index] = weight * (_TOOL if tool else 1.0)
        first = index == parting.step
        reasons[index] = f"here the run leaves the path of {path}" if first else f"not on the path of {path}"
        if not tool:
            weight *= _FADES
    return ordered(trace, scores, reasons, otherwise=_ON_PATH)


def _against_itself(trace: Trace) -> tuple[Suspicion, ...]:
    scores: dict[int, float] = {}
    reasons: dict[int, str] = {}
    weight = 1.0
    own = _own_path(trace)
    for index in blameable(trace):
        signs = _signs(trace, index, own)
        if signs:
            strength = 1.0
            for sign in signs:
                strength *= 1 - sign[0]
            scores[index] = weight * (1 - strength)
            reasons[index] = "; ".join(said for _, said in signs)
            weight *= _FADES
    return ordered(trace, scores, reasons, otherwise=_ON_OWN_PATH)


class _OwnPath(NamedTuple):
    plan: tuple[frozenset[str], ...]
    said: tuple[frozenset[str], ...]
    """The words of each step."""
    ledgers: tuple[Ledger | None, ...]


def _own_path(trace: Trace) -> _OwnPath:
    return _OwnPath(
        plan=tuple(words(item.lower()) for item in plan_items(trace.steps)),
        said=tuple(read(step.output).words for step in trace.steps),
        ledgers=tuple(read_ledger(step.output) for step in trace.steps),
    )


def _signs(trace: Trace, index: int, own: _OwnPath) -> list[tuple[float, str]]:
    """What says that the step left the run's own path, each with its strength in [0, 1]."""
    step = trace.steps[index]
    if step.kind == "control":
        return [(0.4, "gives up the plan")] if step.output.startswith("Stalled") else []
    if step.kind == "tool":
        return []
    found: list[tuple[float, str]] = []
    before = next((ledger for ledger in reversed(own.ledgers[:index]) if ledger), None)
    after = next((ledger for ledger in own.ledgers[index + 1 :] if ledger), None)
    if own.ledgers[index] is None and step.audience != ():
        if after and after.progress is False and (before is None or before.progress is not False):
            found.append((0.5, "the ledger then notes that progress stopped"))
        if after and after.loop and not (before and before.loop):
            found.append((0.4, "the ledger then notes a loop"))
    following = trace.steps[index + 1] if index + 1 < len(trace.steps) else None
    if following is not None and following.kind == "tool" and following.error:
        found.append((0.5, "the tool it called failed"))
    if step.error:
        found.append((0.5, "reports an error"))
    said = own.said[index]
    earlier = (other.index for other in reversed(trace.steps[:index]) if other.agent == step.agent and other.output)
    if any(likeness(said, own.said[other]) >= _REPEATS for other in islice(earlier, _LOOK_BACK)):
        found.append((0.3, "repeats an earlier step of the agent"))
    works = index > 1 and step.audience != () and len(said) >= _FEWEST_WORDS
    if works and own.plan and max(share(said, item) for item in own.plan) < _ON_PLAN:
        found.append((0.3, "does nothing that the plan lists"))
    return found
