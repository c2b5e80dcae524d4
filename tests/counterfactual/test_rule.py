"""A rule blames the innocent as rarely as it says, finds what is large, and its intervals hold at every moment."""

from collections import Counter
from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.counterfactual.rule import Counts, Decision, Rule, evidence, interval

counts = st.integers(0, 20).flatmap(lambda draws: st.integers(0, draws).map(lambda successes: Counts(successes, draws)))


@given(counts, counts)
def test_an_interval_holds_the_estimate_and_stays_in_range(treated: Counts, control: Counts) -> None:
    low, high = interval(treated, control, 0.05)
    estimate = Rule().estimate(treated, control, candidates=1).effect
    assert -1 <= low <= estimate <= high <= 1


@given(counts, counts)
def test_more_confidence_is_a_wider_interval(treated: Counts, control: Counts) -> None:
    narrow, wide = interval(treated, control, 0.1), interval(treated, control, 0.01)
    assert wide[0] <= narrow[0] + 1e-9
    assert wide[1] >= narrow[1] - 1e-9


@given(counts, counts, st.floats(-0.9, 0.9))
def test_evidence_and_interval_say_the_same(treated: Counts, control: Counts, effect: float) -> None:
    low, high = interval(treated, control, 0.05)
    if low > effect + 1e-6:
        assert evidence(treated, control, effect) >= 20 * (1 - 1e-6)
    if high < effect - 1e-6:
        assert evidence(treated, control, effect, below=False) >= 20 * (1 - 1e-6)


@pytest.mark.parametrize("draws", [3, 10, 40])
def test_arms_in_which_every_draw_agrees_leave_doubt(draws: int) -> None:
    assert interval(Counts(draws, draws), Counts(0, draws), 0.05)[0] < 1
    same = interval(Counts(0, draws), Counts(0, draws), 0.05)
    assert same[0] < 0 < same[1]


def test_no_draws_say_nothing() -> None:
    assert interval(Counts(0, 0), Counts(0, 0), 0.05) == (-1, 1)
    assert Rule().decide(Counts(0, 0), Counts(0, 0), candidates=1) == "draw"


@pytest.mark.parametrize("recovery", [0.0, 0.1, 0.16, 0.3, 0.5, 0.9, 1.0])
def test_an_innocent_step_is_hardly_ever_blamed(recovery: float) -> None:
    ends, _ = _exactly(Rule(), recovery, recovery, candidates=5)
    assert 5 * ends["blame"] <= 0.05


@pytest.mark.parametrize(
    ("corrected", "recorded", "found"),
    [(1.0, 0.0, 1.0), (0.9, 0.0, 0.999), (0.9, 0.1, 0.98), (0.8, 0.1, 0.85)],
)
def test_a_decisive_step_is_found(corrected: float, recorded: float, found: float) -> None:
    ends, _ = _exactly(Rule(), corrected, recorded, candidates=10)
    assert ends["blame"] >= found
    assert ends["exclude"] <= 0.1


@pytest.mark.parametrize("effect", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("recorded", [0.0, 0.1])
def test_a_large_effect_is_excluded_as_rarely_as_promised(effect: float, recorded: float) -> None:
    ends, _ = _exactly(Rule(), min(1.0, recorded + effect), recorded, candidates=10)
    assert ends["exclude"] <= 1 - Rule().power


def test_a_hopeless_correction_costs_nine_runs_and_no_control() -> None:
    ends, runs = _exactly(Rule(), 0.0, 0.0, candidates=10)
    assert (ends["exclude"], runs) == pytest.approx((1, 9))


@pytest.mark.parametrize(("candidates", "pairs"), [(1, 3), (2, 4), (6, 5), (10, 5), (20, 6), (100, 8)])
def test_a_clear_effect_costs_few_runs_an_arm(candidates: int, pairs: int) -> None:
    ends, runs = _exactly(Rule(), 1.0, 0.0, candidates=candidates)
    assert ends["blame"] == pytest.approx(1)
    assert runs <= 2 * pairs + 1e-6


@pytest.mark.parametrize("recorded", [0.0, 0.05, 0.3, 0.45, 0.6, 0.9])
@pytest.mark.parametrize("candidates", [1, 2, 8, 20])
def test_a_limit_errs_no_more_often_than_its_level(recorded: float, candidates: int) -> None:
    ends, _ = _exactly(Rule(), recorded + 0.1, recorded, candidates=candidates)
    assert candidates * ends["blame"] <= 0.05


def test_draws_stop_at_the_limit() -> None:
    rule = Rule(repeats=5)
    assert rule.next_draws(Counts(0, 4), Counts(0, 0)) == (1, 0)
    assert rule.next_draws(Counts(2, 5), Counts(1, 5)) == (0, 0)
    assert rule.next_draws(Counts(2, 5), Counts(0, 0)) == (0, 5)


@pytest.mark.slow
@pytest.mark.parametrize(("corrected", "recorded"), [(0.5, 0.5), (0.9, 0.2), (0.3, 0.1), (1.0, 0.0)])
def test_an_interval_holds_the_truth_at_every_moment_at_once(corrected: float, recorded: float) -> None:
    chance, missed = Random(f"{corrected}/{recorded}"), 0
    for _ in range(400):
        treated, control, inside = Counts(0, 0), Counts(0, 0), True
        for _ in range(40):
            treated = Counts(treated.successes + (chance.random() < corrected), treated.draws + 1)
            control = Counts(control.successes + (chance.random() < recorded), control.draws + 1)
            low, high = interval(treated, control, 0.025)
            inside = inside and low <= corrected - recorded <= high
        missed += not inside
    assert missed <= 0.05 * 400


def _exactly(rule: Rule, corrected: float, recorded: float, *, candidates: int) -> tuple[Counter[Decision], float]:
    """The chance of each end, and the mean number of runs, summed over every way the draws can come out."""
    ends: Counter[Decision] = Counter()
    runs = 0.0
    states = {(Counts(0, 0), Counts(0, 0)): 1.0}
    while states:
        following: Counter[tuple[Counts, Counts]] = Counter()
        for (treated, control), chance in states.items():
            decision = rule.decide(treated, control, candidates=candidates)
            first, second = rule.next_draws(treated, control)
            if decision != "draw" or not first + second:
                ends[decision] += chance  # type: ignore[assignment]
                runs += chance * (treated.draws + control.draws)
                continue
            for won in range(first + 1):
                for kept in range(second + 1):
                    step = chance * _binomial(first, won, corrected) * _binomial(second, kept, recorded)
                    if step > 1e-12:
                        state = (
                            Counts(treated.successes + won, treated.draws + first),
                            Counts(control.successes + kept, control.draws + second),
                        )
                        following[state] += step  # type: ignore[assignment]
        states = dict(following)
    return ends, runs


def _binomial(draws: int, successes: int, chance: float) -> float:
    return comb(draws, successes) * chance**successes * (1 - chance) ** (draws - successes)
