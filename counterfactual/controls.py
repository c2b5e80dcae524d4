"""The controls of a blamed step: what must change nothing, and what else would have repaired the run."""

import re
from typing import Literal

from butfor.cache.call import Frozen

from .experiment import Experiment
from .intervention import Intervention
from .trial import Arm, Trial

_SENTENCE_END = re.compile(r"(?<=[.!?:,;]) (?=\S)")


class Control(Frozen):
    """One control and what it showed."""

    kind: Literal["no-op", "placebo", "elsewhere", "resample"]
    """`no-op`: the recorded output given again, offline; `placebo`: the same words, spaced differently; `elsewhere`:
    the same correction at another step; `resample`: another draw of the same agent."""
    step: int
    passed: bool | None
    """Whether it showed what a sound verdict needs; `None` for `resample`, which is information."""
    arm: Arm | None = None
    detail: str = ""


def run_controls(experiment: Experiment, blamed: Trial) -> tuple[Control, ...]:
    """The controls of a blamed step, at as many draws as it took to blame it; only the no-op for a set."""
    step = blamed.steps[0]
    same = all(experiment.noop(each) for each in blamed.steps)
    noop = Control(kind="no-op", step=step, passed=same, detail="" if same else "the run changed on its own")
    if len(blamed.steps) > 1:
        return (noop,)
    recorded = experiment.trace.steps[step].output
    controls = [
        noop,
        _tried(experiment, "placebo", Intervention(kind="given", step=step, output=placebo(recorded))),
    ]
    other = _another_step(experiment, step)
    if other is not None:
        moved = Intervention(kind="given", step=other, output=blamed.interventions[0].output)
        controls.append(_tried(experiment, "elsewhere", moved))
    controls.append(_tried(experiment, "resample", Intervention(kind="resample", step=step)))
    return tuple(controls)


def placebo(text: str) -> str:
    """The same words at the same length: every second space after a stop or comma becomes a line break."""
    breaks = 0

    def swap(match: "re.Match[str]") -> str:
        nonlocal breaks
        breaks += 1
        return "\n" if breaks % 2 else " "

    return _SENTENCE_END.sub(swap, text)


def _tried(experiment: Experiment, kind: Literal["placebo", "elsewhere", "resample"], change: Intervention) -> Control:
    trial = experiment.trial(change)
    passed = None if kind == "resample" else trial.finding != "flips"
    return Control(kind=kind, step=change.step or 0, passed=passed, arm=trial.treated, detail=trial.error or "")


def _another_step(experiment: Experiment, step: int) -> int | None:
    """The candidate before the blamed step, or else the one after it."""
    others = [other for other in experiment.candidates if other != step]
    before = [other for other in others if other < step]
    return before[-1] if before else next(iter(others), None)
