"""A fix tried on many stored runs, failures and successes, in both arms: `compared`."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from butfor.cache.call import Frozen
from butfor.cache.errors import BudgetExceeded, ButforError, ModelUnavailable, PluginError, StoreDamaged
from butfor.cache.store import CallStore
from butfor.counterfactual.audit import Parts, can_judge
from butfor.counterfactual.case import Opened
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention, steps_changed
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import Cost

from .martingale import Pairs, between, evidence_above, paired
from .runs import Named
from .shared import sharing

Answer = Literal["PASS", "FAIL", "INCONCLUSIVE"]

_FATAL = (ModelUnavailable, StoreDamaged, PluginError)


class Change(Frozen):
    """How the success of a kind of runs changes with a candidate, on the mean over these runs."""

    runs: int
    treated: float
    """The share of draws that succeed with the candidate; in [0, 1]."""
    control: float
    """The same without it, drawn again from the agent's first step."""
    effect: float
    """Treated minus control."""
    interval: tuple[float, float]
    """Of the effect, valid at any stopping time."""


class Left(Frozen):
    """A run that was not tried, and why."""

    run: str
    reason: str


class Tried(Frozen):
    """What a candidate does to stored failures and successes."""

    candidate: str
    answer: Answer
    sentence: str
    failures: Change
    successes: Change
    at_least: float
    at_most: float
    error: float
    """The chance of a wrong PASS, and of a wrong FAIL."""
    rounds: int
    """Pairs of draws that each run has."""
    left: tuple[Left, ...] = ()


class Comparison(Frozen):
    """Every candidate, at one error rate that they share."""

    candidates: tuple[Tried, ...]
    cost: Cost = Cost()

    @property
    def answer(self) -> Answer:
        """PASS where some candidate passes; FAIL where all fail."""
        answers = [tried.answer for tried in self.candidates]
        if "PASS" in answers:
            return "PASS"
        return "INCONCLUSIVE" if "INCONCLUSIVE" in answers else "FAIL"


class Bounds(NamedTuple):
    """What a candidate has to show."""

    at_least: float = 0.1
    """By how much more often failures have to succeed; -1 asks for nothing."""
    at_most: float = 0.1
    """By how much less often successes may succeed; 1 allows anything."""
    error: float = 0.05
    """The chance of a wrong PASS, and of a wrong FAIL, of one candidate."""


class _Subject(NamedTuple):
    name: str
    experiment: Experiment
    failed: bool


def compared(
    runs: Sequence[Named],
    candidates: Sequence[Intervention],
    settings: Settings,
    store: CallStore,
    *,
    at_least: float = 0.1,
    at_most: float = 0.1,
    offline: bool = False,
    parts: Parts | None = None,
) -> Comparison:
    """Draw both arms of every run, round by round, until each candidate is decided or `settings.rule.repeats` is full.

    PASS: failures surely succeed more often by `at_least`, and successes surely less often by no more than `at_most`.

    Raises:
        ButforError: there is no candidate, or nobody answers.
    """
    if not candidates:
        raise ButforError("there is nothing to try; give candidate=AGENT=TEXT or swap=AGENT=MODEL")
    purse, alone, shared = sharing(settings, parts or Parts())
    bounds = Bounds(at_least, at_most, (1 - settings.rule.confidence) / len(candidates))
    found = []
    for candidate in candidates:
        subjects, left = _subjects(runs, candidate, alone, store, offline, shared)
        found.append(_tried(candidate, subjects, left, bounds, settings))
    spent = purse.spent
    cost = Cost(
        live_calls=spent.calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        dollars=spent.dollars,
        seconds=round(spent.seconds, 1),
    )
    return Comparison(candidates=tuple(found), cost=cost)


def _subjects(
    runs: Sequence[Named], candidate: Intervention, settings: Settings, store: CallStore, offline: bool, parts: Parts
) -> tuple[list[_Subject], list[Left]]:
    subjects, left = [], []
    for name, run in runs:
        if not isinstance(run, Opened):
            left.append(Left(run=name, reason=str(run)))
        elif not can_judge(settings, parts, run.trace):
            left.append(Left(run=name, reason="it has no expected answer; give --judge or --expected"))
        elif not steps_changed(run.trace, candidate):
            left.append(Left(run=name, reason=f"{candidate.agent} says nothing in it"))
        else:
            audit = Opened(run.trace).audit(settings, store=store, offline=offline, parts=parts)
            try:
                experiment = audit.experiment(run.trace, sham=True)
                subjects.append(_Subject(name, experiment, not experiment.outcome.success))
            except _FATAL:
                raise
            except ButforError as error:
                left.append(Left(run=name, reason=str(error)))
    return subjects, left


