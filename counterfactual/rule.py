"""When a trial is decided: `Rule`, on confidence bounds that hold at every number of draws at once."""

from functools import lru_cache
from math import exp, hypot, log
from typing import Literal, NamedTuple

from pydantic import Field

from butfor.cache.call import Frozen

Decision = Literal["blame", "exclude", "draw"]

_FIRST = 4
_STEP = 2
_TINY = 1e-300


class Counts(NamedTuple):
    """The draws of one arm."""

    successes: int
    draws: int


class Estimate(NamedTuple):
    """An effect, P(success | changed) - P(success | recorded), with an interval; all in [-1, 1]."""

    effect: float
    low: float
    high: float


class Rule(Frozen):
    """Blame an effect that is surely above the threshold, exclude one that is surely not large, else draw on."""

    effect: float = Field(default=0.1, gt=0, lt=1)
    """The effect that a blamed step's lower bound has to exceed."""
    large: float = Field(default=0.6, gt=0, le=1)
    """A step is excluded when its effect is surely below this."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """That no innocent step is blamed in the whole audit."""
    power: float = Field(default=0.9, gt=0.5, lt=1)
    """That a step with a large effect is not excluded."""
    repeats: int = Field(default=30, ge=1, le=10_000)
    """Draws of each arm, at most."""

    def decide(self, treated: Counts, control: Counts, *, candidates: int) -> Decision:
        """What the draws so far show; `candidates` trials share the audit's chance of a false blame."""
        if evidence(treated, control, self.effect) >= candidates / (1 - self.confidence):
            return "blame"
        if evidence(treated, control, self.large, below=False) >= 1 / (1 - self.power):
            return "exclude"
        return "draw"

    def next_draws(self, treated: Counts, control: Counts) -> tuple[int, int]:
        """How many draws to add to the treated and the control arm; none when both are full.

        The treated arm goes first: where no draw of it succeeds, the control arm is never needed.
        """
        if not treated.draws:
            return min(_FIRST, self.repeats), 0
        if not treated.successes:
            return min(_STEP, self.repeats - treated.draws), 0
        if control.draws < treated.draws:
            return 0, treated.draws - control.draws
        more = min(_STEP, self.repeats - treated.draws)
        return more, more

    def estimate(self, treated: Counts, control: Counts, *, candidates: int) -> Estimate:
        """The effect, and the interval whose lower end exceeds the threshold just when the step is blamed."""
        low, high = interval(treated, control, (1 - self.confidence) / candidates)
        return Estimate(rate(treated) - rate(control), low, high)


def evidence(treated: Counts, control: Counts, effect: float, *, below: bool = True) -> float:
    """How much the draws speak against an effect of at most (`below`) or at least this size: an e-value.

    The likelihood under a Jeffreys mixture for each arm over the highest likelihood that the hypothesis allows. If
    the hypothesis holds, the chance that this ever exceeds 1/a is at most a, however many draws are made and in
    whichever order: Wasserman, Ramdas and Balakrishnan, "Universal inference", PNAS 2020, section 8; the mixture is
    Krichevsky and Trofimov's, 1981.
    """
    return exp(min(700.0, _log_evidence(treated, control, effect, below)))


@lru_cache(maxsize=65_536)
def interval(treated: Counts, control: Counts, error: float) -> tuple[float, float]:
    """The effects that the draws do not speak against at this chance of error (each side, at any time)."""
    from scipy.optimize import brentq

    limit = log(1 / error)

    def excess(effect: float, below: bool) -> float:
        return _log_evidence(treated, control, effect, below) - limit

    estimate = rate(treated) - rate(control)
    low = brentq(excess, -1.0, estimate, args=(True,)) if excess(-1.0, True) > 0 else -1.0
    high = brentq(excess, estimate, 1.0, args=(False,)) if excess(1.0, False) > 0 else 1.0
    return float(low), float(high)


def fixed_interval(treated: Counts, control: Counts, confidence: float) -> tuple[float, float]:
    """The interval of an effect for numbers of draws that were fixed beforehand; in [-1, 1].

    Narrower than `interval`, and too narrow wherever drawing stopped because of what was seen. Newcombe's hybrid score
    interval, Statistics in Medicine 17, 1998, method 10, from scipy's Wilson intervals.
    """
    from scipy.stats import binomtest

    if not treated.draws or not control.draws:
        return -1.0, 1.0
    first, second = (
        binomtest(arm.successes, arm.draws).proportion_ci(confidence, method="wilson") for arm in (treated, control)
    )
    effect = rate(treated) - rate(control)
    down = hypot(rate(treated) - first.low, second.high - rate(control))
    up = hypot(first.high - rate(treated), rate(control) - second.low)
    return max(-1.0, effect - down), min(1.0, effect + up)


def rate(arm: Counts) -> float:
    """The share of successes; 0 where nothing was drawn."""
    return arm.successes / arm.draws if arm.draws else 0.0


def _log_evidence(treated: Counts, control: Counts, effect: float, below: bool) -> float:
    return _mixture(*treated) + _mixture(*control) - _best(treated, control, effect, below)


@lru_cache(maxsize=65_536)
def _mixture(successes: int, draws: int) -> float:
    """The log-likelihood of one arm's draws, averaged over a Beta(1/2, 1/2) prior."""
    from scipy.special import betaln

    return float(betaln(successes + 0.5, draws - successes + 0.5) - betaln(0.5, 0.5))


@lru_cache(maxsize=65_536)
def _best(treated: Counts, control: Counts, effect: float, below: bool) -> float:
    """The highest log-likelihood of both arms where the effect is at most, or at least, the given one."""
    if _allowed(treated, control, effect, below):
        return _log_likelihood(treated, rate(treated)) + _log_likelihood(control, rate(control))
    return _on_boundary(treated, control, effect)


def _allowed(treated: Counts, control: Counts, effect: float, below: bool) -> bool:
    """Whether the hypothesis allows the arms' own rates; a rate that was never observed may be any."""
    if below:
        return rate(treated) - (rate(control) if control.draws else 1.0) <= effect
    return (rate(treated) if treated.draws else 1.0) - rate(control) >= effect


def _on_boundary(treated: Counts, control: Counts, effect: float) -> float:
    """The highest log-likelihood where the rates differ by just the effect; concave, so by bisection of its slope."""
    low, high = max(0.0, -effect), min(1.0, 1.0 - effect)
    for _ in range(50):
        middle = (low + high) / 2
        if _slope(treated, middle + effect) + _slope(control, middle) > 0:
            low = middle
        else:
            high = middle
    return _log_likelihood(treated, low + effect) + _log_likelihood(control, low)


def _slope(arm: Counts, share: float) -> float:
    return arm.successes / max(share, _TINY) - (arm.draws - arm.successes) / max(1.0 - share, _TINY)


def _log_likelihood(arm: Counts, share: float) -> float:
    from scipy.special import xlogy

    return float(xlogy(arm.successes, share) + xlogy(arm.draws - arm.successes, max(0.0, 1.0 - share)))
