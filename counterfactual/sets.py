"""Steps that only flip the outcome together: `repairs`, and `smaller`, which leaves out what is not needed."""

from collections.abc import Sequence

from .experiment import Experiment
from .trial import Finding

SHARE = 0.1
"""Of the chance of a false blame, for all trials of sets."""


def repairs(experiment: Experiment, steps: Sequence[int], *, share: float = SHARE) -> Finding:
    """What correcting these steps, one after the other, does; undecided where that cannot be done."""
    interventions = experiment.propose_together(steps)
    if not interventions:
        return "undecided"
    candidates = len(experiment.candidates) / share if len(interventions) == 1 else 2 * len(steps) / share
    return experiment.trial(*interventions, candidates=candidates).finding


def smaller(experiment: Experiment, steps: Sequence[int], *, share: float = SHARE) -> None:
    """Leave out of a set that repairs the run what is not needed: halves first, then one step after the other.

    A step is needed only where the set without it surely does not repair the run.
    """
    members = _members(experiment, steps)
    size = max(1, len(members) // 2)
    while True:
        for chunk in _chunks(members, size):
            fewer = [step for step in members if step not in chunk]
            if not fewer:
                continue
            finding = repairs(experiment, fewer, share=share)
            if finding == "flips":
                members = _members(experiment, fewer)
            elif len(chunk) == 1:
                experiment.left_out[frozenset(members), chunk[0]] = finding
        if size == 1:
            break
        size = max(1, size // 2)
    for step in members:  # what was left out of a larger set says nothing of this one
        if (frozenset(members), step) not in experiment.left_out and len(members) > 1:
            fewer = [other for other in members if other != step]
            experiment.left_out[frozenset(members), step] = repairs(experiment, fewer, share=share)


def _members(experiment: Experiment, steps: Sequence[int]) -> list[int]:
    """The steps that were really corrected: one that vanished, or was right by then, is no member."""
    return sorted(i.step for i in experiment.propose_together(steps) if i.step is not None)


def _chunks(members: Sequence[int], size: int) -> list[list[int]]:
    return [list(members[n : n + size]) for n in range(0, len(members), size)]
