"""How large evidence has to be: `limit`, exact for the number of draws at which a trial ends.

The classical limit 1/level holds however long one draws on. A trial ends after `repeats` draws an arm, so that a much
smaller one will do: the least for which, whatever the rates of the two arms, the chance that the evidence ever reaches
it is at most the level. That chance is summed over every way in which the draws can come out.
"""

import json
from bisect import bisect_left
from functools import cache
from math import inf, log
from pathlib import Path
from typing import Any

from .evalue import Counts, log_evidence

FIRST = 3
"""Pairs of draws before evidence is looked at for the first time; from then on it is looked at after every pair."""

_LARGEST = 60
"""Draws an arm; beyond, summing takes too long, and the limit is the classical one."""
_RATES = 61
_MARGIN = 0.99
"""Of the level: what lies between the rates of the grid is a little higher than on it."""
_TABLE = Path(__file__).with_name("limits.json")


def limit(level: float, repeats: int, effect: float) -> float:
    """The least evidence against an effect of at most this size that errs with a chance of at most `level`.

    Exact for trials that look after every pair from the third on and end after `repeats` pairs, and so valid for any
    that end earlier. Never above the classical 1/level.
    """
    if repeats > _LARGEST:
        return 1 / level
    for listed, curve in _curves(repeats, _rounded(effect)):
        if curve <= level * _MARGIN:
            return min(listed, 1 / level)
    return 1 / level


def _rounded(effect: float) -> float:
    return round(max(-0.95, min(0.95, effect)), 2) + 0.0  # there is no -0 in the table


@cache
def _curves(repeats: int, effect: float) -> tuple[tuple[float, float], ...]:
    """(limit, highest chance that the evidence ever reaches it), by limit.

    From the shipped table: a trial that ends at fewer draws than a listed one ends earlier, so that the limit of the
    next larger one holds for it; between two listed effects the worse one counts. What the table lacks is computed.
    """
    tabled = next((r for r in sorted(map(int, _table())) if r >= repeats), None)
    if tabled is None:
        return curve(repeats, effect)
    table = _table()[str(tabled)]
    listed = sorted(map(float, table))
    if effect in listed:
        return tuple((c, p) for c, p in table[_spelled(effect)])
    place = min(max(1, bisect_left(listed, effect)), len(listed) - 1)
    below, above = (dict(map(tuple, table[_spelled(e)])) for e in (listed[place - 1], listed[place]))
    return tuple((c, max(below.get(c, 0.0), above.get(c, 0.0))) for c in sorted(below.keys() | above.keys()))


def _spelled(effect: float) -> str:
    return f"{effect:g}"


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_TABLE.read_text())
    return found


def curve(repeats: int, effect: float, *, steps: int = 75) -> tuple[tuple[float, float], ...]:
    """The highest chance, over all rates that differ by `effect`, that the evidence ever reaches each of many limits.

    Raises:
        ValueError: more than 60 draws an arm.
    """
    if repeats > _LARGEST:
        raise ValueError(f"limits are summed for at most {_LARGEST} draws an arm, not {repeats}")
    import numpy as np

    looks = _looks(repeats, effect)
    limits = [1.0] + [round(1.1**n, 3) for n in range(1, steps)]
    found = []
    for c in limits:
        chance = _ever(looks, repeats, effect, log(c))
        found.append((c, float(np.max(chance))))
        if found[-1][1] < 1e-5:
            break
    return tuple((c, float(f"{p:.3g}")) for c, p in found)


def _looks(repeats: int, effect: float) -> dict[int, Any]:
    """The log-evidence of every pair of counts, by the number of pairs at which it is looked at."""
    import numpy as np

    first = min(FIRST, repeats)
    return {
        n: np.array(
            [[_ahead(Counts(s, n), Counts(t, n), effect) for t in range(n + 1)] for s in range(n + 1)], dtype=float
        )
        for n in range(first, repeats + 1)
    }


def _ahead(treated: Counts, control: Counts, effect: float) -> float:
    """The log-evidence against at most this effect; nothing where the arms do not differ by more."""
    if treated.successes - control.successes <= effect * treated.draws:
        return -inf
    return log_evidence(treated, control, effect, True)


def _ever(looks: dict[int, Any], repeats: int, effect: float, log_limit: float) -> Any:
    """The chance that the evidence ever reaches a limit, for each rate of the control arm on a grid."""
    import numpy as np

    control = np.linspace(max(0.0, -effect), min(1.0, 1.0 - effect), _RATES)
    treated = np.clip(control + effect, 0.0, 1.0)
    p, q = treated[:, None, None], control[:, None, None]
    state = np.ones((_RATES, 1, 1))
    reached = np.zeros(_RATES)
    for n in range(1, repeats + 1):
        wider = np.zeros((_RATES, n + 1, n + 1))
        wider[:, :n, :n] += state * (1 - p) * (1 - q)
        wider[:, 1:, :n] += state * p * (1 - q)
        wider[:, :n, 1:] += state * (1 - p) * q
        wider[:, 1:, 1:] += state * p * q
        if n in looks:
            stop = looks[n] >= log_limit
            reached += wider[:, stop].sum(axis=1)
            wider[:, stop] = 0.0
        state = wider
    return reached


def write(path: Path) -> None:
    """Compute the shipped table anew: `python -m butfor.counterfactual.evidence.limits`."""
    effects = [round(-0.9 + 0.1 * n, 1) for n in range(19)] + [0.95, -0.95]
    table = {str(r): {_spelled(e): curve(r, e) for e in sorted(effects)} for r in (5, 10, 20, 30, 60)}
    path.write_text(json.dumps(table, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    write(_TABLE)
