"""Who&When as a benchmark of rankers: labelled failures of real teams (Zhang et al., 2025; MIT licence).

Steps are compared as integers and agents letter by letter; the paper's own script looks for the label as a piece of
the answer, so that "11" counts as "1". A learned ranker is scored only on questions that it has not seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Literal, NamedTuple

from pydantic import Field

from butfor.cache.call import Frozen
from butfor.cache.errors import LogFormatError, ModelUnavailable
from butfor.cache.provider import Spent
from butfor.counterfactual.ranking.ledger import is_orchestrated
from butfor.counterfactual.ranking.reading import UnreadableAnswer
from butfor.counterfactual.ranking.scoring import Hit, compare, contradicts_itself, culprit
from butfor.counterfactual.ranking.suspicion import Ranker, Suspicion, blameable
from butfor.counterfactual.ranking.training import FOLDS, SEEDS, held_out
from butfor.replay.importers import read_text, who_and_when
from butfor.replay.trace import Trace

HUB = "Kevin355/Who_and_When"
"""The data set's name on the Hugging Face hub."""
NEAR = (1, 2, 3, 5)
"""Steps to either side that still count, in the tolerant scores."""
FIRST = (3, 5)
"""Lengths of the shortlist in which the labelled step is looked for."""

Split = Literal["AG", "HC"]
"""Algorithm-Generated (group chats) and Hand-Crafted (an orchestrator), told apart by what the log holds."""

Rankings = Sequence[Sequence[Suspicion]]


class Rate(Frozen):
    """A share of the logs, in percent."""

    percent: float
    low: float | None = None
    """95 % Wilson interval; `None` for an expectation."""
    high: float | None = None
    sd: float | None = None
    """Over the seeds of a cross-validation."""


class Row(Frozen):
    """One method on one split."""

    method: str
    split: Split
    logs: int
    agent: Rate
    step: Rate
    joint: Rate
    """Agent and step at once."""
    near: Mapping[int, Rate] = Field(default_factory=dict)
    """The blamed step is at most so many steps away."""
    first: Mapping[int, Rate] = Field(default_factory=dict)
    """The labelled step is among the first so many."""
    consistent: Rate | None = None
    """Joint, without the logs whose labelled step is by another agent than the labelled one."""
    unreadable: int = 0
    """Logs on which a model's answer named no step; they count as wrong."""
    tokens: float | None = None
    """Per log, input and output together; `None` where nothing counts them."""
    sees_answer: bool = False


class Published(NamedTuple):
    """A published result, in percent of all 184 logs."""

    method: str
    model: str
    ag: tuple[float | None, float]
    """Agent and step on AG."""
    hc: tuple[float | None, float]
    sees_answer: bool | None
    """`None` where the paper does not say."""


PUBLISHED: tuple[Published, ...] = (
    Published("random (corrected)", "–", (29.1, 12.0), (19.1, 4.2), False),
    Published("all-at-once (paper)", "GPT-4o", (54.3, 12.5), (55.2, 5.3), True),
    Published("all-at-once (paper)", "GPT-4o", (51.1, 13.5), (53.4, 3.5), False),
    Published("step-by-step (paper)", "GPT-4o", (35.2, 25.5), (34.5, 7.0), True),
    Published("step-by-step (paper)", "GPT-4o", (26.0, 15.3), (32.8, 8.8), False),
    Published("binary search (paper)", "GPT-4o", (44.1, 24.0), (51.7, 6.9), True),
    Published("binary search (paper)", "GPT-4o", (30.1, 16.6), (36.2, 6.9), False),
    Published("all-at-once, numbered", "GPT-4o", (58.7, 40.5), (52.3, 20.7), True),
    Published("all-at-once, numbered, guide", "GPT-5", (62.4, 45.8), (59.2, 23.6), True),
    Published("all-at-once", "Opus-5", (67.2, 46.4), (50.0, 22.4), False),
    Published("A2P", "not stated", (65.4, 47.5), (58.6, 29.3), None),
    Published("RAFFLES", "Sonnet-4", (None, 51.6), (None, 22.4), False),
    Published("CHIEF", "DeepSeek-V3.2", (68.8, 45.6), (72.4, 29.3), False),
    Published("AIG", "Opus-5", (71.2, 55.2), (63.8, 29.3), False),
    Published("AgenTracer-8B", "own 8B", (63.7, 37.3), (63.8, 20.7), False),
    Published("FAMAS (20 reruns)", "Qwen2.5-72B", (55.6, 23.8), (62.1, 41.4), True),
)
"""Results on the whole benchmark; a folder that holds a part of it is another sample."""


