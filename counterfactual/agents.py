"""The blame of each agent as a whole: its effect when all its messages are corrected, and its share of the repair."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial

from butfor.cache.call import Frozen
from butfor.cache.errors import ExperimentError

from .experiment import Experiment
from .intervention import Intervention
from .rule import Counts
from .trial import Arm

_MOST_AGENTS = 10


class AgentShare(Frozen):
    """One agent's part in a failure."""

    agent: str
    steps: int
    """Its messages for which a correction was tried."""
    arm: Arm
    """The draws with all of them corrected."""
    effect: float
    """P(success | all its messages corrected) - P(success | as recorded), in [-1, 1]."""
    interval: tuple[float, float]
    share: float
    """Its Shapley value: what correcting it adds, averaged over the orders in which the agents could be corrected.
    The shares sum to the effect of correcting everybody (Shapley 1953)."""


def agent_shares(experiment: Experiment, *, draws: int = 10) -> tuple[AgentShare, ...]:
    """The share of each agent that has something to correct, the largest first; `draws` of each coalition.

    Raises:
        ExperimentError: more than ten agents have something to correct; that would be over a thousand coalitions.
        ButforError: a run could not be finished.
    """
    steps = _correctable(experiment)
    if len(steps) > _MOST_AGENTS:
        raise ExperimentError(
            f"{len(steps)} agents have something to correct; shares can be computed for {_MOST_AGENTS} at most"
        )
    recorded = Arm(draws=draws) if not steps else _recorded(experiment, draws)
    arms: dict[frozenset[str], Arm] = {frozenset(): recorded}
    for size in range(1, len(steps) + 1):
        for members in combinations(steps, size):
            wanted = sorted(step for agent in members for step in steps[agent])
            arms[frozenset(members)] = experiment.arm(experiment.propose_together(wanted), draws)
    values = {members: arm.successes / arm.draws for members, arm in arms.items()}
    shares = shapley(tuple(steps), values.__getitem__)
    found = [_share(experiment, agent, steps[agent], arms, shares[agent]) for agent in steps]
    return tuple(sorted(found, key=lambda share: -share.share))


def shapley(players: Sequence[str], value: Callable[[frozenset[str]], float]) -> dict[str, float]:
    """Each player's Shapley value in a game that gives every coalition a value."""
    count = len(players)
    shares = dict.fromkeys(players, 0.0)
    for player in players:
        others = [other for other in players if other != player]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for coalition in map(frozenset, combinations(others, size)):
                shares[player] += weight * (value(coalition | {player}) - value(coalition))
    return shares


def _correctable(experiment: Experiment) -> dict[str, list[int]]:
    """The steps to correct, by agent, in order of first appearance."""
    found: dict[str, list[int]] = {}
    for step in experiment.candidates:
        if experiment.propose(step):
            found.setdefault(experiment.trace.steps[step].agent, []).append(step)
    return found


def _recorded(experiment: Experiment, draws: int) -> Arm:
    """The run as recorded up to its first correctable step, and drawn again from there."""
    first = min(step for step in experiment.candidates if experiment.propose(step))
    kept = Intervention(kind="given", step=first, output=experiment.trace.steps[first].output)
    return experiment.arm((kept,), draws)


def _share(
    experiment: Experiment, agent: str, steps: Sequence[int], arms: dict[frozenset[str], Arm], share: float
) -> AgentShare:
    arm, recorded = arms[frozenset({agent})], arms[frozenset()]
    first, second = Counts(arm.successes, arm.draws), Counts(recorded.successes, recorded.draws)
    estimate = experiment.rule.estimate(first, second, candidates=1)
    return AgentShare(
        agent=agent,
        steps=len(steps),
        arm=arm,
        effect=estimate.effect,
        interval=(estimate.low, estimate.high),
        share=share,
    )
