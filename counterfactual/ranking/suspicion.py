"""What a ranker says of a step: `Suspicion`; and what a ranker is."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import Field

from butfor.cache.call import Frozen
from butfor.replay.trace import Trace


class Suspicion(Frozen):
    """How much one step looks like the decisive error."""

    step: int = Field(ge=0)
    """0-based position in the trace."""
    agent: str
    suspicion: float = Field(ge=0, le=1)
    """In [0, 1]; comparable within one run and one method only, and no probability unless the method says so."""
    reason: str


class Ranker(Protocol):
    """Orders the steps of a run by suspicion, the most suspect first, one entry per step that can be blamed."""

    def __call__(self, trace: Trace, /) -> Sequence[Suspicion]:
        """Rank the steps; the expected answer, the judgement and the label are not looked at."""
        ...


def blameable(trace: Trace) -> tuple[int, ...]:
    """The steps that a blame may fall on: all but a person's; the framework's lines count, for it may replan."""
    return tuple(step.index for step in trace.steps if step.kind != "human")


def ordered(
    trace: Trace, scores: Mapping[int, float], reasons: Mapping[int, str], *, otherwise: str
) -> tuple[Suspicion, ...]:
    """One `Suspicion` for every step that can be blamed, the most suspect first, the earlier step first in a tie.

    Scores are clipped to [0, 1]; a step without a score has none of it, and `otherwise` as its reason.
    """
    found = [
        Suspicion(
            step=index,
            agent=trace.steps[index].agent,
            suspicion=min(1.0, max(0.0, float(scores.get(index, 0.0)))),
            reason=reasons.get(index, otherwise),
        )
        for index in blameable(trace)
    ]
    return tuple(sorted(found, key=lambda entry: (-entry.suspicion, entry.step)))
