"""Runs every trial of an audit: `Experiment` remembers, meters and parallelises them; a search runs nothing.

Each purpose draws from a range of samples of its own, so that no draw serves two: draw *n* of an arm is the run with
that sample number in every key, independent of the others today and identical tomorrow.
"""

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
from butfor.replay.executor import Executor
from butfor.replay.replayed import Edits
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome, Trace

from .drawing.arms import Arms, Growing, Side
from .drawing.chain import Chain
from .drawing.rejudged import rejudged
from .drawing.runs import Live, Run, Runs
from .drawing.seeds import Seeds
from .drawing.sides import Sides
from .drawing.workers import Stopped, Workers
from .intervention import Intervention, control, treated
from .judge import Judge
from .leak import ahead_of_its_job, refuse_leak
from .proposer import AsksOnceMore, Proposer, Shown
from .rule import Decision, Rule
from .trial import Arm, Finding, Proposal, Trial, Untested

__all__ = ["Drawn", "Experiment", "Live"]

FATAL = (ModelUnavailable, StoreDamaged, Divergence, JudgeFailed, Stopped)
"""What ends an audit; any other error is of one draw or one correction only."""

_FINDINGS: dict[Decision, Finding] = {"blame": "flips", "exclude": "excluded", "draw": "undecided"}

TREATED, CONTROL, SCREEN, BRANCH, SEEDS, AGENTS = range(0, 60_000, 10_000)
"""The first sample of each range: both arms of a trial, the screen, what correctors see, checks of seeds, shares."""


class Drawn(NamedTuple):
    """One run of one arm, whole."""

    trace: Trace
    outcome: Outcome


