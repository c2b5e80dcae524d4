"""In which order steps are tried, and when to stop: the searches."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from .experiment import Experiment
from .intervention import Intervention
from .trial import Finding, Trial


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


def exhaustive(experiment: Experiment) -> None:
    """Every step, so that the report gives the latest step that flips too."""
    steps = experiment.candidates
    experiment.parallel(partial(experiment.propose, step) for step in steps)
    findings = [_try(experiment, step) for step in steps]
    if "flips" not in findings:
        together(experiment)


def together(experiment: Experiment) -> None:
    """Where no single step suffices: correct all of them, then leave out what is not needed.

    Corrections are proposed one after the other, each on the run as it went with the ones before. If
    correcting everything does not flip the outcome, no smaller set is tried.
    """
    steps = [step for step in experiment.candidates if experiment.propose(step)]
    if len(steps) < 2:
        return
    if _flips(experiment, steps) is None:
        return
    for step in list(steps):
        fewer = [other for other in steps if other != step]
        if len(fewer) >= 2 and _flips(experiment, fewer) is not None:
            steps = fewer


def _try(experiment: Experiment, step: int) -> Finding | None:
    trials = [
        experiment.trial(intervention, candidates=len(experiment.candidates))
        for intervention in experiment.propose(step)
    ]
    return max((trial.finding for trial in trials), key=_WEIGHT.index, default=None)


_WEIGHT: Sequence[Finding] = ("excluded", "undecided", "flips")


def _flips(experiment: Experiment, steps: Sequence[int]) -> Trial | None:
    interventions: tuple[Intervention, ...] = experiment.propose_together(steps)
    if len(interventions) < 2:
        return None
    trial = experiment.trial(*interventions, candidates=len(experiment.candidates))
    return trial if trial.finding == "flips" else None


SEARCHES: dict[str, Search] = {"earliest": earliest, "exhaustive": exhaustive}
"""The searches by the name that `--search` takes."""
