"""When a trial is decided, and how many draws that takes: `Rule`."""

from math import sqrt
from typing import Literal, NamedTuple

from pydantic import Field

from butfor.cache.call import Frozen

Decision = Literal["blame", "exclude", "draw"]


class Counts(NamedTuple):
    successes: int
    draws: int


class Estimate(NamedTuple):
    effect: float
    low: float
    high: float


class Rule(Frozen):
    effect: float = Field(default=0.1, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    repeats: int = Field(default=6, ge=1, le=1000)

    def decide(self, treated: Counts, control: Counts, *, candidates: int) -> Decision:
        if treated.draws >= 3 and treated.successes == 0:
            return "exclude"
        if treated.draws < self.repeats or control.draws < self.repeats:
            return "draw"
        e = self.estimate(treated, control, candidates=candidates)
        return "blame" if e.low > self.effect else "exclude"

    def next_draws(self, treated: Counts, control: Counts) -> tuple[int, int]:
        return (3 if treated.draws == 0 else self.repeats - treated.draws, 0 if treated.draws == 0 else self.repeats - control.draws)

    def estimate(self, treated: Counts, control: Counts, *, candidates: int) -> Estimate:
        def w(c: Counts) -> tuple[float, float]:
            if not c.draws: return (0.0, 1.0)
            from scipy.stats import binomtest
            i = binomtest(c.successes, c.draws).proportion_ci(self.confidence, method="wilson")
            return (float(i.low), float(i.high))
        p1 = treated.successes / treated.draws if treated.draws else 0.0
        p0 = control.successes / control.draws if control.draws else 0.0
        (l1, u1), (l0, u0) = w(treated), w(control)
        d = p1 - p0
        return Estimate(d, d - sqrt((p1 - l1) ** 2 + (u0 - p0) ** 2), d + sqrt((u1 - p1) ** 2 + (p0 - l0) ** 2))
