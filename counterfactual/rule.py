"""When a trial is decided: `Rule`, on evidence whose limits are exact for the number of draws in force."""

from math import hypot
from statistics import NormalDist
from typing import Literal, NamedTuple

from pydantic import Field

from butfor.cache.call import Frozen

from .evidence.evalue import Counts, evidence, rate
from .evidence.evalue import interval as _between
from .evidence.limits import FIRST, limit

__all__ = ["Counts", "Decision", "Estimate", "Rule", "evidence", "fixed_interval", "interval", "rate"]

Decision = Literal["blame", "exclude", "draw"]

_UPPER = 0.05
"""The chance that the upper end of an interval is too low."""


class Estimate(NamedTuple):
    """An effect, P(success | changed) - P(success | recorded), with an interval; all in [-1, 1]."""

    effect: float
    low: float
    high: float


class Rule(Frozen):
    """Blame an effect that is surely above the threshold, exclude one that is surely small, else draw on."""

    effect: float = Field(default=0.1, gt=0, lt=1)
    """The effect that a blamed step's lower bound has to exceed."""
    large: float = Field(default=0.6, gt=0, le=1)
    """Steps are ruled out together when the effect of correcting all of them is surely below this."""
    futile: float = Field(default=0.3, gt=0, le=1)
    """A single step is excluded when its effect is surely below this."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """That no innocent step is blamed in the whole audit."""
    power: float = Field(default=0.9, gt=0.5, lt=1)
    """That an effect of `futile` in a single step, or of `large` in several, is not excluded."""
    repeats: int = Field(default=30, ge=1, le=10_000)
    """Draws of each arm, at most."""
    deterministic: bool = False
    """A person's word that the team gives one answer to one question: one draw an arm is then the whole truth."""

    def decide(self, treated: Counts, control: Counts, *, candidates: float = 1, together: bool = False) -> Decision:
        """What the draws so far show; `candidates` trials share the audit's chance of a false blame.

        `together` excludes against `large` in place of `futile`.
        """
        if self.deterministic:
            return _certain(treated, control)
        if self._looked_at(treated, control) and evidence(treated, control, self.effect) >= self.limit(candidates):
            return "blame"
        if evidence(treated, control, self.excluded(together=together), below=False) >= 1 / (1 - self.power):
            return "exclude"
        return "draw"

    def limit(self, candidates: float = 1, effect: float | None = None) -> float:
        """How large the evidence has to be where `candidates` trials share the chance of a false blame."""
        against = self.effect if effect is None else effect
        return limit((1 - self.confidence) / max(1.0, candidates), self.repeats, against)

    def excluded(self, *, together: bool) -> float:
        """The effect against which a trial is excluded."""
        return self.large if together else min(self.futile, self.large)

    def next_draws(self, treated: Counts, control: Counts) -> tuple[int, int]:
        """How many draws to add to the treated and the control arm; none when both are full.

        The treated arm goes first: where no draw of it succeeds, the control arm is never needed.
        """
        most = 1 if self.deterministic else self.repeats
        if not treated.draws:
            return min(FIRST, most), 0
        if not treated.successes:
            return min(1, most - treated.draws), 0
        if control.draws < treated.draws:
            return 0, treated.draws - control.draws
        more = min(1, most - treated.draws)
        return more, more

    def estimate(self, treated: Counts, control: Counts, *, candidates: float = 1) -> Estimate:
        """The effect, and the interval whose lower end exceeds the threshold just when the step is blamed."""
        effect = rate(treated) - rate(control)
        if self.deterministic and treated.draws:
            return Estimate(effect, effect, effect)
        low, high = _between(
            treated,
            control,
            lambda d: self.limit(candidates, d) if treated.draws == control.draws else max(1.0, candidates) / 0.05,
            lambda d: 1 / _UPPER,
        )
        return Estimate(effect, low, high)

    def _looked_at(self, treated: Counts, control: Counts) -> bool:
        """The limits are for evidence that is looked at pair by pair."""
        return treated.draws == control.draws >= min(FIRST, self.repeats)


def interval(treated: Counts, control: Counts, error: float) -> tuple[float, float]:
    """The effects that the draws do not speak against at this chance of error (each side, at any time, for ever)."""
    return _between(treated, control, lambda _: 1 / error, lambda _: 1 / error)


def fixed_interval(treated: Counts, control: Counts, confidence: float) -> tuple[float, float]:
    """The interval of an effect for numbers of draws that were fixed beforehand; in [-1, 1].

    Narrower than `interval`, and too narrow wherever drawing stopped because of what was seen. Newcombe's hybrid score
    interval, Statistics in Medicine 17, 1998, method 10, from Wilson's intervals (1927).
    """
    if not treated.draws or not control.draws:
        return -1.0, 1.0
    (first_low, first_high), (second_low, second_high) = (wilson(*arm, confidence) for arm in (treated, control))
    effect = rate(treated) - rate(control)
    down = hypot(rate(treated) - first_low, second_high - rate(control))
    up = hypot(first_high - rate(treated), rate(control) - second_low)
    return max(-1.0, effect - down), min(1.0, effect + up)


def wilson(successes: int, draws: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a rate, in [0, 1]: Wilson, JASA 22, 1927."""
    if not draws:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    n, share = draws, successes / draws
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * ((share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5)
    return (max(0.0, middle - half) if successes else 0.0), (min(1.0, middle + half) if successes < draws else 1.0)


def _certain(treated: Counts, control: Counts) -> Decision:
    """One draw an arm is the whole truth."""
    if not treated.draws:
        return "draw"
    if not treated.successes:
        return "exclude"
    if not control.draws:
        return "draw"
    return "exclude" if control.successes else "blame"
