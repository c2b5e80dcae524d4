"""Whether a trial that is not decided shows an effect all the same: `shows_effect`."""

from butfor.counterfactual.rule import Counts, evidence
from butfor.counterfactual.trial import Trial

_SIGN = 3.0
"""Evidence against an effect of at most 0 that counts as a sign of one."""


def shows_effect(trial: Trial) -> bool:
    """Whether its draws speak for an effect, though not as clearly as a blame needs."""
    return evidence(*counts(trial), 0.0) >= _SIGN


def counts(trial: Trial) -> tuple[Counts, Counts]:
    """The draws that count of both arms."""
    arms = trial.treated, trial.control
    first, second = (Counts(arm.successes, arm.draws) for arm in arms)
    return first, second
