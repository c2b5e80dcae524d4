"""What audits make of natural failures, whose exact truth is known: the floors that hold as measured."""

import pytest

from butfor.scenarios.natural.__main__ import Row, measured

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def atlas() -> Row:
    return measured("atlas", "linked", runs=300, seed=11)


def test_most_verdicts_are_right(atlas: Row) -> None:
    assert atlas.right >= 0.78
    assert atlas.sets_right is not None
    assert atlas.sets_right >= 0.75  # measured: .80 of 69 sets


def test_no_innocent_is_blamed_and_no_sure_step_is_missed(atlas: Row) -> None:
    assert atlas.count("an innocent step", "wrong set") == 0
    assert atlas.count("no flip, misses a sure step or set") <= len(atlas.scores) / 100


def test_a_verdict_takes_no_more_calls_than_promised(atlas: Row) -> None:
    assert atlas.mean_calls <= 62


def test_printed_intervals_hold_the_exact_effects(atlas: Row) -> None:
    assert atlas.covered is not None
    assert atlas.covered >= 0.95
