"""How much paired draws speak for a mean difference above a bound, at any stopping time."""

from collections.abc import Sequence
from functools import lru_cache
from math import exp, inf, log
from typing import NamedTuple

_BETS = tuple((n + 0.5) / 16 for n in range(16))
"""Shares of the largest bet that cannot lose more than all; the mixture is uniform over them."""


class Pairs(NamedTuple):
    """Pairs of draws by their difference, treated minus control."""

    better: int = 0
    same: int = 0
    worse: int = 0

    @property
    def total(self) -> int:
        """How many pairs there are."""
        return sum(self)

    @property
    def mean(self) -> float:
        """The mean difference, in [-1, 1]; 0 where there are no pairs."""
        return (self.better - self.worse) / self.total if self.total else 0.0

    @property
    def mirrored(self) -> "Pairs":
        """The same with the arms exchanged."""
        return Pairs(self.worse, self.same, self.better)


def paired(treated: Sequence[bool], control: Sequence[bool]) -> Pairs:
    """The pairs of two arms that were drawn together."""
    differences = [int(t) - int(c) for t, c in zip(treated, control, strict=True)]
    return Pairs(differences.count(1), differences.count(0), differences.count(-1))


@lru_cache(maxsize=65_536)
def evidence_above(pairs: Pairs, bound: float) -> float:
    """How much the pairs speak against a mean difference of at most `bound`, in (-1, 1]: an e-value.

    The wealth of a gambler who stakes a fixed share on every pair, averaged over shares: a supermartingale where the
    mean is at most the bound (Waudby-Smith and Ramdas, JRSS B 86, 2024), so that the chance that it ever exceeds 1/a is
    at most a. With fixed shares it holds for the mean over given runs too, looked at after each complete round of them:
    the product of the rounds' factors is largest where all runs have one mean (inequality of the means).
    """
    if bound <= -1.0:
        return inf
    logs = []
    for share in _BETS:
        stake = share / (1.0 + bound)
        factors = (1 + stake * (1 - bound), 1 - stake * bound, 1 - stake * (1 + bound))
        logs.append(sum(n * log(f) for n, f in zip(pairs, factors, strict=True) if n))
    top = max(logs)
    return exp(min(700.0, top)) * sum(exp(value - top) for value in logs) / len(logs)


def between(pairs: Pairs, error: float) -> tuple[float, float]:
    """The mean differences that the pairs do not speak against, at this chance of error for each side."""
    return _lowest(pairs, error), -_lowest(pairs.mirrored, error)


def _lowest(pairs: Pairs, error: float) -> float:
    """The largest bound that is refuted, by bisection: the evidence falls as the bound rises."""
    low, high = -1.0, pairs.mean
    if evidence_above(pairs, -1.0 + 1e-9) < 1 / error:
        return -1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if evidence_above(pairs, middle) >= 1 / error else (low, middle)
    return low
