"""How often verdicts are right and what they cost, on generated models: `python -m butfor.scenarios.calibration`.

Each audit here uses the product's rule on draws from a model's exact chances of success, so that thousands fit in a
minute; planted pairs are found by the product's own search over whole runs. Every innocent step gets a correction too
(a rewording), which is the hardest case: a corrector that says "nothing to correct" costs one call a step.
"""

import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from butfor.counterfactual.rule import Counts, Rule, fixed_interval, interval

from .generated import TOPOLOGIES, CausalModel, Rates, generate
from .played import pairs_found

SEED = 20_261_123
_LENGTHS = (8, 20, 50, 100)
_EXHAUSTIVE_REPEATS = 64
_CONFIDENCES = (0.8, 0.9, 0.95, 0.99, 0.999)


class Audit(NamedTuple):
    """The end of one simulated audit."""

    blamed: int | None
    settled: bool
    """Whether every step up to the verdict was decided."""
    calls: int
    """Of agents: descendants drawn again, over both arms of every trial, and one per correction."""


class Case(NamedTuple):
    """A failure to audit."""

    planted: int
    rates: tuple[Rates, ...]
    """Of every step."""
    reach: tuple[int, ...]
    """How many steps each one can reach."""


class Coverage(NamedTuple):
    """How often intervals hold the truth."""

    effects: int
    fixed: float
    anytime: float
    """At the moment of stopping."""
    fixed_width: float
    anytime_width: float


class Found(NamedTuple):
    """How often the planted step is found."""

    length: int
    exact: float
    """Of the settled audits."""
    coverage: float
    """Settled audits among all."""
    plain_scan: float
    """One run a step, the first flip is blamed."""
    position_prior: float
    """The step that is most often planted, whatever the run."""
    calls: float
    """Median, in runs of the whole length."""


class Cost(NamedTuple):
    """Cost against certainty."""

    rule: Rule
    agreement: float
    """Of settled verdicts with exhaustive search at 64 repeats."""
    coverage: float
    share: float
    """Of the exhaustive search's calls."""
    full_runs: float
    """Median, in runs of the whole length."""


def coverage(effects: int, *, seed: int = SEED) -> Coverage:
    """Fixed-sample intervals at 32 draws an arm, and anytime intervals where the rule stops."""
    chance, rule = random.Random(seed), Rule()
    fixed, anytime, widths = 0, 0, ([], [])  # type: tuple[int, int, tuple[list[float], list[float]]]
    for _ in range(effects):
        rates = _some_rates(chance)
        low, high = _fixed(_drawn(chance, rates.treated, 32), _drawn(chance, rates.control, 32))
        fixed += low <= rates.effect <= high
        widths[0].append(high - low)
        treated, control, _ = _trial(chance, rates, rule, candidates=1)
        low, high = interval(treated, control, 0.025)
        anytime += low <= rates.effect <= high
        widths[1].append(high - low)
    return Coverage(effects, fixed / effects, anytime / effects, statistics.mean(widths[0]), statistics.mean(widths[1]))


def false_blame(audits: int, *, recovery: float | None, seed: int = SEED) -> tuple[float, float]:
    """The share of audits that blame an innocent step, by the rule and by the usual scan.

    With no `recovery`, shams and no-ops: both arms succeed equally often, at any rate. Otherwise failing runs with
    innocent steps before the planted one, which recovers by itself that often; a blamed planted step is no error.
    """
    chance, wrong, scanned = random.Random(seed), 0, 0
    for index in range(audits):
        if recovery is None:
            same = chance.choice((0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0))
            rates, planted = [Rates(same, same)] * 8, None
        else:
            model = generate(chance, topology="relay", length=6, recovery=recovery, noise=0.0, noticing=0.0)
            while model.planted[0] < 4:
                model = generate(chance, topology="relay", length=6, recovery=recovery, noise=0.0, noticing=0.0)
            rates, planted = [model.rates(step) for step in range(6)], model.planted[0]
        found = _audit(random.Random(f"{seed}/{index}"), rates, [1] * len(rates), Rule())
        wrong += found.blamed is not None and found.blamed != planted
        flip = _scan(chance, rates)
        scanned += flip is not None and flip != planted
    return wrong / audits, scanned / audits


