"""The controls of a blamed step: what must change nothing, and what else would have repaired the run."""

from typing import Literal

from butfor.cache.call import Frozen
from butfor.cache.errors import BudgetExceeded, CallError
from butfor.replay.graph import ancestors, descendants

from .experiment import Experiment
from .intervention import Intervention
from .trial import Arm, Trial


class Control(Frozen):
    """One control and what it showed."""

    kind: Literal["no-op", "placebo", "elsewhere", "resample"]
    """`no-op`: the recorded output given again, offline; `placebo`: the recorded output in other words; `elsewhere`:
    the same correction at a step that neither reaches the blamed one nor is reached by it; `resample`: another draw of
    the same agent."""
    step: int
    passed: bool | None
    """Whether it showed what a sound verdict needs; `None` where it was not run, and for `resample`, which is
    information."""
    arm: Arm | None = None
    detail: str = ""
    """Why it was not run, or what it showed."""


def run_controls(experiment: Experiment, blamed: Trial) -> tuple[Control, ...]:
    """The controls of a blamed step, none at more draws than it took to blame it; only the no-op for a set."""
    step = blamed.steps[0]
    same = all(experiment.noop(each) for each in blamed.steps)
    noop = Control(kind="no-op", step=step, passed=same, detail="" if same else "the run changed on its own")
    if len(blamed.steps) > 1:
        return (noop,)
    most = max(1, blamed.treated.draws)
    resample = Intervention(kind="resample", step=step)
    return (
        noop,
        _placebo(experiment, step, most),
        _elsewhere(experiment, blamed, most),
        _tried(experiment, "resample", resample, most),
    )


def _placebo(experiment: Experiment, step: int, most: int) -> Control:
    try:
        reworded = experiment.reword(step, experiment.trace.steps[step].output, 1)
    except (BudgetExceeded, CallError) as error:
        return Control(kind="placebo", step=step, passed=None, detail=f"not run: {error}")
    if reworded is None:
        detail = "not run: nobody could put the recorded answer in other words that keep its names and numbers"
        return Control(kind="placebo", step=step, passed=None, detail=detail)
    return _tried(experiment, "placebo", Intervention(kind="given", step=step, output=reworded), most)


def _elsewhere(experiment: Experiment, blamed: Trial, most: int) -> Control:
    step = blamed.steps[0]
    other = _another_step(experiment, step)
    if other is None:
        detail = "not run: every other step reaches the blamed one or is reached by it"
        return Control(kind="elsewhere", step=step, passed=None, detail=detail)
    moved = Intervention(kind="given", step=other, output=blamed.interventions[0].output)
    return _tried(experiment, "elsewhere", moved, most)


def _tried(
    experiment: Experiment, kind: Literal["placebo", "elsewhere", "resample"], change: Intervention, most: int
) -> Control:
    trial = experiment.trial(change, candidates=2, most=most)
    ran = trial.treated.draws > 0 and trial.error is None
    passed = None if kind == "resample" or not ran else trial.finding != "flips"
    detail = "" if ran else f"not run: {trial.error or 'nothing could be drawn'}"
    return Control(kind=kind, step=change.step or 0, passed=passed, arm=trial.treated, detail=detail)


def _another_step(experiment: Experiment, step: int) -> int | None:
    """The nearest candidate before the blamed step that neither reaches it nor is reached by it, or else after it."""
    trace = experiment.trace
    related = ancestors(trace, [step]) | descendants(trace, [step]) | {step}
    others = [other for other in experiment.candidates if other not in related]
    before = [other for other in others if other < step]
    return before[-1] if before else next(iter(others), None)