class Experiment:
    """Everything one audit does to one recorded run.

    `jobs` runs are drawn side by side. `sham` allows a run that succeeded. `reaching` holds the steps that can reach
    what the judge reads, where that is known: no other step is tried, since no change of it can matter. `players` are
    further live sides, by name, under which a verdict can be confirmed.

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
        players: Mapping[str, Live] | None = None,
    ) -> None:
        self.trace = trace
        self.rule = rule
        self.sham = sham
        self.players = players or {}
        self._executor = executor
        self._judge = judge
        self._proposer = proposer
        self._reaching = reaching
        self._workers = Workers(jobs)
        self._runs = Runs(trace, executor, judge, live, self._workers.check)
        self._chain = Chain(trace, self._runs, executor, self._proposed, sample=BRANCH)
        self._chains: dict[tuple[tuple[int, ...], bool], tuple[Intervention, ...]] = {}
        self._trials: dict[tuple[Intervention, ...], Trial] = {}
        self._growing: dict[tuple[Intervention, ...], tuple[Growing, Growing]] = {}
        self._untested: dict[int, Untested] = {}
        self._proposals: dict[int, tuple[Intervention, ...]] = {}
        self._sides = Sides(trace, proposer)
        self._seeds = Seeds(
            self._runs, self.candidates, length=len(trace.steps), first=SEEDS, short=isinstance(executor, Simulator),
            deterministic=rule.deterministic, fatal=FATAL,
        )  # fmt: skip
        self.left_out: dict[tuple[frozenset[int], int], Finding] = {}
        """What leaving one member out of a set has shown."""
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

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """What the corrector was shown and replied, where it tells."""
        return self._proposer.proposals if isinstance(self._proposer, Shown) else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the draws poorer than they look."""
        return self._seeds.warnings

    def propose(self, step: int) -> tuple[Intervention, ...]:
        """The corrections to try at a step; where there are none, `untested` says why."""
        if step not in self._proposals:
            self._proposals[step] = self._usable(step)
        return self._proposals[step]

    def propose_together(self, steps: Sequence[int], *, fresh: bool = True) -> tuple[Intervention, ...]:
        """Corrections for several steps, each proposed on the run as it went once with the ones before it.

        A step that has nothing to correct any more, or is not there any more, is left out. Where one cannot be proposed
        or tried, there are none, and `untested` says why. `fresh` lets every step speak anew before it is corrected.
        """
        key = (tuple(sorted(steps)), fresh)
        if key not in self._chains:
            try:
                self._chains[key] = self._chain.corrections(key[0], self.propose, fresh=fresh)
            except ButforError as error:
                failing, self._chain.failing = self._chain.failing, None
                self._skip_for(key[0][0] if failing is None else failing, error)
                return ()
        return self._chains[key]

    def ahead(self, intervention: Intervention, answer: str | None = None) -> bool:
        """Whether a correction states the outcome although its step had not come to it."""
        outcome = self.trace.expected or answer
        return bool(outcome) and ahead_of_its_job(self.trace, intervention, outcome or "")

    def runs_ahead(self, trial: Trial) -> bool:
        """Whether a trial's corrections state the outcome, expected or reached, ahead of their step's job."""
        answers = [draw.answer for draw in trial.treated.runs if draw.success]
        return any(self.ahead(i, answers[0] if answers else None) for i in trial.interventions)

    def skip(self, step: int, reason: str, detail: str = "") -> None:
        """Note that a step is not tried."""
        agent = self.trace.steps[step].agent
        self._untested[step] = Untested.model_validate(
            {"step": step, "agent": agent, "reason": reason, "detail": detail}
        )

    def probe(self, interventions: tuple[Intervention, ...], nth: int) -> bool:
        """Whether the n-th draw of the screen with these changes succeeds.

        Raises:
            ButforError: the run could not be finished.
        """
        return self._runs.run(treated(self.trace, interventions), SCREEN + nth).draw.success

    def trial(
        self,
        *interventions: Intervention,
        candidates: float = 1,
        together: bool = False,
        screened: bool = False,
        most: int | None = None,
    ) -> Trial:
        """Both arms of a change, drawn until the rule decides, or until each has `most` draws.

        `candidates` is the number of trials the error rate is shared among. `together` excludes what is surely below a
        large effect, in place of a small one; `screened` takes up the draws that the screen made of this change. A run
        that cannot be finished, for want of budget or otherwise, leaves the trial `undecided` with the reason. The same
        change is drawn on only where a larger share of the error may still decide it.
        """
        known = self._trials.get(interventions)
        if known is None or (known.finding == "undecided" and not known.error and known.share * candidates < 0.999):
            rule = self.rule if most is None else self.rule.model_copy(update={"repeats": most})
            found = self._run(interventions, rule, candidates, together=together, screened=screened)
            self._trials[interventions] = found
        return self._trials[interventions]

    def under(self, player: str, trial: Trial) -> Trial:
        """The same trial with another live side, at the share of the error that it had."""
        other = Experiment(
            self.trace,
            executor=self._executor,
            judge=self._judge,
            live=self.players[player],
            proposer=self._proposer,
            rule=self.rule,
            sham=True,
        )
        other._workers = self._workers
        return other.trial(*trial.interventions, candidates=1 / trial.share)

    def arm(self, interventions: tuple[Intervention, ...], draws: int) -> Arm:
        """The treated arm of some changes at a fixed number of draws; with no changes, the run from its start again.

        Raises:
            ButforError: a run could not be finished.
        """
        edits = treated(self.trace, interventions) if interventions else Edits(redraw=frozenset(self.candidates))
        return self._fixed(edits, draws, _models(interventions))

    def control_arm(self, interventions: tuple[Intervention, ...], draws: int) -> Arm:
        """The control arm of some changes at a fixed number of draws.

        Raises:
            ButforError: a run could not be finished.
        """
        return self._fixed(control(self.trace, interventions), draws, {}, AGENTS + 5_000)

    def noop(self, step: int) -> bool:
        """Whether answering a step with what was recorded changes nothing: the control that must hold."""
        again = self._runs.offline(Edits(answers={step: self.trace.steps[step].output}))
        return [s.output for s in again.steps] == [s.output for s in self.trace.steps]

    def reword(self, step: int, text: str, n: int) -> str | None:
        """What a step says, in other words for the n-th time; `None` where nobody can reword it, or not any more.

        Raises:
            ButforError: the corrector could not be asked.
        """
        return self._sides.reword(step, text, n)

    def draw(self, edits: Edits, sample: int, models: Mapping[str, str] | None = None) -> Drawn:
        """One run with these edits, whole; from stored answers where it ran before.

        Raises:
            ButforError: the run could not be finished.
        """
        trace = self._runs.trace(edits, sample, models)
        return Drawn(trace, self._judge(trace))

    def example(self, trial: Trial) -> Drawn | None:
        """The first successful run of the treated arm, where there is one."""
        found = self._runs.example(treated(self.trace, trial.interventions), _models(trial.interventions))
        return found and Drawn(*found)

    def parallel(self, tasks: Iterable[Callable[[], object]]) -> None:
        """Run tasks side by side; after the first error no further live call begins, and none is left running."""
        self._workers.run(tasks)

    def _fixed(self, edits: Edits, draws: int, models: Mapping[str, str], first: int = AGENTS) -> Arm:
        self.parallel(partial(self._runs.run, edits, first + n, models) for n in range(draws))
        arm = Growing(Side(lambda _: edits, first))
        for n in range(draws):
            arm.add(self._runs.run(edits, first + n, models), 0, self._seeds.honest)
        return arm.arm()

    def _proposed(self, trace: Trace, step: int) -> tuple[Intervention, ...]:
        if not getattr(self._proposer, "blind", True):
            proposed = tuple(self._proposer(trace, step))
            for intervention in proposed:
                refuse_leak(trace, intervention)
            return proposed
        proposed = tuple(self._proposer(trace.blind(), step))
        if trace is self.trace and isinstance(self._proposer, AsksOnceMore) and any(map(self.ahead, proposed)):
            return tuple(self._proposer.once_more(trace.blind(), step)) or proposed
        return proposed

    def _skip_for(self, step: int, error: ButforError) -> None:
        if isinstance(error, FATAL):
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

    def _run(
        self, interventions: tuple[Intervention, ...], rule: Rule, candidates: float, *, together: bool, screened: bool
    ) -> Trial:
        arms = self._growing.setdefault(
            interventions, self._sides.of(interventions, SCREEN if screened else TREATED, CONTROL)
        )
        models = _models(interventions)
        grower = self._arms(models)
        decide = partial(rule.decide, candidates=candidates, together=together)
        decision, error = decide(arms[0].counts, arms[1].counts), None
        while decision == "draw" and error is None:
            sizes = rule.next_draws(arms[0].counts, arms[1].counts)
            before = len(arms[0].draws) + len(arms[1].draws)
            if any(sizes):
                error = grower.grow(list(zip(arms, sizes, strict=True)))
            decision = decide(arms[0].counts, arms[1].counts)
            if len(arms[0].draws) + len(arms[1].draws) == before:
                break
        try:
            self._seeds.check_word(arms)
            if decision == "blame":
                arms = rejudged(self._judge, self._runs, arms)
                decision = decide(arms[0].counts, arms[1].counts)
        except BudgetExceeded as ended:
            decision, error = "draw", str(ended)
        return self._trial(interventions, arms, decision, error, candidates)

    def _arms(self, models: Mapping[str, str]) -> Arms:
        def drawn(edits: Edits, sample: int) -> Run:
            return self._runs.run(edits, sample, models if sample < CONTROL or sample >= SCREEN else {})

        return Arms(
            drawn,
            parallel=self.parallel,
            honest=self._seeds.honest,
            repeating=lambda: self._seeds.repeating,
            fatal=FATAL,
        )

    def _trial(
        self,
        interventions: tuple[Intervention, ...],
        arms: Sequence[Growing],
        decision: Decision,
        error: str | None,
        candidates: float,
    ) -> Trial:
        first, second = (arm.counts for arm in arms)
        estimate = self.rule.estimate(first, second, candidates=candidates)
        return Trial(
            interventions=interventions,
            treated=arms[0].arm(),
            control=arms[1].arm(),
            effect=estimate.effect,
            interval=(estimate.low, estimate.high),
            finding=_FINDINGS[decision],
            error=error if decision == "draw" else None,
            share=1 / max(1.0, candidates),
            deterministic=self.rule.deterministic,
            note=_note(arms),
        )


def _note(arms: Sequence[Growing]) -> str:
    if any(arm.exhausted for arm in arms):
        return (
            "repeats are one answer, and the text could not be put in enough other words; they count as one draw, and "
            "more of them can decide nothing"
        )
    if any(not draw.counted for arm in arms for draw in arm.draws):
        return "repeats are one answer, and count as one draw; the text was put in other words instead"
    if any(draw.wording for arm in arms for draw in arm.draws):
        return "the text was put in other words, because repeats are one answer"
    return ""


def _models(interventions: Iterable[Intervention]) -> dict[str, str]:
    return {i.agent: i.model for i in interventions if i.kind == "swap" and i.agent and i.model}