def planted_found(length: int, audits: int, *, seed: int = SEED) -> Found:
    """How often the planted step of a generated failure is found exactly."""
    chance, found = random.Random(f"{seed}/{length}"), list[tuple[Audit, int | None, int]]()
    for _ in range(audits):
        model = _failing(chance, length)
        rates = [model.rates(step) for step in range(length)]
        audit = _audit(chance, rates, _reach(model), Rule())
        found.append((audit, _scan(chance, rates), model.planted[0]))
    settled = [(audit, planted) for audit, _, planted in found if audit.settled]
    places = [planted for _, _, planted in found]
    return Found(
        length,
        sum(audit.blamed == planted for audit, planted in settled) / len(settled),
        len(settled) / audits,
        sum(scan == planted for _, scan, planted in found) / audits,
        max(map(places.count, set(places))) / audits,
        statistics.median(audit.calls / length for audit, _, _ in found),
    )


def cost_curve(audits: int, rules: Sequence[Rule], *, hard: bool = False, seed: int = SEED) -> list[Cost]:
    """Cost and agreement with exhaustive search by each rule, over the same failures.

    `hard` failures recover by themselves up to three times in ten, and noise spoils a repaired run as often.
    """
    chance = random.Random(f"{seed}/cost")
    cases = [_case(chance, hard) for _ in range(audits)]
    exhaustive = [_exhaustive(random.Random(f"{seed}/{i}"), c.rates, c.reach) for i, c in enumerate(cases)]
    curve = []
    for rule in rules:
        found = [_audit(random.Random(f"{seed}/{i}/a"), c.rates, c.reach, rule) for i, c in enumerate(cases)]
        settled = [(a, e) for a, e in zip(found, exhaustive, strict=True) if a.settled]
        curve.append(
            Cost(
                rule,
                sum(a.blamed == e.blamed for a, e in settled) / max(1, len(settled)),
                len(settled) / audits,
                statistics.median(a.calls / e.calls for a, e in zip(found, exhaustive, strict=True)),
                statistics.median(a.calls / len(c.rates) for a, c in zip(found, cases, strict=True)),
            )
        )
    return curve


def settled_by(audits: int, *, hard: bool, seed: int = SEED) -> list[tuple[float, float]]:
    """Cost, in runs of the whole length, and the share of audits that end on the planted step at no more than it."""
    chance = random.Random(f"{seed}/settled")
    cases = [_case(chance, hard) for _ in range(audits)]
    costs = []
    for case in cases:
        found = _audit(chance, case.rates, case.reach, Rule())
        if found.settled and found.blamed == case.planted:
            costs.append(found.calls / len(case.rates))
    return [(cost, (rank + 1) / audits) for rank, cost in enumerate(sorted(costs))]


