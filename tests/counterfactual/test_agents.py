"""An agent's share of the blame is its Shapley value: it sums to the whole, and who changes nothing gets nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.store import MemoryStore
from butfor.counterfactual.agents import shapley
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.settings import Settings
from butfor.scenarios import scenario

PLAYERS = ("a", "b", "c")


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_shares_sum_to_what_everybody_together_adds(values: list[float]) -> None:
    game = dict(zip(_coalitions(), values, strict=True))
    shares = shapley(PLAYERS, game.__getitem__)
    assert sum(shares.values()) == pytest.approx(game[frozenset(PLAYERS)] - game[frozenset()])


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_who_never_changes_anything_gets_nothing(values: list[float]) -> None:
    game = dict(zip(_coalitions(PLAYERS[:2]), values, strict=True))
    shares = shapley(PLAYERS, lambda members: game[members - {"c"}])
    assert shares["c"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("name", "shares"), [("parallel", {"Middle": 1.0}), ("overdetermined", {"Hall": 0.5, "Band": 0.5})]
)
def test_the_shares_of_a_scenario_are_those_of_its_cause(name: str, shares: dict[str, float]) -> None:
    settings = Settings(model=f"scripted:{name}", per_agent=True)
    found = Audit(settings, MemoryStore()).audit(scenario(name).record())
    assert {share.agent: share.share for share in found.agents} == pytest.approx(shares)


def _coalitions(players: tuple[str, ...] = PLAYERS) -> list[frozenset[str]]:
    return [frozenset(p for index, p in enumerate(players) if bits >> index & 1) for bits in range(2 ** len(players))]
