"""In which order steps are tried, and when to stop: the searches."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from butfor.cache.errors import ButforError
from butfor.replay.graph import descendants

from .evidence.boundary import SURE, Boundary, Look, most_looks
from .experiment import FATAL, Experiment
from .findings.sets import repairs, smaller, whole
from .findings.signs import counts, shows_effect
from .intervention import Intervention
from .trial import Finding, Trial

FEW = 3
"""Corrections up to this number are tried one by one: a screen would cost more than it saves."""

_SCAN, _SETS = 0.25, 0.25
_FIRST, _SECOND = 0.4, 0.1
"""The shares of the chance of a false blame: of the scan and of the sets, of the screen's first and second candidate.
Without a screen, the scan has what the screen's candidates would have had."""


class Search(Protocol):
    """Tries steps of an experiment; what it finds is in the experiment's trials."""

    def __call__(self, experiment: Experiment, /) -> None:
        """Search until the verdict is clear or everything was tried."""
        ...


def screen(experiment: Experiment) -> None:
    """Look where the run turns, confirm that step on fresh draws, and rule out together what is before it.

    A few corrections are tried one by one from the start, and so is everything where the screen leads nowhere. The
    chance of a false blame is shared out beforehand: 0.4 of it to the screen's first candidate, 0.1 to the second, 0.25
    to the scan, 0.25 to the sets; the looks of the screen are used for no blame (a fallback procedure: Wiens and
    Dmitrienko, Journal of Biopharmaceutical Statistics 15, 2005).
    """
    steps = _proposed(experiment)
    if experiment.rule.deterministic and len(steps) > FEW:
        bisect(experiment)
        return
    scan = 1 - _SETS
    if len(steps) > FEW:
        if _screened(experiment, steps):
            return
        scan = _SCAN
    if not _scanned(experiment, steps, len(steps) / scan):
        together(experiment, share=_SETS)


def earliest(experiment: Experiment) -> None:
    """From the first step on, until one flips the outcome; the steps after it are not tried."""
    candidates = experiment.candidates
    for position, step in enumerate(candidates):
        if _try(experiment, step) == "flips":
            _cleared(experiment, [s for s in candidates[:position] if experiment.propose(s)])
            _later(experiment, candidates[position])
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
    _cleared(experiment, [s for s in experiment.candidates if s < flips and experiment.propose(s)])
    _later(experiment, flips)


def exhaustive(experiment: Experiment) -> None:
    """Every step, so that the report gives the latest step that flips too."""
    steps = _proposed(experiment)
    findings = [_try(experiment, step) for step in steps]
    if "flips" in findings:
        _cleared(experiment, steps[: findings.index("flips")])
    else:
        together(experiment)


def bisect(experiment: Experiment) -> None:
    """By halves: the shortest beginning of the run whose correction as a whole flips the outcome.

    Its last step is then tried alone. Steps before it are ruled out together, which takes a fault not to hide
    another: where two corrections cancel each other, `earliest` sees more.
    """
    steps = _proposed(experiment)
    fresh = whole(experiment, steps)
    if fresh is None:
        return
    low, high = 0, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        flips = repairs(experiment, steps[:middle], fresh=fresh) == "flips"
        low, high = (low, middle) if flips else (middle, high)
    cleared = _cleared(experiment, steps[:low])
    if _try(experiment, steps[low]) == "flips":
        _later(experiment, steps[low])
    elif cleared:
        smaller(experiment, steps[: low + 1], fresh=fresh)


def together(experiment: Experiment, *, share: float = _SETS) -> None:
    """Where no single step suffices: correct all of them, then leave out what is not needed.

    Corrections are proposed one after the other, each on the run as it went with the ones before. If
    correcting everything does not flip the outcome, no smaller set is tried.
    """
    steps = [step for step in experiment.candidates if experiment.propose(step)]
    fresh = whole(experiment, steps, share=share) if len(steps) > 1 else None
    if fresh is not None:
        smaller(experiment, steps, share=share, fresh=fresh)


def _proposed(experiment: Experiment) -> list[int]:
    """The steps that have something to correct; where nothing can be asked of the corrector at all, it ends here."""
    experiment.parallel(partial(experiment.propose, step) for step in experiment.candidates)
    return [step for step in experiment.candidates if experiment.propose(step)]


def _screened(experiment: Experiment, steps: Sequence[int]) -> bool:
    """Whether the screen led to an end."""
    found = _looked(experiment, steps)
    if found is None:
        return False
    for place, share in zip(found.ranked[:2], (_FIRST, _SECOND), strict=False):
        if place == len(steps):
            if _ruled_out(experiment, steps):
                return True
            continue
        if _confirmed(experiment, steps, place, share):
            return True
    return False


def _looked(experiment: Experiment, steps: Sequence[int]) -> Boundary | None:
    """The posterior after the screen's looks; nothing where a run could not be finished, or the run often recovers."""
    found = Boundary(len(steps), [_cost(experiment, steps[: n + 1]) for n in range(len(steps))])
    drawn: dict[int, int] = {}
    for _ in range(most_looks(len(steps))):
        if found.probability(found.ranked[0]) >= SURE:
            break
        length = found.next_length()
        interventions = experiment.propose_together(steps[:length])
        if not interventions:
            return None
        nth = drawn[length] = drawn.get(length, -1) + 1
        try:
            success = experiment.probe(interventions, nth)
        except FATAL:
            raise
        except ButforError:
            return None
        found.note(Look(length, success))
    return found


