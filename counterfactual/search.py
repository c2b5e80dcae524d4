"""In which order steps are tried, and when to stop: the searches."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from .experiment import Experiment
from .intervention import Intervention
from .trial import Finding


class Search(Protocol):
    """Tries steps of an experiment; what it finds is in the experiment's trials."""

    def __call__(self, experiment: Experiment, /) -> None:
        """Search until the verdict is clear or everything was tried."""
        ...


def earliest(experiment: Experiment) -> None:
    """From the first step on, until one flips the outcome; the steps after it are not tried."""
    candidates = experiment.candidates
    for position, step in enumerate(candidates):
        if _try(experiment, step) == "flips":
            for later in candidates[position + 1 :]:
                experiment.skip(later, "later than the verdict")
            return
    together(experiment)


def ranked(experiment: Experiment) -> None:
    """The most suspect step first; once one flips, only the steps before it, so that "earliest" is still proven.

    A good order finds a step that flips early, and a budget that ends then has more to show; the verdict is the same.
    """
    from butfor.counterfactual.ranking.combined import combined

    candidates, flips = set(experiment.candidates), None
    for suspicion in combined(experiment.trace.blind()):
        step = suspicion.step
        if step in candidates and (flips is None or step < flips) and _try(experiment, step) == "flips":
            flips = step
    if flips is None:
        together(experiment)
        return
    tried = {trial.steps[0] for trial in experiment.trials if len(trial.steps) == 1}
    for step in sorted(candidates - tried):
        if step > flips:
            experiment.skip(step, "later than the verdict")


def exhaustive(experiment: Experiment) -> None:
    """Every step, so that the report gives the latest step that flips too."""
    steps = experiment.candidates
    experiment.parallel(partial(experiment.propose, step) for step in steps)
    findings = [_try(experiment, step) for step in steps]
    if "flips" not in findings:
        together(experiment)


def bisect(experiment: Experiment) -> None:
    """By halves: the shortest beginning of the run whose correction as a whole flips the outcome.

    Its last step is then tried alone. Steps before it are ruled out together, which takes a fault not to hide
    another: where two corrections cancel each other, `earliest` sees more.
    """
    candidates = experiment.candidates
    steps = [step for step in candidates if experiment.propose(step)]
    if not steps or not _repairs(experiment, steps):
        return
    low, high = 0, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _repairs(experiment, steps[:middle]) else (middle, high)
    for step in steps[:low]:
        experiment.skip(step, "ruled out together")
    if _try(experiment, steps[low]) == "flips":
        for later in candidates:
            if later > steps[low]:
                experiment.skip(later, "later than the verdict")
    else:
        _reduce(experiment, steps[: low + 1])


def together(experiment: Experiment) -> None:
    """Where no single step suffices: correct all of them, then leave out what is not needed.

    Corrections are proposed one after the other, each on the run as it went with the ones before. If
    correcting everything does not flip the outcome, no smaller set is tried.
    """
    steps = [step for step in experiment.candidates if experiment.propose(step)]
    if len(steps) < 2:
        return
    if _repairs(experiment, steps):
        _reduce(experiment, steps)


def _reduce(experiment: Experiment, steps: Sequence[int]) -> None:
    """Leave out of a set that repairs the run, one after the other, what is not needed."""
    for step in list(steps):
        fewer = [other for other in steps if other != step]
        if len(fewer) >= 2 and _repairs(experiment, fewer):
            steps = fewer


def _try(experiment: Experiment, step: int) -> Finding | None:
    trials = [
        experiment.trial(intervention, candidates=len(experiment.candidates))
        for intervention in experiment.propose(step)
    ]
    return max((trial.finding for trial in trials), key=_WEIGHT.index, default=None)


_WEIGHT: Sequence[Finding] = ("excluded", "undecided", "flips")


def _repairs(experiment: Experiment, steps: Sequence[int]) -> bool:
    """Whether correcting these steps, one after the other, flips the outcome."""
    interventions: tuple[Intervention, ...] = experiment.propose_together(steps)
    if not interventions:
        return False
    return experiment.trial(*interventions, candidates=len(experiment.candidates)).finding == "flips"


SEARCHES: dict[str, Search] = {
    "earliest": earliest,
    "ranked": ranked,
    "bisect": bisect,
    "exhaustive": exhaustive,
}
"""The searches by the name that `--search` takes."""
