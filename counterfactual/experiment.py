"""Runs every trial of an audit: `Experiment` remembers, meters and parallelises them; a search runs nothing.

Both arms of a trial draw the same repeats: draw *n* of an arm is the run with sample number *n* in every key,
so it is independent of the others today and identical tomorrow.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from butfor.cache.errors import (
    BudgetExceeded,
    ButforError,
    Divergence,
    JudgeFailed,
    LeakedAnswer,
    ModelUnavailable,
    NotAFailure,
    StoreDamaged,
)
from butfor.cache.provider import Provider
from butfor.replay.executor import Executor, rerun
from butfor.replay.replayed import Edits
from butfor.replay.trace import Outcome, Trace

from .intervention import Intervention, control, treated
from .judge import Judge
from .leak import refuse_leak
from .proposer import Proposer
from .rule import Counts, Decision, Rule
from .trial import Arm, Finding, Trial, Untested

Live = Callable[[int, Mapping[str, str]], Provider]
"""The live side of one run: from the repeat's number and the models of swapped agents."""

_FATAL = (ModelUnavailable, StoreDamaged, Divergence, JudgeFailed)
"""What ends an audit; any other error is of one draw or one correction only."""

_FINDINGS: dict[Decision, Finding] = {"blame": "flips", "exclude": "excluded", "draw": "undecided"}


class Draw(NamedTuple):
    """One run of one arm."""

    trace: Trace
    outcome: Outcome


