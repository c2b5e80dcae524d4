"""Whether a ranking names the labelled step and agent: integers as integers, names letter by letter."""

from collections.abc import Sequence
from typing import NamedTuple

from butfor.cache.errors import ExperimentError
from butfor.replay.trace import Culprit, Trace

from .suspicion import Suspicion


class Hit(NamedTuple):
    """How one ranking compares with the label."""

    step: bool
    agent: bool
    joint: bool
    """Both at once: an agent that is right for the wrong step explains nothing."""
    distance: int | None
    """Steps between the blamed and the labelled step; `None` where nothing was blamed."""
    rank: int | None
    """1-based place of the labelled step; `None` where nothing speaks against it."""


def compare(trace: Trace, ranking: Sequence[Suspicion]) -> Hit:
    """Compare the head of a ranking with the label; what has no suspicion at all is not blamed.

    Raises:
        ExperimentError: the log has no label.
    """
    label = culprit(trace)
    blamed = [entry for entry in ranking if entry.suspicion > 0]
    if not blamed:
        return Hit(False, False, False, None, None)
    rank = next((place for place, entry in enumerate(blamed, 1) if entry.step == label.step), None)
    top = blamed[0]
    step, agent = top.step == label.step, top.agent == label.agent
    return Hit(step, agent, step and agent, abs(top.step - label.step), rank)


def culprit(trace: Trace) -> Culprit:
    """The label.

    Raises:
        ExperimentError: there is none.
    """
    if trace.culprit is None:
        name = trace.source.name or "a log"
        raise ExperimentError(f"{name} has no label; add mistake_agent and mistake_step, or leave it out")
    return trace.culprit


def contradicts_itself(trace: Trace) -> bool:
    """Whether the labelled step is by another agent than the labelled one: no ranking can have both right."""
    label = culprit(trace)
    return trace.steps[label.step].agent != label.agent
