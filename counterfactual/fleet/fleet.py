"""What the audits of many runs show together: `Fleet`, with a line for each run."""

from typing import Literal

from pydantic import Field

from butfor.cache.call import Frozen
from butfor.counterfactual.verdict import Conclusion, Cost

Reason = Literal["budget", "evidence", "nothing tried", "partial", "not replayable", "no judge", "error"]
"""Why a run has no verdict: the budget ended, the draws decide nothing, no correction was proposed, calls of it were
not recorded, it cannot be replayed, there is nothing to judge it by, or something failed."""


class RunLine(Frozen):
    """One run, and what its audit found."""

    run: str
    """The path, as `butfor blame` takes it."""
    digest: str | None = None
    """Of the run; `None` where it cannot be read."""
    state: Literal["blamed", "set", "no flip", "succeeded", "abstained"]
    verdict: Conclusion | None = None
    """`None` where there was no audit."""
    abstained: Reason | None = None
    sentence: str
    agent: str | None = None
    step: int | None = None
    """0-based."""
    members: tuple[int, ...] = ()
    kind: str | None = None
    """What the blamed step's failure looks like, from the log alone."""
    effect: float | None = None
    interval: tuple[float, float] | None = None
    recorded: str | None = None
    """What the blamed step said."""
    correction: str | None = None
    """What repaired the run."""
    told: str | None = None
    """Who read the blamed step first."""
    value: float = 0.0
    """Suspicion of its most suspect step for a call that its audit is expected to take: the order of the audits."""
    cost: Cost = Cost()
    """What the audit took when it was made, in this or an earlier command."""


class Share(Frozen):
    """How often an agent is to blame, among the runs that have a verdict."""

    agent: str
    verdicts: dict[str, int]
    """By verdict: `blamed`, or `set` where it is in a set."""
    runs: int
    share: float
    interval: tuple[float, float]
    """Wilson's (1927) at 95 %."""


class Group(Frozen):
    """Failures with one cause: the same agent, the same kind of step, a similar correction."""

    agent: str
    kind: str
    runs: tuple[str, ...]
    correction: str
    """That of the run that stands for the group."""
    example: str
    """The run in which the effect is surest."""
    share: float
    """Of the runs that have a verdict."""
    interval: tuple[float, float]


class Edge(Frozen):
    """Who told whom what was wrong."""

    speaker: str
    hearer: str
    runs: int
    damage: float
    """The sum over the runs of the effect that is sure: the lower ends of their intervals."""


class Fleet(Frozen):
    """The audits of many runs."""

    sentence: str
    runs: tuple[RunLine, ...]
    """By name."""
    failures: int
    successes: int
    decided: int
    """Failures that have a verdict: a step, a set, or that nothing helps."""
    abstentions: dict[str, int]
    agents: tuple[Share, ...]
    groups: tuple[Group, ...]
    """The largest first: what to fix first."""
    edges: tuple[Edge, ...]
    """The one that carries most damage first."""
    cost: Cost
    """What this command spent."""
    confidence: float = Field(default=0.95)

    @property
    def complete(self) -> bool:
        """Whether every failure has a verdict."""
        return self.decided == self.failures
