"""Steps that only flip the outcome together: `repairs`, and `smaller`, which leaves out what is not needed."""

from collections.abc import Sequence

from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.trial import Finding

SHARE = 0.25
"""Of the chance of a false blame, for all trials of sets."""


def whole(experiment: Experiment, steps: Sequence[int], *, share: float = SHARE) -> bool | None:
    """Whether each step has to speak anew before it is corrected, so that all of them together repair the run.

    `None` where they do not repair it in either way. A step that speaks anew may be right by luck in the one run that
    the corrector is shown, and then goes uncorrected; where that is so, its recorded message is corrected instead.
    """
    if not steps:
        return None
    if repairs(experiment, steps, share=share) == "flips":
        return True
    if len(experiment.propose_together(steps)) == len(steps):
        return None
    return False if repairs(experiment, steps, share=share, fresh=False) == "flips" else None


def repairs(experiment: Experiment, steps: Sequence[int], *, share: float = SHARE, fresh: bool = True) -> Finding:
    """What correcting these steps, one after the other, does; undecided where that cannot be done."""
    interventions = experiment.propose_together(steps, fresh=fresh)
    if not interventions:
        return "undecided"
    candidates = len(experiment.candidates) / share if len(interventions) == 1 else len(steps) / share
    return experiment.trial(*interventions, candidates=candidates).finding


def smaller(experiment: Experiment, steps: Sequence[int], *, share: float = SHARE, fresh: bool = True) -> None:
    """Leave out of a set that repairs the run what is not needed: halves first, then one step after the other.

    A step is needed only where the set without it surely does not repair the run.
    """
    members = _members(experiment, steps, fresh=fresh)
    size = max(1, len(members) // 2)
    while True:
        for chunk in _chunks(members, size):
            fewer = [step for step in members if step not in chunk]
            if not fewer:
                continue
            finding = repairs(experiment, fewer, share=share, fresh=fresh)
            if finding == "flips":
                members = _members(experiment, fewer, fresh=fresh)
            elif len(chunk) == 1:
                experiment.left_out[frozenset(members), chunk[0]] = finding
        if size == 1:
            break
        size = max(1, size // 2)
    for step in members:  # what was left out of a larger set says nothing of this one
        if (frozenset(members), step) not in experiment.left_out and len(members) > 1:
            fewer = [other for other in members if other != step]
            experiment.left_out[frozenset(members), step] = repairs(experiment, fewer, share=share, fresh=fresh)


def _members(experiment: Experiment, steps: Sequence[int], *, fresh: bool) -> list[int]:
    """The steps that were really corrected: one that vanished, or was right by then, is no member."""
    return sorted(i.step for i in experiment.propose_together(steps, fresh=fresh) if i.step is not None)


def _chunks(members: Sequence[int], size: int) -> list[list[int]]:
    return [list(members[n : n + size]) for n in range(0, len(members), size)]