def load_folder(folder: Path) -> list[Trace]:
    """The labelled logs in a folder and its subfolders, in the order of their paths.

    Raises:
        LogFormatError: the folder holds no labelled log, or one of its logs breaks the format.
    """
    paths = sorted(folder.rglob("*.json"))
    found = [who_and_when.load(read_text(path), name=path.name) for path in paths]
    labelled = [trace for trace in found if trace.culprit is not None]
    if not labelled:
        raise LogFormatError(f"{folder} holds no labelled Who&When log (*.json with mistake_agent and mistake_step)")
    return labelled


def load_hub(name: str = HUB) -> list[Trace]:
    """The labelled logs of the data set on the Hugging Face hub.

    Raises:
        ModelUnavailable: the `datasets` library is missing, or the hub cannot be reached.
        LogFormatError: a log breaks the format.
    """
    import json

    try:
        import datasets
    except ImportError:
        raise ModelUnavailable("the hub needs datasets: pip install 'butfor[hub]', or name a folder") from None
    found = []
    for config in ("Algorithm-Generated", "Hand-Crafted"):
        try:
            split = datasets.load_dataset(name, config, split="train")
        except (OSError, ValueError) as error:
            raise ModelUnavailable(f"{name} ({config}) cannot be loaded: {error}; name a folder instead") from None
        for number, row in enumerate(split, 1):
            text = json.dumps(_without_nulls(row), default=str)
            found.append(who_and_when.load(text, name=f"{config} {number}"))
    return [trace for trace in found if trace.culprit is not None]


def split_of(trace: Trace) -> Split:
    """The split that a log belongs to by its own form."""
    return "HC" if is_orchestrated(trace) else "AG"


def measure(
    method: str,
    traces: Sequence[Trace],
    ranker: Ranker,
    *,
    with_answer: bool = False,
    spent: Callable[[], Spent] | None = None,
) -> list[Row]:
    """Rank and score every log: a row for each split that the logs belong to.

    A ranker sees no label, and the expected answer only where asked to (`with_answer`). `spent` tells what the
    ranker's model has cost so far. A log on which a model's answer is unreadable counts as wrong.

    Raises:
        CallError: a model was asked, and did not answer.
    """
    rows = []
    for split, _, logs in _splits(traces):
        before = spent() if spent else None
        row = _row(method, split, logs, [[_rank(trace, ranker, with_answer) for trace in logs]])
        used = _tokens(spent()) - _tokens(before) if spent and before else None
        per_log = None if used is None else used / len(logs)
        rows.append(row.model_copy(update={"tokens": per_log, "sees_answer": with_answer}))
    return rows


def _rank(trace: Trace, ranker: Ranker, with_answer: bool) -> Sequence[Suspicion]:
    shown = trace.blind()
    if with_answer:
        shown = shown.model_copy(update={"expected": trace.expected})
    try:
        return ranker(shown)
    except UnreadableAnswer:
        return ()


def _tokens(spent: Spent) -> int:
    return spent.input_tokens + spent.output_tokens


def score_learned(
    traces: Sequence[Trace], *, seeds: Sequence[int] = SEEDS, folds: int = FOLDS, method: str = "learned"
) -> list[Row]:
    """The learned ranker, cross-validated by question: a mean and its spread over the seeds.

    Raises:
        ExperimentError: too few labelled logs, or scikit-learn is missing.
    """
    runs = [held_out(traces, seed=seed, folds=folds) for seed in seeds]
    return [
        _row(method, split, logs, [[run[at] for at in places] for run in runs])
        for split, places, logs in _splits(traces)
    ]


def baselines(traces: Sequence[Trace]) -> list[Row]:
    """What needs no method: always the same step, the first step of the web surfer, and chance."""
    rows: list[Row] = []
    constants: Iterable[tuple[str, Split, Ranker]] = (
        ("always step 1", "AG", partial(_always, step=1)),
        ("first WebSurfer step", "HC", partial(_first_of, agent="WebSurfer")),
    )
    for method, split, ranker in constants:
        own = [trace for trace in traces if split_of(trace) == split]
        if own:
            rows += measure(method, own, ranker)
    return rows + [_chance(split, logs) for split, _, logs in _splits(traces)]


def table(rows: Sequence[Row]) -> str:
    """The rows and the published ones beside them, as plain text."""
    lines = []
    titles: dict[Split, str] = {"AG": "Algorithm-Generated", "HC": "Hand-Crafted"}
    for split, title in titles.items():
        own = [row for row in rows if row.split == split]
        if not own:
            continue
        lines += [f"{title}, {own[0].logs} logs, % (95 % interval)", _HEADER]
        lines += [_line(row) for row in own]
        lines += ["", f"  {'published, on all of ' + split:52} agent   step", *_published(split), ""]
    return "\n".join(lines).rstrip() + "\n"


_HEADER = f"  {'method':34} {'agent':>20} {'step':>20} {'joint':>7} {'±1':>6} {'±5':>6} {'top 3':>6} {'tokens':>8}"