def _cost(experiment: Experiment, steps: Sequence[int]) -> float:
    """About how many calls a look takes."""
    reached = descendants(experiment.trace, steps)
    return 1.0 + sum(experiment.trace.steps[step].kind == "llm" for step in reached)


def _confirmed(experiment: Experiment, steps: Sequence[int], place: int, share: float) -> bool:
    """Whether a step flips the outcome alone, with everything before it ruled out, or else ends a set that does."""
    step, before = steps[place], steps[:place]
    finding = _try(experiment, step, candidates=1 / share)
    if finding == "flips":
        if not _ahead(experiment, step) and _cleared(experiment, before):
            _later(experiment, step)
            return True
        return False
    if finding != "excluded" or not before or not _ruled_out(experiment, before):
        return False
    if repairs(experiment, steps[: place + 1], share=_SETS) != "flips":
        return False
    smaller(experiment, steps[: place + 1], share=_SETS)
    return True


def _cleared(experiment: Experiment, before: Sequence[int]) -> bool:
    """Whether all these steps are ruled out, alone or together."""
    return not before or _ruled_out(experiment, before)


def _ruled_out(experiment: Experiment, steps: Sequence[int]) -> bool:
    """Whether correcting these steps together is surely not what repairs the run.

    It takes corrections not to cancel each other, which the verdict says.
    """
    left = [step for step in steps if _single(experiment, step) != "excluded" and not _not_large(experiment, step)]
    if not left:
        return True
    interventions = experiment.propose_together(steps)
    if not interventions:
        return False
    trial = experiment.trial(*interventions, candidates=len(steps) / _SETS, together=True, screened=True)
    if trial.finding != "excluded":
        return False
    if _other_course(experiment, trial):
        return all(_try(experiment, step, candidates=len(steps) / _SETS, together=True) == "excluded" for step in left)
    for step in left:
        experiment.skip(step, "ruled out together")
    return True


def _other_course(experiment: Experiment, trial: Trial) -> bool:
    """Whether steps vanished or appeared in a run with these corrections: it says little of each of them alone."""
    agents = [step.agent for step in experiment.trace.steps]
    for draw in trial.treated.runs:
        if draw.repeats is None and [*agents[: draw.kept], *(step.agent for step in draw.steps)] != agents:
            return True
    return False


def _not_large(experiment: Experiment, step: int) -> bool:
    """Whether the trials of a step that stayed undecided exclude a large effect and give no sign of any."""
    trials = [t for t in experiment.trials if t.steps == (step,) and t.interventions[0].kind == "correct"]
    if not trials or any(experiment.rule.decide(*counts(t), together=True) != "exclude" for t in trials):
        return False
    if any(map(shows_effect, trials)):
        return False
    experiment.skip(step, "ruled out together", f"its effect is surely below {experiment.rule.large:.2f}")
    return True


def _scanned(experiment: Experiment, steps: Sequence[int], candidates: float) -> bool:
    """Try steps one by one; whether one flips the outcome on its own account."""
    for place, step in enumerate(steps):
        if _try(experiment, step, candidates=candidates) == "flips" and not _ahead(experiment, step):
            _cleared(experiment, [s for s in steps[:place] if not _flips_ahead(experiment, s)])
            _later(experiment, step)
            return True
    return any(_single(experiment, step) == "flips" for step in steps)


def _flips_ahead(experiment: Experiment, step: int) -> bool:
    return _single(experiment, step) == "flips" and _ahead(experiment, step)


def _ahead(experiment: Experiment, step: int) -> bool:
    """Whether what flips the outcome at a step is a correction that runs ahead of the step's job."""
    flipping = [t for t in experiment.trials if t.steps == (step,) and t.finding == "flips"]
    return bool(flipping) and all(experiment.runs_ahead(trial) for trial in flipping)


def _single(experiment: Experiment, step: int) -> Finding | None:
    """What the trials of a step alone have shown so far."""
    found = [t.finding for t in experiment.trials if t.steps == (step,) and t.interventions[0].kind == "correct"]
    return max(found, key=_WEIGHT.index, default=None)


def _later(experiment: Experiment, flips: int) -> None:
    """Note that the steps after the verdict are not tried, except those that were."""
    tried = {trial.steps[0] for trial in experiment.trials if len(trial.steps) == 1}
    for step in experiment.candidates:
        if step > flips and step not in tried:
            experiment.skip(step, "later than the verdict")


def _try(
    experiment: Experiment, step: int, *, candidates: float | None = None, together: bool = False
) -> Finding | None:
    """Try every correction of a step; they share its part of the error. `together` excludes a large effect only."""
    proposed: tuple[Intervention, ...] = experiment.propose(step)
    shared = (candidates or len(experiment.candidates)) * max(1, len(proposed))
    trials = [experiment.trial(intervention, candidates=shared, together=together) for intervention in proposed]
    return max((trial.finding for trial in trials), key=_WEIGHT.index, default=None)


_WEIGHT: Sequence[Finding] = ("excluded", "undecided", "flips")

SEARCHES: dict[str, Search] = {
    "screen": screen,
    "earliest": earliest,
    "ranked": ranked,
    "bisect": bisect,
    "exhaustive": exhaustive,
}
"""The searches by name; the first one is the default."""
