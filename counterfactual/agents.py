"""The blame of each agent as a whole: its effect when all its messages are corrected, and its share of the repair."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import factorial
from typing import NamedTuple

from butfor.cache.call import Frozen
from butfor.cache.errors import ExperimentError

from .experiment import Experiment
from .rule import Counts, fixed_interval, rate
from .trial import Arm

_MOST_AGENTS = 10


class AgentShare(Frozen):
    """One agent's part in a failure."""

    agent: str
    steps: int
    """Its messages for which a correction was tried."""
    arm: Arm
    """The draws with all of them corrected."""
    control: Arm
    """The draws with all of them as recorded; it forks at this agent's own first step."""
    effect: float
    """P(success | all its messages corrected) - P(success | as recorded), in [-1, 1]."""
    interval: tuple[float, float]
    share: float
    """Its Shapley value: what correcting it adds, averaged over the orders in which the agents could be corrected.
    The shares sum to the effect of correcting everybody (Shapley 1953)."""
    share_interval: tuple[float, float]
    """Of the share, at the audit's confidence for a fixed number of draws (Zou and Donner's MOVER, 2008)."""


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
    pairs: dict[frozenset[str], _Pair] = {frozenset(): _Pair(Arm(), Arm())}
    for size in range(1, len(steps) + 1):
        for members in combinations(steps, size):
            wanted = sorted(step for agent in members for step in steps[agent])
            corrections = experiment.propose_together(wanted)
            if corrections:
                treated, control = experiment.arm(corrections, draws), experiment.control_arm(corrections, draws)
                pairs[frozenset(members)] = _Pair(treated, control)
            else:
                pairs[frozenset(members)] = _Pair(Arm(), Arm())
    shares = shapley(tuple(steps), lambda members: pairs[members].effect)
    found = [_share(experiment, agent, steps, pairs, shares[agent]) for agent in steps]
    return tuple(sorted(found, key=lambda share: -share.share))


class _Pair(NamedTuple):
    """Both arms of correcting all messages of some agents."""

    treated: Arm
    control: Arm

    @property
    def effect(self) -> float:
        return rate(_counts(self.treated)) - rate(_counts(self.control))


def _counts(arm: Arm) -> Counts:
    return Counts(arm.successes, arm.draws)


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


def _share(
    experiment: Experiment,
    agent: str,
    steps: Mapping[str, Sequence[int]],
    pairs: Mapping[frozenset[str], _Pair],
    share: float,
) -> AgentShare:
    own = pairs[frozenset({agent})]
    return AgentShare(
        agent=agent,
        steps=len(steps[agent]),
        arm=own.treated,
        control=own.control,
        effect=own.effect,
        interval=fixed_interval(_counts(own.treated), _counts(own.control), experiment.rule.confidence),
        share=share,
        share_interval=_interval(tuple(steps), agent, pairs, share, experiment.rule.confidence),
    )


def _interval(
    agents: Sequence[str], agent: str, pairs: Mapping[frozenset[str], _Pair], share: float, confidence: float
) -> tuple[float, float]:
    """The share is a weighted sum of effects, each with an interval of its own; the distances add up in squares."""
    others = [other for other in agents if other != agent]
    down = up = 0.0
    for size in range(len(agents)):
        weight = factorial(size) * factorial(len(agents) - size - 1) / factorial(len(agents))
        for coalition in map(frozenset, combinations(others, size)):
            for members, sign in ((coalition | {agent}, 1), (coalition, -1)):
                pair = pairs[members]
                if not pair.treated.draws:
                    continue
                low, high = fixed_interval(_counts(pair.treated), _counts(pair.control), confidence)
                below, above = pair.effect - low, high - pair.effect
                down += (weight * (below if sign > 0 else above)) ** 2
                up += (weight * (above if sign > 0 else below)) ** 2
    return max(-1.0, share - down**0.5), min(1.0, share + up**0.5)
