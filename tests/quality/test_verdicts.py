"""How good the verdicts are, on generated failures with a known cause; the full tables are the benchmark's."""

from statistics import median

import pytest

from butfor.scenarios.calibration import coverage, false_blame
from butfor.scenarios.models import Kind, one
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


@pytest.mark.parametrize(("length", "runs"), [(8, 15), (20, 15)])
def test_a_fault_is_found_at_a_small_part_of_what_trying_everything_takes(length: int, runs: float) -> None:
    """Trying every step with 64 draws of both arms takes 64 times the length, in full runs."""
    found = [one(Kind(length, 0.1, 0.0), f"quality/{n}") for n in range(16)]
    assert sum(audit.word == "right" for audit in found) >= 15
    assert not any(audit.word == "wrong" for audit in found)
    assert all(audit.covered for audit in found if audit.covered is not None)
    assert median(audit.calls / length for audit in found) <= runs


def test_with_faults_that_hide_each_other_hardly_an_earlier_one_is_missed() -> None:
    found = [one(Kind(8, 2.0, recovery), f"quality/{n}") for n in range(12) for recovery in (0.0, 0.3)]
    assert sum(audit.word == "earlier missed" for audit in found) <= 1
    assert sum(audit.word == "wrong" for audit in found) <= 1
    assert sum(audit.covered is False for audit in found) <= 2


@pytest.mark.parametrize("either", [False, True])
def test_planted_pairs_come_back_as_the_right_set(either: bool) -> None:
    assert pairs_found(25, either=either, seed=1) >= 0.99