def _line(row: Row) -> str:
    def percent(rate: Rate | None) -> str:
        return "–" if rate is None else f"{rate.percent:.1f}"

    def interval(rate: Rate) -> str:
        spread = "" if rate.sd is None else f"±{rate.sd:.1f}"
        return f"{percent(rate)}{spread}" + ("" if rate.low is None else f" ({rate.low:.0f}…{rate.high:.0f})")

    method = row.method + (" (sees the answer)" if row.sees_answer else "")
    tokens = "–" if row.tokens is None else f"{row.tokens:,.0f}"
    return (
        f"  {method:34} {interval(row.agent):>20} {interval(row.step):>20} {percent(row.joint):>7} "
        f"{percent(row.near.get(1)):>6} {percent(row.near.get(5)):>6} {percent(row.first.get(3)):>6} {tokens:>8}"
    )


def _published(split: Split) -> list[str]:
    lines = []
    for result in PUBLISHED:
        agent, step = result.ag if split == "AG" else result.hc
        name = f"{result.method}, {result.model}" + (", sees the answer" if result.sees_answer else "")
        lines.append(f"  {name:52} {'–' if agent is None else f'{agent:.1f}':>5}  {step:>5.1f}")
    return lines


def _splits(traces: Sequence[Trace]) -> list[tuple[Split, list[int], list[Trace]]]:
    places = sorted(range(len(traces)), key=lambda at: split_of(traces[at]))
    found = []
    for split, members in groupby(places, key=lambda at: split_of(traces[at])):
        own = list(members)
        found.append((split, own, [traces[at] for at in own]))
    return found


def _row(method: str, split: Split, logs: Sequence[Trace], runs: Sequence[Rankings]) -> Row:
    """A row from one scoring of the logs, or from several of a cross-validation."""
    hits = [[compare(trace, ranking) for trace, ranking in zip(logs, run, strict=True)] for run in runs]
    sound = [[hit for hit, log in zip(run, logs, strict=True) if not contradicts_itself(log)] for run in hits]

    def rate(counts: Callable[[Hit], bool], of: Sequence[Sequence[Hit]] = hits) -> Rate:
        return _rate([sum(map(counts, run)) for run in of], len(of[0]))

    return Row(
        method=method,
        split=split,
        logs=len(logs),
        agent=rate(lambda hit: hit.agent),
        step=rate(lambda hit: hit.step),
        joint=rate(lambda hit: hit.joint),
        near={near: rate(partial(_is_near, near=near)) for near in NEAR},
        first={first: rate(partial(_is_among, first=first)) for first in FIRST},
        consistent=rate(lambda hit: hit.joint, sound) if sound[0] else None,
        unreadable=sum(not ranking for ranking in runs[0]),
    )


def _is_near(hit: Hit, *, near: int) -> bool:
    return hit.distance is not None and hit.distance <= near


def _is_among(hit: Hit, *, first: int) -> bool:
    return hit.rank is not None and hit.rank <= first


def _rate(counts: Sequence[int], of: int) -> Rate:
    from scipy.stats import binomtest

    shares = [100 * count / of for count in counts]
    interval = binomtest(round(fmean(counts)), of).proportion_ci(0.95, method="wilson")
    return Rate(
        percent=round(fmean(shares), 1),
        low=round(100 * float(interval.low), 1),
        high=round(100 * float(interval.high), 1),
        sd=round(pstdev(shares), 1) if len(shares) > 1 else None,
    )


def _chance(split: Split, logs: Sequence[Trace]) -> Row:
    """The expected score of a step drawn at random from those that can be blamed."""
    step, agent, joint = [], [], []
    for trace in logs:
        label, steps = culprit(trace), blameable(trace)
        own = [index for index in steps if trace.steps[index].agent == label.agent]
        step.append((label.step in steps) / len(steps))
        agent.append(len(own) / len(steps))
        joint.append((label.step in own) / len(steps))
    rates = [Rate(percent=round(100 * fmean(shares), 1)) for shares in (agent, step, joint)]
    return Row(method="chance", split=split, logs=len(logs), agent=rates[0], step=rates[1], joint=rates[2])


def _always(trace: Trace, /, *, step: int) -> Sequence[Suspicion]:
    return _blame(trace, min(step, len(trace.steps) - 1))


def _first_of(trace: Trace, /, *, agent: str) -> Sequence[Suspicion]:
    return _blame(trace, next((step.index for step in trace.steps if step.agent == agent), 0))


def _blame(trace: Trace, step: int) -> Sequence[Suspicion]:
    return (Suspicion(step=step, agent=trace.steps[step].agent, suspicion=1.0, reason="always this one"),)


def _without_nulls(value: Any) -> Any:
    """A table's row has every column that any row has; a log has only its own."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