def plot(folder: Path) -> None:
    """What a budget buys: cost against the share of right verdicts, as cost.png and cost.svg in a folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for hard, name, color in ((False, "little noise", "#1b6ca8"), (True, "much noise", "#b3541e")):
        costs, shares = zip(*settled_by(400, hard=hard), strict=True)
        axes.step(costs, shares, where="post", color=color, label=name)
    axes.set_xscale("log")
    axes.set_xlabel("budget of an audit, in runs of the whole length")
    axes.set_ylabel("audits that end on the planted step")
    axes.set_ylim(0, 1.02)
    axes.set_title("Cost against certainty", loc="left")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"cost.{kind}", dpi=150, metadata={"Date": None} if kind == "svg" else None)
    plt.close(figure)


def _trial(chance: random.Random, rates: Rates, rule: Rule, *, candidates: int) -> tuple[Counts, Counts, str]:
    treated, control = Counts(0, 0), Counts(0, 0)
    while (decision := _decided(rule, treated, control, candidates)) == "draw":
        first, second = rule.next_draws(treated, control)
        if not first + second:
            break
        treated = _drawn(chance, rates.treated, first, treated)
        control = _drawn(chance, rates.control, second, control)
    return treated, control, decision


@cache
def _decided(rule: Rule, treated: Counts, control: Counts, candidates: int) -> str:
    return rule.decide(treated, control, candidates=candidates)


@cache
def _fixed(treated: Counts, control: Counts) -> tuple[float, float]:
    return fixed_interval(treated, control, 0.95)


def _drawn(chance: random.Random, rate: float, draws: int, before: Counts = Counts(0, 0)) -> Counts:  # noqa: B008
    won = sum(chance.random() < rate for _ in range(draws))
    return Counts(before.successes + won, before.draws + draws)


def _audit(chance: random.Random, rates: Sequence[Rates], reach: Sequence[int], rule: Rule) -> Audit:
    """The search `earliest` of the product, on draws."""
    calls, settled = 0, True
    for step, (rate, after) in enumerate(zip(rates, reach, strict=True)):
        if not after and step < len(rates) - 1:
            continue
        treated, control, decision = _trial(chance, rate, rule, candidates=len(rates))
        calls += 1 + (treated.draws + control.draws) * after
        if decision == "blame":
            return Audit(step, settled, calls)
        settled = settled and decision == "exclude"
    return Audit(None, settled, calls)


def _exhaustive(chance: random.Random, rates: Sequence[Rates], reach: Sequence[int]) -> Audit:
    """Every step, 64 draws of each arm, the earliest whose fixed interval is above the threshold."""
    blamed = None
    for step, rate in enumerate(rates):
        low, _ = _fixed(
            _drawn(chance, rate.treated, _EXHAUSTIVE_REPEATS),
            _drawn(chance, rate.control, _EXHAUSTIVE_REPEATS),
        )
        if blamed is None and low > Rule().effect:
            blamed = step
    return Audit(blamed, True, sum(1 + 2 * _EXHAUSTIVE_REPEATS * after for after in reach))


def _scan(chance: random.Random, rates: Sequence[Rates]) -> int | None:
    """The usual loop: correct a step, run the rest once, blame the first flip."""
    return next((step for step, rate in enumerate(rates) if chance.random() < rate.treated), None)


def _failing(chance: random.Random, length: int, *, hard: bool = False) -> CausalModel:
    """A failure with one planted step, noise that spoils a repaired run one time in ten, and some self-recovery."""
    topology = chance.choice(TOPOLOGIES)
    recovery = chance.choice((0.0, 0.16, 0.3) if hard else (0.0, 0.05, 0.1))
    noise = (0.3 if hard else 0.1) / length
    return generate(chance, topology=topology, length=length, recovery=recovery, noise=noise, noticing=noise)


def _case(chance: random.Random, hard: bool) -> Case:
    model = _failing(chance, chance.choice(_LENGTHS[:3]), hard=hard)
    rates = tuple(model.rates(step) for step in range(len(model.inputs)))
    return Case(model.planted[0], rates, tuple(_reach(model)))


def _some_rates(chance: random.Random) -> Rates:
    length = chance.choice((8, 20, 50, 100))
    model = generate(
        chance,
        topology=chance.choice(TOPOLOGIES),
        length=length,
        recovery=chance.uniform(0, 0.5),
        noise=chance.uniform(0, 2 / length),
        noticing=chance.uniform(0, 2 / length),
    )
    return model.rates(model.planted[0] if chance.random() < 0.7 else chance.randrange(length))


def _reach(model: CausalModel) -> list[int]:
    return [len(model.descendants((step,))) for step in range(len(model.inputs))]


def report(write: Callable[[str], object] = print) -> Iterator[None]:
    """Every table, one after the other."""
    write(f"seed {SEED}")
    c = coverage(10_000)
    write(
        f"coverage over {c.effects} effects: fixed sample (32 draws an arm) {c.fixed:.1%}, width {c.fixed_width:.2f}; "
        f"anytime, when the rule stops {c.anytime:.1%}, width {c.anytime_width:.2f}"
    )
    yield
    for name, recovery, audits in (
        ("1,000 shams and no-ops", None, 1_000),
        ("1,000 failures, recovery 16 %", 0.16, 1_000),
        ("1,000 failures, recovery 30 %", 0.30, 1_000),
    ):
        wrong, scanned = false_blame(audits, recovery=recovery)
        write(f"innocent step blamed in {name}: {wrong:.1%} (one run a step, first flip: {scanned:.1%})")
        yield
    for length in _LENGTHS:
        f = planted_found(length, 400 if length < 100 else 200)
        write(
            f"planted step of {f.length:3}: exact {f.exact:.1%} at {f.coverage:.1%} coverage; plain scan "
            f"{f.plain_scan:.1%}, position prior {f.position_prior:.1%}; median cost {f.calls:.1f} full runs"
        )
        yield
    for either, word in ((False, "AND"), (True, "OR")):
        write(f"planted {word} pairs, whole runs: right set and roles {pairs_found(200, either=either, seed=SEED):.1%}")
        yield
    for hard in (False, True):
        for cost in cost_curve(300, [Rule(confidence=confidence) for confidence in _CONFIDENCES], hard=hard):
            write(
                f"{'much' if hard else 'little'} noise, confidence {cost.rule.confidence:5g}: "
                f"agreement with exhaustive "
                f"{cost.agreement:.1%} at {cost.coverage:.1%} coverage, {cost.share:.1%} of its calls, median "
                f"{cost.full_runs:.1f} full runs"
            )
        yield


def main() -> None:
    """Print every table; with a folder as argument, write the plot into it too."""
    for _ in report():
        sys.stdout.flush()
    if len(sys.argv) > 1:
        plot(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
