"""The best order from whatever is at hand: the default shortlist."""

from collections.abc import Sequence
from functools import partial

from butfor.replay.trace import Trace

from .confidence import confidence
from .learned import Model, shipped_model
from .suspicion import Ranker, Suspicion, ordered
from .trajectory import along


def combined(
    trace: Trace, /, *, successes: Sequence[Trace] = (), model: Model | None = None, also: Sequence[Ranker] = ()
) -> tuple[Suspicion, ...]:
    """The learned order; with successful runs, recorded log-probabilities or further rankers, the mean of all.

    `model` replaces the one that comes with butfor. Without anything else at hand the order is the learned one. The
    run's own plan and ledger do not count again: the learned ranker looks at both.

    Raises:
        ExperimentError: the model was not trained on runs of this kind.
        CallError: a further ranker asks a model, and was not answered.
    """
    rankers: list[Ranker] = [model or shipped_model()]
    if successes:
        rankers.append(along(*successes))
    if any(step.logprobs for step in trace.steps):
        rankers.append(confidence)
    rankers.extend(also)
    rankings = [ranker(trace) for ranker in rankers]
    if len(rankings) == 1:
        return tuple(rankings[0])
    scores: dict[int, float] = {}
    reasons: dict[int, list[str]] = {}
    for ranking in rankings:
        highest = max((entry.suspicion for entry in ranking), default=0.0) or 1.0
        for entry in ranking:
            scores[entry.step] = scores.get(entry.step, 0.0) + entry.suspicion / highest / len(rankings)
            if entry.suspicion >= highest / 2:
                reasons.setdefault(entry.step, []).append(entry.reason)
    told = {step: "; ".join(dict.fromkeys(said)) for step, said in reasons.items()}
    return ordered(trace, scores, told, otherwise="no method suspects it much")


def combining(
    *, successes: Sequence[Trace] = (), model: Model | None = None, also: Sequence[Ranker] = ()
) -> "partial[tuple[Suspicion, ...]]":
    """The combined ranker with what is at hand."""
    return partial(combined, successes=successes, model=model, also=also)
