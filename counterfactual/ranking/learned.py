"""A ranker learned from labelled logs: plain numbers in JSON, applied with numpy.

Group chats are read by trees (short runs, in which what a place means depends on how the run went), orchestrated
runs by one weight a feature (long runs, of which there are few).
"""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, FiniteFloat, ValidationError, model_validator

from butfor.cache.call import Frozen
from butfor.cache.errors import ExperimentError
from butfor.replay.trace import Trace

from .directed import Row
from .features import Described, describe
from .phrases import PHRASES
from .suspicion import Suspicion, ordered

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

_SHIPPED = Path(__file__).with_name("learned.json")
_FARTHEST = 4.0
"""Standard deviations; a run unlike any that was learned from must not be decided by one feature."""
_PLAIN = "nothing in it stands out; so ranked by its place in the run"


class Spread(Frozen):
    """A share of logs, in percent, over several cross-validations."""

    mean: FiniteFloat
    sd: FiniteFloat


class Scores(Frozen):
    """How well a learned model does on logs whose questions it has not seen, in percent of the logs."""

    logs: int
    step: Spread
    agent: Spread
    joint: Spread
    top3: Spread
    """The labelled step is among the first three."""
    seeds: tuple[int, ...]
    folds: int


class Weights(Frozen):
    """A conditional logit: the chance of each step, given that one step of the run is the decisive error."""

    names: tuple[str, ...]
    means: tuple[FiniteFloat, ...]
    scales: tuple[FiniteFloat, ...]
    weights: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if not len(self.names) == len(self.means) == len(self.scales) == len(self.weights):
            raise ValueError("names, means, scales and weights differ in length")
        if not all(scale > 0 for scale in self.scales):
            raise ValueError("a scale is not above 0")
        return self

    def judge(self, rows: Sequence[Row]) -> "Judged":
        """The chance of each step, and what each feature adds to it."""
        import numpy as np

        matrix = as_matrix(rows, self.names)
        z = np.clip((matrix - np.array(self.means)) / np.array(self.scales), -_FARTHEST, _FARTHEST)
        shares = z * np.array(self.weights)
        logits = shares.sum(axis=1)
        chances = np.exp(logits - logits.max())
        return Judged(chances / chances.sum(), shares, matrix)


class Trees(Frozen):
    """Extremely randomised trees; the nodes of all of them in one list, a node's left child behind it."""

    names: tuple[str, ...]
    roots: tuple[int, ...]
    feature: tuple[int, ...]
    """The feature that a node asks for; -1 in a leaf."""
    threshold: tuple[FiniteFloat, ...]
    """Up to here to the left."""
    right: tuple[int, ...]
    value: tuple[FiniteFloat, ...]
    """The share of culprits among the steps that came to the node, culprits and others weighing the same."""

    @model_validator(mode="after")
    def _is_forest(self) -> Self:
        nodes = len(self.feature)
        if not nodes == len(self.threshold) == len(self.right) == len(self.value):
            raise ValueError("feature, threshold, right and value differ in length")
        if not self.roots or not all(0 <= root < nodes for root in self.roots):
            raise ValueError("a root is no node")
        for node, (feature, right) in enumerate(zip(self.feature, self.right, strict=True)):
            if feature >= len(self.names) or (feature >= 0 and not node + 1 < right < nodes):
                raise ValueError(f"node {node} asks for no feature, or has no children behind it")
        return self

    @cached_property
    def _arrays(self) -> tuple["Array", ...]:
        import numpy as np

        return tuple(np.array(part) for part in (self.roots, self.feature, self.threshold, self.right, self.value))

    def judge(self, rows: Sequence[Row]) -> "Judged":
        """The mean vote of the trees as a share of the run's votes, and what each feature adds to a vote."""
        import numpy as np

        matrix = as_matrix(rows, self.names)
        roots, feature, threshold, right, value = self._arrays
        at = np.tile(roots, (len(rows), 1)).astype(int)
        row = np.broadcast_to(np.arange(len(rows))[:, None], at.shape)
        shares = np.zeros_like(matrix)
        asks = feature[at].astype(int)
        while (inner := asks >= 0).any():
            here, who, name = at[inner], row[inner], asks[inner]
            there = np.where(matrix[who, name] <= threshold[here], here + 1, right[here]).astype(int)
            np.add.at(shares, (who, name), (value[there] - value[here]) / len(roots))
            at[inner] = there
            asks = feature[at].astype(int)
        votes = value[at].mean(axis=1)
        return Judged(votes / votes.sum() if votes.sum() > 0 else np.full(len(rows), 1 / len(rows)), shares, matrix)


