"""An agent's share of the blame is its Shapley value: it sums to the whole, and who changes nothing gets nothing."""

import pytest
from acted import acted, chance, corrections, experiment
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.call import Call
from butfor.cache.store import MemoryStore
from butfor.counterfactual.agents import agent_shares, shapley
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.settings import Settings
from butfor.replay.trace import Outcome
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


LINE = acted(
    ["start", "good1", "good2", "bad3"], [[], [0], [1], [2]], ["Ann", "Bob", "Cat", "Dan"]
)  # fmt: skip


def line(call: Call) -> str:
    """Bob spoils a fresh start four times in five; Cat passes on what she heard; Dan, asked anew, is mostly right."""
    heard, seed = "\n".join(m.text for m in call.messages), call.params.get("seed")
    luck = chance(call.step, seed)
    if call.step == 1:
        return f"{'good1' if luck < 0.2 else 'bad1'} {seed}"
    if call.step == 2:
        return f"{'good2' if 'good1' in heard else 'bad2'} {seed}"
    return f"{'good3' if 'good2' in heard and luck < 0.9 else 'bad3'} {seed}"


def test_an_agent_is_held_against_a_run_that_forks_where_it_speaks_first() -> None:
    """Cat is right, and an earlier fork would blame her for what Bob does when he is asked anew."""
    proposer = corrections({0: "start, in short", 2: "good2, in short", 3: "good3"})
    tried = experiment(
        LINE, line, proposer=proposer, judge=lambda run: Outcome(success="good3" in run.steps[-1].output)
    )
    shares = {share.agent: share for share in agent_shares(tried, draws=20)}
    assert set(shares) == {"Ann", "Cat", "Dan"}
    assert abs(shares["Cat"].effect) <= 0.2
    assert shares["Cat"].control.successes > 14
    assert shares["Dan"].effect > 0.9 or shares["Dan"].control.successes < 3
    for share in shares.values():
        low, high = share.interval
        assert -1 <= low <= share.effect <= high <= 1
        low, high = share.share_interval
        assert -1 <= low <= share.share <= high <= 1
        assert high > low