def _tried(
    candidate: Intervention, subjects: list[_Subject], left: list[Left], bounds: Bounds, settings: Settings
) -> Tried:
    from joblib import Parallel, delayed

    drawn: dict[str, tuple[list[bool], list[bool]]] = {}
    answer: Answer = "INCONCLUSIVE"
    rounds = 0
    while subjects and answer == "INCONCLUSIVE" and rounds < settings.rule.repeats:
        draw = partial(_pair, candidate, rounds + 1)
        ended = Parallel(n_jobs=settings.jobs, backend="threading")(delayed(draw)(s) for s in subjects)
        if any(isinstance(pair, BudgetExceeded) for pair in ended):
            break  # only whole rounds count
        for subject, pair in zip(list(subjects), ended, strict=True):
            if isinstance(pair, ButforError):
                left.append(Left(run=subject.name, reason=str(pair)))
                subjects.remove(subject)
                drawn.pop(subject.name, None)
            else:
                drawn[subject.name] = pair
        rounds += 1
        answer = _answer(_pairs(subjects, drawn, True), _pairs(subjects, drawn, False), bounds)
    failures, successes = (_change(subjects, drawn, failed, bounds.error) for failed in (True, False))
    return Tried(
        candidate=candidate.describe(),
        answer=answer,
        sentence=_sentence(answer, failures, successes, 1 - bounds.error),
        failures=failures,
        successes=successes,
        at_least=bounds.at_least,
        at_most=bounds.at_most,
        error=bounds.error,
        rounds=rounds,
        left=tuple(left),
    )


def _pair(candidate: Intervention, draws: int, subject: _Subject) -> tuple[list[bool], list[bool]] | ButforError:
    """Both arms up to this many draws, or what kept them from being finished."""
    try:
        treated = subject.experiment.arm((candidate,), draws)
        control = subject.experiment.control_arm((candidate,), draws)
    except _FATAL:
        raise
    except ButforError as error:
        return error
    return [draw.success for draw in treated.runs], [draw.success for draw in control.runs]


def _pairs(subjects: list[_Subject], drawn: dict[str, tuple[list[bool], list[bool]]], failed: bool) -> Pairs:
    every = [drawn[s.name] for s in subjects if s.failed is failed and s.name in drawn]
    return Pairs(*(sum(n) for n in zip(Pairs(), *(paired(*arms) for arms in every), strict=True)))


def _answer(failures: Pairs, successes: Pairs, bounds: Bounds) -> Answer:
    """Either claim has to be sure for a PASS; each of the two ways to FAIL has half of the error."""
    repairs = evidence_above(failures, bounds.at_least) >= 1 / bounds.error
    keeps = bounds.at_most >= 1 or evidence_above(successes, -bounds.at_most) >= 1 / bounds.error
    if repairs and keeps:
        return "PASS"
    idle = evidence_above(failures.mirrored, -bounds.at_least) >= 2 / bounds.error if bounds.at_least > -1 else False
    breaks = evidence_above(successes.mirrored, bounds.at_most) >= 2 / bounds.error
    return "FAIL" if idle or breaks else "INCONCLUSIVE"


def _change(
    subjects: list[_Subject], drawn: dict[str, tuple[list[bool], list[bool]]], failed: bool, error: float
) -> Change:
    arms = [drawn[s.name] for s in subjects if s.failed is failed and s.name in drawn]
    pairs = _pairs(subjects, drawn, failed)
    shares = [sum(sum(arm[side]) for arm in arms) / max(1, pairs.total) for side in (0, 1)]
    return Change(
        runs=len(arms),
        treated=shares[0],
        control=shares[1],
        effect=pairs.mean,
        interval=between(pairs, error / 2),
    )


def _sentence(answer: Answer, failures: Change, successes: Change, confidence: float) -> str:
    low, high = (round(end * failures.runs) for end in failures.interval)
    lost_low, lost_high = (round(-end * successes.runs) for end in reversed(successes.interval))
    lost = max(0, round(-successes.effect * successes.runs))
    return (
        f"{answer}: repairs {max(0, round(failures.effect * failures.runs))} of {failures.runs} failures "
        f"({confidence:.1%}: {max(0, low)} to {max(0, high)}), breaks {lost} of "
        f"{successes.runs} successes ({max(0, lost_low)} to {max(0, lost_high)})."
    )