class Judged(NamedTuple):
    """What a model says of the steps of one run."""

    suspicion: "Array"
    """Of each step, in [0, 1]; shape (steps,), sums to 1."""
    shares: "Array"
    """What each feature adds to it; shape (steps, features)."""
    matrix: "Array"
    """The features themselves; shape (steps, features)."""


class Model(Frozen):
    """A trained ranker, as it stands in a file."""

    version: Literal[1] = 1
    chat: Trees | None = None
    """For group chats and other runs that nobody directs; `None` where too few were labelled."""
    orchestrated: Weights | None = None
    """For runs that an orchestrator directs; `None` where too few were labelled."""
    scores: Mapping[str, Scores] = Field(default_factory=dict)
    """By kind of run (`chat`, `orchestrated`): cross-validated by question, never on what was learned from."""
    data: str = ""
    """What it was trained on, and under which licence that is."""

    def __call__(self, trace: Trace, /) -> tuple[Suspicion, ...]:
        """Rank the steps of a run.

        Raises:
            ExperimentError: the model was not trained on runs of this kind.
        """
        return self.rank(trace, describe(trace.blind()))

    def rank(self, trace: Trace, described: Described) -> tuple[Suspicion, ...]:
        """Rank the steps of a run whose features are known already.

        Raises:
            ExperimentError: the model was not trained on runs of this kind.
        """
        if not described.steps:
            return ()
        family = self.orchestrated if described.orchestrated else self.chat
        if family is None:
            kind = "that an orchestrator directs" if described.orchestrated else "that nobody directs"
            raise ExperimentError(f"the model was not trained on runs {kind}; train with more labelled logs of them")
        judged = family.judge(described.rows)
        scores = dict(zip(described.steps, judged.suspicion.tolist(), strict=True))
        reasons = dict(zip(described.steps, _reasons(judged, family.names), strict=True))
        return ordered(trace, scores, reasons, otherwise=_PLAIN)

    def to_json(self) -> str:
        """The file's text; equal models give equal bytes."""
        return self.model_dump_json(exclude_none=True) + "\n"


def read_model(text: str, *, name: str = "model.json") -> Model:
    """The model in a file's text.

    Raises:
        ExperimentError: the text is no model; the message names the field.
    """
    try:
        return Model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ExperimentError(f"{name}: {where}: {first['msg']}; train it again") from None


@cache
def shipped_model() -> Model:
    """The model that comes with butfor."""
    return read_model(_SHIPPED.read_text(encoding="utf-8"), name=_SHIPPED.name)


def learned(trace: Trace, /) -> tuple[Suspicion, ...]:
    """Rank the steps with the model that comes with butfor."""
    return shipped_model()(trace)


def as_matrix(rows: Sequence[Row], names: Sequence[str]) -> "Array":
    """The rows as numbers in the order of the names; shape (steps, features)."""
    import numpy as np

    return np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=float)


def _reasons(judged: Judged, names: Sequence[str]) -> list[str]:
    """For each step, the two things that set it apart most from the rest of its run."""
    shares = judged.shares - judged.shares.mean(axis=0)
    told = [at for at, name in enumerate(names) if name in PHRASES]
    reasons = []
    for own, values in zip(shares, judged.matrix, strict=True):
        best = sorted((at for at in told if own[at] > 0 and values[at] > 0), key=lambda at: -own[at])
        phrases = list(dict.fromkeys(PHRASES[names[at]] for at in best))[:2]
        reasons.append("; ".join(phrases) or _PLAIN)
    return reasons
