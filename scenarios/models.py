"""Generated models audited by the product, whole runs: `python -m butfor.scenarios.models`.

Each step of a recording erred with its own chance, so that a failure may have several faults, one fault or the next may
hide another, and effects lie anywhere between 0 and 1: the exact ones are known. The corrector mends what erred and
puts everything else in other words.
"""

import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from butfor.counterfactual.search import SEARCHES
from butfor.counterfactual.verdict import Verdict

from .generated import TOPOLOGIES, CausalModel, generate
from .played import audited

SEED = 20_261_126
DECISIVE, LARGE = 0.1, 0.3

Word = Literal["right", "earlier missed", "earlier small", "wrong", "undetermined", "no flip"]
"""How a verdict stands to the exact effects: `earlier missed` blames a step with effect though one before it has more
than .3, or a set of faults though one step alone has; `earlier small` the same with between .1 and .3; `wrong` blames
what has none."""


class Kind(NamedTuple):
    """A kind of failure."""

    length: int
    faults: float
    """How many steps err in a run, on average."""
    recovery: float
    """The chance that a step that erred does not err when it is asked anew."""


class Audited(NamedTuple):
    """One audit beside the truth."""

    word: Word
    calls: int
    covered: bool | None
    """Whether the printed interval holds the exact effect of the blamed step or set; `None` where there is none."""


def sampled(chance: random.Random, kind: Kind) -> CausalModel:
    """A failing run of a random shape, recorded as chance would have it."""
    noise = kind.faults / kind.length
    while True:
        shape = generate(chance, topology=chance.choice(TOPOLOGIES), length=kind.length)
        erred = tuple(step for step in range(kind.length) if chance.random() < noise)
        model = CausalModel(shape.inputs, erred, kind.recovery, noise=noise / 4, noticing=0.02)
        if erred and not model.recorded[-1]:
            return model


def one(kind: Kind, seed: str, *, search: str = "screen") -> Audited:
    """One failure, audited; equal seeds give equal audits."""
    model = sampled(random.Random(seed), kind)
    found, calls = audited(model, search=SEARCHES[search], rewords=True)
    return Audited(_word(model, found), calls, _covered(model, found))


def _word(model: CausalModel, found: Verdict) -> Word:
    effects = {step: model.rates(step).effect for step in model.planted}
    decisive = sorted(step for step, effect in effects.items() if effect > DECISIVE)
    if found.verdict == "blamed" and found.step is not None:
        before = [effects[step] for step in decisive if step < found.step]
        if effects.get(found.step, 0.0) <= DECISIVE:
            return "wrong"
        return "right" if not before else "earlier missed" if max(before) > LARGE else "earlier small"
    if found.verdict == "set":
        needed = {step for step, role in found.roles.items() if role == "only together"}
        rates = model.rates(*(step for step in found.members if step in model.planted))
        if not needed <= set(model.planted) or rates.effect <= DECISIVE:
            return "wrong"
        alone = max((effects[step] for step in decisive), default=0.0)
        return "right" if not decisive else "earlier missed" if alone > LARGE else "earlier small"
    if found.verdict in ("no flip", "nothing tried"):
        return "no flip" if decisive else "right"
    return "undetermined"


def _covered(model: CausalModel, found: Verdict) -> bool | None:
    steps = found.members or (() if found.step is None else (found.step,))
    if not steps or found.interval is None:
        return None
    mended = [step for step in steps if step in model.planted]
    effect = model.rates(*mended).effect if mended else 0.0
    return found.interval[0] - 1e-9 <= effect <= found.interval[1] + 1e-9


def row(kind: Kind, found: Sequence[Audited]) -> str:
    """One line of the table."""
    words = [audit.word for audit in found]
    blamed = [audit for audit in found if audit.covered is not None]
    shares = "  ".join(f"{word} {words.count(word) / len(found):4.0%}" for word in dict.fromkeys(_WORDS))
    covered = sum(bool(audit.covered) for audit in blamed) / len(blamed) if blamed else float("nan")
    runs = statistics.median(audit.calls / kind.length for audit in found)
    head = f"N {kind.length:2}  faults {kind.faults:3g}  recovery {kind.recovery:3g}"
    return f"{head}  {shares}  covered {covered:4.0%}  full runs {runs:.1f}"


_WORDS: tuple[Word, ...] = ("right", "earlier missed", "earlier small", "wrong", "undetermined", "no flip")
_KINDS = tuple(
    Kind(length, faults, recovery) for length in (8, 20) for faults in (0.1, 1.0, 2.0) for recovery in (0.0, 0.3)
)


def table(audits: int, *, search: str = "screen") -> Iterator[str]:
    """Every line, one after the other."""
    for kind in _KINDS:
        yield row(kind, [one(kind, f"{SEED}/{kind}/{n}", search=search) for n in range(audits)])


def main() -> None:
    """Print the table; the arguments are the failures a row (20) and the search."""
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    search = sys.argv[2] if len(sys.argv) > 2 else "screen"
    began = time.monotonic()
    print(f"seed {SEED}, {audits} failures a row, search {search}")
    for line in table(audits, search=search):
        print(line, flush=True)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
