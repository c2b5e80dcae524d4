"""Where a run goes wrong, as far as a few noisy looks tell: `Boundary`, a posterior over its first decisive step."""

from collections.abc import Sequence
from math import log2
from typing import Any, NamedTuple

SURE = 0.85
"""How probable one place has to be for the looking to end."""

_REPAIRED = ((0.98, 0.45), (0.9, 0.25), (0.7, 0.15), (0.5, 0.1), (0.3, 0.05))
"""Chances of success once everything decisive is corrected, and how probable each is beforehand."""
_FAILING = ((0.02, 0.6), (0.1, 0.2), (0.3, 0.15), (0.5, 0.05))
"""The same while it is not."""
_GAP = 0.15
_NOBODY = 0.1
"""How probable it is beforehand, at least, that correcting everything does not help."""
_RECOVERS = 0.25


class Look(NamedTuple):
    """One run with the first `length` corrections made."""

    length: int
    success: bool


class Boundary:
    """A posterior over how many corrections, from the first on, it takes to repair a run, and over the chances.

    The looks that it asks for are those of highest information a call; they prove nothing, and what they point at is
    confirmed on other draws. Noisy bisection after Burnashev and Zigangirov, 1974, with unknown error rates.
    """

    def __init__(self, places: int, costs: Sequence[float]) -> None:
        import numpy as np

        self._places = places
        self._costs = np.array(costs, dtype=float)
        rates = [(p, q, a * b) for p, a in _REPAIRED for q, b in _FAILING if p >= q + _GAP]
        self._p, self._q = (np.array([rate[n] for rate in rates]) for n in (0, 1))
        weights = np.array([rate[2] for rate in rates])
        nobody = max(_NOBODY, 1 / (places + 1))
        prior = np.full(places + 1, (1 - nobody) / places)
        prior[places] = nobody
        self._joint: Any = prior[:, None] * (weights / weights.sum())[None, :]

    def note(self, look: Look) -> None:
        """Take one look into account."""
        chance = self._chances(look.length)
        self._joint = self._joint * (chance if look.success else 1 - chance)
        self._joint = self._joint / self._joint.sum()

    @property
    def ranked(self) -> tuple[int, ...]:
        """The places, the most probable first: the last correction that it takes; `places` where none helps."""
        return tuple(sorted(range(self._places + 1), key=lambda k: (-self.probability(k), k)))

    def probability(self, place: int) -> float:
        """Of one place."""
        return float(self._joint[place].sum())

    @property
    def recovery(self) -> float:
        """How probable it is that the run often succeeds though nothing decisive is corrected."""
        return float(self._joint[:, self._q >= _RECOVERS].sum())

    def next_length(self) -> int:
        """How many corrections to make in the next look."""
        gains = [self._information(n) / self._costs[n - 1] for n in range(1, self._places + 1)]
        best = max(gains)
        return 1 + next(n for n, gain in enumerate(gains) if gain >= best * (1 - 1e-9))

    def _chances(self, length: int) -> Any:
        """P(success) of a look, by place and rates."""
        import numpy as np

        repaired = (np.arange(self._places + 1) < length)[:, None]
        return np.where(repaired, self._p[None, :], self._q[None, :])

    def _information(self, length: int) -> float:
        """What a look is expected to tell about the place, in bits."""
        import numpy as np

        chance = self._chances(length)
        won = (self._joint * chance).sum(axis=1)
        place = self._joint.sum(axis=1)
        total = float(won.sum())
        if not 0 < total < 1:
            return 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            after = np.nan_to_num(won * np.log2(won / (place * total))).sum()
            lost = place - won
            after += np.nan_to_num(lost * np.log2(lost / (place * (1 - total)))).sum()
        return max(0.0, float(after))


def most_looks(places: int) -> int:
    """How many looks are worth making before steps are tried one by one."""
    return 6 + int(3 * log2(max(2, places)))