class Experiment:
    """Everything one audit does to one recorded run.

    `jobs` runs are drawn side by side. `sham` allows a run that succeeded. `reaching` holds the steps that can reach
    what the judge reads, where that is known: no other step is tried, since no change of it can matter.

    Raises:
        NotAFailure: the judge calls the recorded run a success.
        Divergence: the run does not replay.
    """

    def __init__(
        self,
        trace: Trace,
        *,
        executor: Executor,
        judge: Judge,
        live: Live,
        proposer: Proposer,
        rule: Rule,
        jobs: int = 1,
        sham: bool = False,
        reaching: frozenset[int] | None = None,
    ) -> None:
        self.trace = trace
        self.rule = rule
        self._executor = executor
        self._judge = judge
        self._live = live
        self._proposer = proposer
        self._jobs = jobs
        self._reaching = reaching
        self._recording = executor.recording(trace)
        self._trials: dict[tuple[Intervention, ...], Trial] = {}
        self._untested: dict[int, Untested] = {}
        self._outcomes: dict[tuple[str, int], Outcome] = {}
        self._examples: dict[str, tuple[int, Draw]] = {}
        self._lock = threading.Lock()
        self._proposals: dict[int, tuple[Intervention, ...]] = {}
        self.outcome = judge(trace)
        if self.outcome.success and not sham:
            raise NotAFailure(
                f"{trace.source.name or 'the run'}: the judge calls the recorded run a success "
                f"(answer {self.outcome.answer!r}, {self.outcome.explanation}); there is nothing to blame"
            )

    @property
    def candidates(self) -> tuple[int, ...]:
        """The steps that may be to blame, in order: what agents said."""
        return tuple(step.index for step in self.trace.steps if step.kind == "llm")

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Every trial so far, by step."""
        return tuple(sorted(self._trials.values(), key=lambda trial: (len(trial.steps), trial.steps)))

    @property
    def untested(self) -> tuple[Untested, ...]:
        """Every step that was not tried, by step."""
        return tuple(self._untested[step] for step in sorted(self._untested))

    def propose(self, step: int) -> tuple[Intervention, ...]:
        """The corrections to try at a step; where there are none, `untested` says why."""
        if step not in self._proposals:
            self._proposals[step] = self._usable(step)
        return self._proposals[step]

    def propose_together(self, steps: Sequence[int]) -> tuple[Intervention, ...]:
        """Corrections for several steps, each proposed on the run as it went once with the ones before it.

        A step that has nothing to correct any more is left out. Where one cannot be proposed or tried, there are
        none, and `untested` says why.
        """
        chosen: tuple[Intervention, ...] = ()
        branch = self.trace
        for step in sorted(steps):
            if step >= len(branch.steps) or branch.steps[step].agent != self.trace.steps[step].agent:
                continue
            try:
                proposed = self._proposed(branch, step) if chosen else self.propose(step)
                if proposed:
                    chosen = (*chosen, proposed[0])
                    branch = self.draw(treated(self.trace, chosen), 0).trace
            except ButforError as error:
                self._skip_for(step, error)
                return ()
        return chosen

    def skip(self, step: int, reason: str, detail: str = "") -> None:
        """Note that a step is not tried."""
        agent = self.trace.steps[step].agent
        self._untested[step] = Untested.model_validate(
            {"step": step, "agent": agent, "reason": reason, "detail": detail}
        )

    def trial(self, *interventions: Intervention, candidates: int = 1) -> Trial:
        """Both arms of a change, drawn until the rule decides; the same change is never tried twice.

        `candidates` is the number of trials the error rate is shared among. A run that cannot be finished,
        for want of budget or otherwise, leaves the trial `undecided` with the reason.
        """
        if interventions not in self._trials:
            self._trials[interventions] = self._run(interventions, candidates)
        return self._trials[interventions]

    def arm(self, interventions: tuple[Intervention, ...], draws: int) -> Arm:
        """The treated arm of some changes at a fixed number of draws; with no changes, the run from its start again.

        Raises:
            ButforError: a run could not be finished.
        """
        edits = treated(self.trace, interventions) if interventions else Edits(redraw=frozenset(self.candidates))
        models = _models(interventions)
        self.parallel(partial(self._outcome, edits, sample, models) for sample in range(draws))
        return _arm([self._outcome(edits, sample, models) for sample in range(draws)])

    def noop(self, step: int) -> bool:
        """Whether answering a step with what was recorded changes nothing: the control that must hold."""
        edits = Edits(answers={step: self.trace.steps[step].output})
        again = rerun(self.trace, edits, executor=self._executor, recording=self._recording)
        return [s.output for s in again.steps] == [s.output for s in self.trace.steps]

    def draw(self, edits: Edits, sample: int, models: Mapping[str, str] | None = None) -> Draw:
        """One run with these edits, from stored answers where it ran before.

        Raises:
            ButforError: the run could not be finished.
        """
        live = self._live(sample, models or {})
        run = rerun(self.trace, edits, executor=self._executor, live=live, recording=self._recording)
        draw = Draw(run, self._judge(run))
        key = _key(edits, models)
        with self._lock:
            self._outcomes[key, sample] = draw.outcome
            kept = self._examples.get(key)
            if draw.outcome.success and (kept is None or sample < kept[0]):
                self._examples[key] = (sample, draw)
        return draw

    def example(self, trial: Trial) -> Draw | None:
        """The first successful run of the treated arm, where there is one."""
        kept = self._examples.get(_key(treated(self.trace, trial.interventions), _models(trial.interventions)))
        return kept and kept[1]

    def _outcome(self, edits: Edits, sample: int, models: Mapping[str, str]) -> Outcome:
        """How a run with these edits ends; whole runs are not kept, for there may be thousands."""
        known = self._outcomes.get((_key(edits, models), sample))
        return known or self.draw(edits, sample, models).outcome

    def parallel(self, tasks: Iterable[Callable[[], object]]) -> None:
        """Run tasks side by side in threads; the first error is raised when all have ended."""
        import joblib

        joblib.Parallel(n_jobs=self._jobs, backend="threading")(joblib.delayed(task)() for task in tasks)

    def _proposed(self, trace: Trace, step: int) -> tuple[Intervention, ...]:
        proposed = tuple(self._proposer(trace, step))
        for intervention in proposed:
            refuse_leak(trace, intervention)
        return proposed

    def _skip_for(self, step: int, error: ButforError) -> None:
        if isinstance(error, _FATAL):
            raise error
        reasons = {LeakedAnswer: "leaked answer", BudgetExceeded: "budget"}
        self.skip(step, reasons.get(type(error), "failed"), str(error))

    def _usable(self, step: int) -> tuple[Intervention, ...]:
        if self._reaching is not None and step not in self._reaching:
            self.skip(step, "not reached")
            return ()
        try:
            proposed = self._proposed(self.trace, step)
        except ButforError as error:
            self._skip_for(step, error)
            return ()
        if not proposed:
            self.skip(step, "nothing to correct")
        return proposed

    def _run(self, interventions: tuple[Intervention, ...], candidates: int) -> Trial:
        models = _models(interventions)
        arms = (treated(self.trace, interventions), control(self.trace, interventions))
        outcomes: tuple[list[Outcome], list[Outcome]] = ([], [])
        decision, error = self.rule.decide(Counts(0, 0), Counts(0, 0), candidates=candidates), None
        while decision == "draw" and error is None:
            sizes = self.rule.next_draws(_counts(outcomes[0]), _counts(outcomes[1]))
            if not any(sizes):
                break
            error = self._draw_more(arms, sizes, outcomes, models)
            decision = self.rule.decide(_counts(outcomes[0]), _counts(outcomes[1]), candidates=candidates)
        return self._trial(interventions, outcomes, decision, error, candidates)

    def _draw_more(
        self,
        arms: tuple[Edits, Edits],
        sizes: tuple[int, int],
        outcomes: tuple[list[Outcome], list[Outcome]],
        models: Mapping[str, str],
    ) -> str | None:
        """Draw both arms further; the reason why not, where a run could not be finished."""
        wanted = [
            (arm, sample) for arm in (0, 1) for sample in range(len(outcomes[arm]), len(outcomes[arm]) + sizes[arm])
        ]
        results: dict[tuple[int, int], Outcome | str] = {}

        def one(arm: int, sample: int) -> None:
            swapped = models if arm == 0 else {}
            try:
                results[arm, sample] = self._outcome(arms[arm], sample, swapped)
            except ButforError as error:
                if isinstance(error, _FATAL):
                    raise
                results[arm, sample] = str(error)

        self.parallel(partial(one, arm, sample) for arm, sample in wanted)
        for arm, sample in wanted:
            result = results[arm, sample]
            if isinstance(result, str):
                return result
            outcomes[arm].append(result)
        return None

    def _trial(
        self,
        interventions: tuple[Intervention, ...],
        outcomes: tuple[Sequence[Outcome], Sequence[Outcome]],
        decision: Decision,
        error: str | None,
        candidates: int,
    ) -> Trial:
        first, second = (_counts(arm) for arm in outcomes)
        estimate = self.rule.estimate(first, second, candidates=candidates)
        return Trial(
            interventions=interventions,
            treated=_arm(outcomes[0]),
            control=_arm(outcomes[1]),
            effect=estimate.effect,
            interval=(estimate.low, estimate.high),
            finding=_FINDINGS[decision],
            error=error if decision == "draw" else None,
        )


def _key(edits: Edits, models: Mapping[str, str] | None) -> str:
    return f"{edits.model_dump_json()}{sorted((models or {}).items())}"


def _models(interventions: Iterable[Intervention]) -> dict[str, str]:
    return {i.agent: i.model for i in interventions if i.kind == "swap" and i.agent and i.model}


def _counts(outcomes: Sequence[Outcome]) -> Counts:
    return Counts(sum(outcome.success for outcome in outcomes), len(outcomes))


def _arm(outcomes: Sequence[Outcome]) -> Arm:
    counts = _counts(outcomes)
    return Arm(
        successes=counts.successes,
        draws=counts.draws,
        answers=tuple((outcome.answer or "")[:500] for outcome in outcomes),
    )
