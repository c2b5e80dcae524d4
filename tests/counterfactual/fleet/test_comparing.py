"""A candidate that helps passes, one that does nothing or breaks successes does not, and how often that goes wrong."""

import random
from pathlib import Path

import pytest
from fleets import folder, team

import butfor
from butfor.cache.errors import ButforError
from butfor.counterfactual.fleet.martingale import Pairs, between, evidence_above, paired


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return folder(tmp_path / "logs", *["Counter"] * 8, *[None] * 8)


def tried(logs: Path, tmp_path: Path, text: str, **choices: float) -> butfor.Comparison:
    told = butfor.instruct("Counter", text)
    return butfor.compare(logs, told, model=team, store=tmp_path / "cache", **choices)  # type: ignore[arg-type]


def test_a_candidate_that_helps_passes_and_pays_nothing_twice(logs: Path, tmp_path: Path) -> None:
    found = tried(logs, tmp_path, "count twice")
    assert found.answer == "PASS"
    one = found.candidates[0]
    assert (one.failures.runs, one.successes.runs, one.failures.treated) == (8, 8, 1.0)
    again = tried(logs, tmp_path, "count twice")
    assert again.candidates == found.candidates
    assert again.cost.live_calls == 0


@pytest.mark.parametrize("text", ["hello there", "be quick"])
def test_a_candidate_that_does_not_help_never_passes(logs: Path, tmp_path: Path, text: str) -> None:
    assert tried(logs, tmp_path, text).answer != "PASS"


def test_candidates_share_the_error_and_a_budget_that_ends_decides_nothing(logs: Path, tmp_path: Path) -> None:
    told = [butfor.instruct("Counter", text) for text in ("count twice", "be quick")]
    both = butfor.compare(logs, *told, model=team, store=tmp_path / "two")
    assert [round(one.error, 6) for one in both.candidates] == [0.025, 0.025]
    cut = butfor.compare(logs, told[0], model=team, store=tmp_path / "cut", max_calls=10, jobs=1)
    assert (cut.answer, cut.candidates[0].rounds, cut.cost.live_calls) == ("INCONCLUSIVE", 0, 10)


def test_what_has_no_such_agent_is_told_and_no_candidate_is_an_error(logs: Path, tmp_path: Path) -> None:
    found = butfor.compare(logs, butfor.instruct("Nobody", "x"), model=team, store=tmp_path / "cache")
    assert len(found.candidates[0].left) == 16
    assert found.answer == "INCONCLUSIVE"
    with pytest.raises(ButforError, match="nothing to try"):
        butfor.compare(logs, model=team, store=tmp_path / "cache")


def test_pairs_are_counted_by_their_difference() -> None:
    assert paired([True, True, False, False], [True, False, True, False]) == Pairs(1, 2, 1)
    assert Pairs(3, 1, 0).mean == 0.75


def test_an_interval_holds_its_mean_and_narrows() -> None:
    wide, narrow = between(Pairs(5, 5, 2), 0.025), between(Pairs(50, 50, 20), 0.025)
    assert wide[0] < narrow[0] < 0.25 < narrow[1] < wide[1]
    assert between(Pairs(), 0.025) == (-1.0, 1.0)


def test_the_chance_of_a_false_claim_at_any_time_is_the_stated_one() -> None:
    """Stopped whenever it looks best, over rounds of runs that are as unlike as they can be."""
    chance, wrong = random.Random(7), 0
    rates = ([1.0] * 5 + [0.0] * 5, [0.5] * 10)
    for repetition in range(400):
        pairs = Pairs()
        for _ in range(20):
            for rate in rates[repetition % 2]:
                difference = (chance.random() < rate) - (chance.random() < 0.4)
                pairs = Pairs(*(n + (difference == d) for n, d in zip(pairs, (1, 0, -1), strict=True)))
            if evidence_above(pairs, 0.1) >= 20:
                wrong += 1
                break
    assert wrong <= 0.05 * 400 + 2 * (0.05 * 0.95 * 400) ** 0.5
