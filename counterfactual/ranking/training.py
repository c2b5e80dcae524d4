"""Training the learned ranker on labelled logs, and its honest score: cross-validated by question.

The conditional logit is McFadden's (1974) with a ridge penalty; the trees are Geurts, Ernst and Wehenkel's (2006),
grown by scikit-learn.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from butfor.cache.errors import ExperimentError
from butfor.replay.trace import Trace

from .features import Described, describe
from .learned import Model, Scores, Spread, Trees, Weights, as_matrix
from .scoring import Hit, compare, culprit
from .suspicion import Suspicion
from .words import likeness, words

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier

    from .learned import Array

SEEDS = (0, 1, 2, 3, 4)
FOLDS = 10
FEWEST_LOGS = 10
"""Labelled logs of one kind, below which nothing is learned of it."""
_RIDGE = 100.0
_TREES = 150
_DEPTH = 10
_SMALLEST_LEAF = 3
_FEATURES_TRIED = 0.3
_SAME_QUESTION = 0.6
_DIGITS = 5
"""Significant digits kept of a number."""


def train(traces: Sequence[Trace], *, seed: int = 0, seeds: Sequence[int] = SEEDS, data: str = "") -> Model:
    """Train on labelled logs and store the cross-validated scores beside what was learned.

    With `seeds` empty nothing is cross-validated. `data` says what the logs are, and under which licence.

    Raises:
        ExperimentError: a log has no label, there are too few logs, or scikit-learn is missing.
    """
    examples = _examples(traces)
    scores = _cross_validate(examples, seeds, FOLDS) if seeds else {}
    return _fit(examples, seed).model_copy(update={"scores": scores, "data": data})


def cross_validate(
    traces: Sequence[Trace], *, seeds: Sequence[int] = SEEDS, folds: int = FOLDS
) -> Mapping[str, Scores]:
    """The score on unseen questions by kind of run, with its spread over the seeds of the split.

    Raises:
        ExperimentError: a log has no label, there are too few logs, or scikit-learn is missing.
    """
    return _cross_validate(_examples(traces), seeds, folds)


def held_out(traces: Sequence[Trace], *, seed: int = 0, folds: int = FOLDS) -> list[tuple[Suspicion, ...]]:
    """Each log's ranking by a model that saw neither it nor another log of its question.

    Raises:
        ExperimentError: a log has no label, there are too few logs, or scikit-learn is missing.
    """
    return _held_out(_examples(traces), seed, folds)


def same_question(traces: Sequence[Trace]) -> list[int]:
    """A number for each log; logs whose tasks are equal or share most of their words have the same."""
    found: list[int] = []
    tasks = [words(trace.task.lower()) for trace in traces]
    for here, task in enumerate(tasks):
        like = [i for i in range(here) if tasks[i] == task or likeness(tasks[i], task) >= _SAME_QUESTION]
        found.append(found[like[0]] if like else here)
        for other in like[1:]:
            merged = found[other]
            found = [found[here] if number == merged else number for number in found]
    return found


class _Example(NamedTuple):
    trace: Trace
    described: Described
    question: int
    names: tuple[str, ...]
    """The features that runs of its kind have."""
    matrix: "Array"
    """Shape (steps, features)."""
    target: "Array"
    """1 at the labelled step; shape (steps,)."""


def _examples(traces: Sequence[Trace]) -> list[_Example]:
    import numpy as np

    labels = [culprit(trace).step for trace in traces]
    described = [describe(trace.blind()) for trace in traces]
    names: dict[bool, set[str]] = {False: set(), True: set()}
    for one in described:
        names[one.orchestrated].update(name for row in one.rows for name in row)
    columns = {kind: tuple(sorted(found)) for kind, found in names.items()}
    return [
        _Example(
            trace=trace,
            described=one,
            question=question,
            names=columns[one.orchestrated],
            matrix=as_matrix(one.rows, columns[one.orchestrated]),
            target=np.array([float(step == label) for step in one.steps]),
        )
        for trace, one, label, question in zip(traces, described, labels, same_question(traces), strict=True)
    ]


def _cross_validate(examples: Sequence[_Example], seeds: Sequence[int], folds: int) -> dict[str, Scores]:
    runs = {seed: _held_out(examples, seed, folds) for seed in seeds}
    found = {}
    for kind, orchestrated in (("chat", False), ("orchestrated", True)):
        own = [at for at, example in enumerate(examples) if example.described.orchestrated == orchestrated]
        if len(own) < FEWEST_LOGS:
            continue
        hits = [[compare(examples[at].trace, rankings[at]) for at in own] for rankings in runs.values()]
        found[kind] = Scores(
            logs=len(own),
            step=_spread([hit.step for hit in run] for run in hits),
            agent=_spread([hit.agent for hit in run] for run in hits),
            joint=_spread([hit.joint for hit in run] for run in hits),
            top3=_spread([_in_first_three(hit) for hit in run] for run in hits),
            seeds=tuple(seeds),
            folds=folds,
        )
    return found


def _in_first_three(hit: Hit) -> bool:
    return hit.rank is not None and hit.rank <= 3


def _spread(runs: Iterable[Sequence[bool]]) -> Spread:
    shares = [100 * fmean(run) for run in runs]
    return Spread(mean=round(fmean(shares), 1), sd=round(pstdev(shares), 1))


def _held_out(examples: Sequence[_Example], seed: int, folds: int) -> list[tuple[Suspicion, ...]]:
    questions = sorted({example.question for example in examples})
    random.Random(seed).shuffle(questions)  # noqa: S311 - a split of logs, not a secret
    fold = {question: place % folds for place, question in enumerate(questions)}
    found: dict[int, tuple[Suspicion, ...]] = {}
    for held in range(folds):
        unseen = [at for at, example in enumerate(examples) if fold[example.question] == held]
        if unseen:
            model = _fit([example for example in examples if fold[example.question] != held], seed)
            # a kind of which too little is left to learn from is not ranked, and counts as wrong
            kinds = {False: model.chat is not None, True: model.orchestrated is not None}
            for at in unseen:
                known = kinds[examples[at].described.orchestrated]
                found[at] = model.rank(examples[at].trace, examples[at].described) if known else ()
    return [found[at] for at in range(len(examples))]


def _fit(examples: Sequence[_Example], seed: int) -> Model:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise ExperimentError("training needs scikit-learn: pip install 'butfor[train]'") from None
    usable = [example for example in examples if example.target.any()]
    chats = [example for example in usable if not example.described.orchestrated]
    directed = [example for example in usable if example.described.orchestrated]
    if max(len(chats), len(directed)) < FEWEST_LOGS:
        raise ExperimentError(
            f"{len(usable)} labelled logs are too few to learn from; {FEWEST_LOGS} of one kind are needed"
        )
    with threadpool_limits(1):  # the matrices are small: threads would only wait for each other
        return Model(
            chat=_trees(chats, seed) if len(chats) >= FEWEST_LOGS else None,
            orchestrated=_weights(directed) if len(directed) >= FEWEST_LOGS else None,
        )


def _trees(examples: Sequence[_Example], seed: int) -> Trees:
    import numpy as np
    from sklearn.ensemble import ExtraTreesClassifier

    matrix = np.vstack([example.matrix for example in examples])
    target = np.concatenate([example.target for example in examples])
    forest = ExtraTreesClassifier(
        n_estimators=_TREES,
        max_depth=_DEPTH,
        min_samples_leaf=_SMALLEST_LEAF,
        max_features=_FEATURES_TRIED,
        class_weight="balanced",
        random_state=seed,
    ).fit(matrix, target)
    return _as_numbers(forest, examples[0].names)


def _as_numbers(forest: "ExtraTreesClassifier", names: tuple[str, ...]) -> Trees:
    roots: list[int] = []
    feature: list[int] = []
    threshold: list[float] = []
    right: list[int] = []
    value: list[float] = []
    for grown in forest.estimators_:
        tree, start = grown.tree_, len(feature)
        leaf = tree.children_right < 0
        counts = tree.value[:, 0, :]
        roots.append(start)
        feature += [-1 if end else int(f) for end, f in zip(leaf, tree.feature, strict=True)]
        threshold += [0.0 if end else _round(float(t)) for end, t in zip(leaf, tree.threshold, strict=True)]
        right += [0 if end else start + int(r) for end, r in zip(leaf, tree.children_right, strict=True)]
        value += [round(float(culprits / both), 3) for (_, culprits), both in zip(counts, counts.sum(1), strict=True)]
    return Trees(
        names=names,
        roots=tuple(roots),
        feature=tuple(feature),
        threshold=tuple(threshold),
        right=tuple(right),
        value=tuple(value),
    )


def _weights(examples: Sequence[_Example]) -> Weights:
    import numpy as np

    names = examples[0].names
    everything = np.vstack([example.matrix for example in examples])
    means, scales = everything.mean(axis=0), everything.std(axis=0)
    varies = scales > 1e-9
    chosen = np.concatenate([example.target for example in examples])
    z = (everything[:, varies] - means[varies]) / scales[varies]
    weights = _conditional_logit(z, chosen, [len(example.target) for example in examples])
    return Weights(
        names=tuple(name for name, kept in zip(names, varies, strict=True) if kept),
        means=tuple(_round(float(mean)) for mean in means[varies]),
        scales=tuple(_round(float(scale)) for scale in scales[varies]),
        weights=tuple(_round(float(weight)) for weight in weights),
    )


def _conditional_logit(z: "Array", chosen: "Array", lengths: Sequence[int]) -> "Array":
    """Weights that make the chosen steps likely among the steps of their runs; shape (features,)."""
    import numpy as np
    from scipy.optimize import minimize

    starts = np.cumsum([0, *lengths[:-1]])
    run = np.repeat(np.arange(len(lengths)), lengths)

    def loss(weights: "Array") -> tuple[float, "Array"]:
        logits = z @ weights
        logits -= np.maximum.reduceat(logits, starts)[run]
        totals = np.add.reduceat(np.exp(logits), starts)[run]
        chances = np.exp(logits) / totals
        value = -(chosen * (logits - np.log(totals))).sum() + _RIDGE / 2 * weights @ weights
        return float(value), z.T @ (chances - chosen) + _RIDGE * weights

    found: Array = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B").x
    return found


def _round(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
