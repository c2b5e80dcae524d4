"""How much two arms speak against an effect: `evidence`, an e-value, and the interval that it gives."""

from collections.abc import Callable
from functools import lru_cache
from math import exp, lgamma, log
from typing import NamedTuple

_TINY = 1e-300
_CERTAIN = 700.0


class Counts(NamedTuple):
    """The draws of one arm."""

    successes: int
    draws: int


class Pair(NamedTuple):
    """A Beta prior for each arm, and its weight in the mixture."""

    weight: float
    treated: tuple[float, float]
    control: tuple[float, float]


HELPS = (
    Pair(0.6, (0.5, 0.5), (0.5, 0.5)),
    Pair(0.1, (2.0, 0.25), (0.25, 2.0)),
    Pair(0.3, (1.0, 1.0), (0.25, 2.0)),
)
"""What an effect may look like: anything (Jeffreys), always against never, sometimes against hardly ever. Chosen for
its power at exact limits over the rates (1, 0), (.9, .1), (.7, .1), (.5, .1), (.5, 0), (.4, 0), (.8, .3), (1, .3)."""

HELPS_NOT = (
    Pair(0.3, (0.5, 0.5), (0.5, 0.5)),
    Pair(0.6, (0.25, 2.0), (0.25, 2.0)),
    Pair(0.1, (2.0, 0.25), (2.0, 0.25)),
)
"""What no effect may look like: anything, never in both arms, always in both."""


def rate(arm: Counts) -> float:
    """The share of successes; 0 where nothing was drawn."""
    return arm.successes / arm.draws if arm.draws else 0.0


def evidence(treated: Counts, control: Counts, effect: float, *, below: bool = True) -> float:
    """How much the draws speak against an effect of at most (`below`) or at least this size: an e-value.

    The likelihood under a mixture of Beta priors over the highest likelihood that the hypothesis allows. If the
    hypothesis holds, the chance that this ever exceeds 1/a is at most a, however many draws are made and in
    whichever order: Wasserman, Ramdas and Balakrishnan, "Universal inference", PNAS 2020, section 8.
    """
    return exp(min(_CERTAIN, log_evidence(treated, control, effect, below)))


@lru_cache(maxsize=65_536)
def log_evidence(treated: Counts, control: Counts, effect: float, below: bool) -> float:
    """The natural logarithm of `evidence`."""
    return _mixture(treated, control, below) - _best(treated, control, effect, below)


def interval(
    treated: Counts, control: Counts, low_limit: Callable[[float], float], high_limit: Callable[[float], float]
) -> tuple[float, float]:
    """The effects against which the evidence stays below its limit; each limit may depend on the effect."""
    estimate = rate(treated) - rate(control)

    def against(effect: float, below: bool) -> bool:
        limit = (low_limit if below else high_limit)(effect)
        return log_evidence(treated, control, effect, below) >= log(limit)

    low = _border(-1.0, estimate, lambda effect: against(effect, True))
    high = _border(1.0, estimate, lambda effect: against(effect, False))
    return low, high


def _border(end: float, estimate: float, refuted: Callable[[float], bool]) -> float:
    """Between an end of the range and the estimate, where what is refuted begins; the end itself where nothing is."""
    if not refuted(end):
        return end
    out, inside = end, estimate
    for _ in range(30):
        middle = (out + inside) / 2
        out, inside = (middle, inside) if refuted(middle) else (out, middle)
    return out


def _mixture(treated: Counts, control: Counts, below: bool) -> float:
    """The log-likelihood of both arms' draws, averaged over the mixture."""
    terms = [
        log(pair.weight) + _averaged(treated, pair.treated) + _averaged(control, pair.control)
        for pair in (HELPS if below else HELPS_NOT)
    ]
    top = max(terms)
    return top + log(sum(exp(term - top) for term in terms))


@lru_cache(maxsize=65_536)
def _averaged(arm: Counts, prior: tuple[float, float]) -> float:
    """The log-likelihood of one arm's draws, averaged over a Beta prior."""
    a, b = prior
    return _log_beta(arm.successes + a, arm.draws - arm.successes + b) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


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
    return _times_log(arm.successes, share) + _times_log(arm.draws - arm.successes, 1.0 - share)


def _times_log(count: int, share: float) -> float:
    return count * log(max(share, _TINY)) if count else 0.0
