"""How good the verdicts are, on generated failures with a known cause; the full tables are the benchmark's."""

import pytest

from butfor.counterfactual.rule import Rule
from butfor.scenarios.calibration import cost_curve, coverage, false_blame, planted_found
from butfor.scenarios.played import pairs_found


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    found = coverage(2_000)
    assert 0.94 <= found.fixed <= 0.97
    assert found.anytime >= 0.95


@pytest.mark.parametrize(("recovery", "at_most", "scan"), [(None, 0.01, 0.6), (0.16, 0.05, 0.4), (0.3, 0.05, 0.6)])
def test_the_innocent_are_hardly_ever_blamed_where_a_plain_scan_blames_them(
    recovery: float | None, at_most: float, scan: float
) -> None:
    wrong, scanned = false_blame(300, recovery=recovery)
    assert wrong <= at_most
    assert scanned >= scan


@pytest.mark.parametrize("length", [8, 20])
def test_the_planted_step_is_found(length: int) -> None:
    found = planted_found(length, 100)
    assert found.exact >= 0.95
    assert found.coverage >= 0.9
    assert found.exact > found.plain_scan > found.position_prior


def test_an_audit_agrees_with_exhaustive_search_at_a_twentieth_of_its_cost() -> None:
    (cost,) = cost_curve(60, [Rule()])
    assert cost.agreement >= 0.98
    assert cost.share <= 0.05


@pytest.mark.parametrize("either", [False, True])
def test_planted_pairs_come_back_as_the_right_set(either: bool) -> None:
    assert pairs_found(25, either=either, seed=1) >= 0.99
