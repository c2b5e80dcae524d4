"""An experiment draws both arms, remembers everything, and survives what cannot be drawn."""

from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from traces import addressed

from butfor.cache.call import Call
from butfor.cache.errors import (
    BudgetExceeded,
    ButforError,
    Divergence,
    ExperimentError,
    ModelUnavailable,
    NotAFailure,
    ProviderError,
    StoreDamaged,
)
from butfor.cache.provider import Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.proposer import Proposer
from butfor.counterfactual.rule import Rule
from butfor.replay.cast import Cast
from butfor.replay.replayed import Edits
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome, Trace, final_answer

TEAM = addressed(("Ann", "plan", None), ("Bob", "aside", ()), ("Cat", "work", None), ("Ann", "wrong", None))
"""Whoever works from a plan that is good ends right; Cat takes a note that differs from repeat to repeat."""


def play(call: Call) -> str:
    said = "\n".join(message.text for message in call.messages)
    good = "good" in said
    noted = f"{'good ' * good}work, note {call.params.get('seed')}"
    return {"Ann": "right" if good else "wrong", "Cat": noted}.get(call.agent or "", "?")


def judge(trace: Trace) -> Outcome:
    answer = final_answer(trace)
    return Outcome(success=answer == "right", answer=answer)


def correct(step: int, output: str) -> Intervention:
    return Intervention(kind="correct", step=step, output=output)


def nothing(trace: Trace, step: int) -> tuple[Intervention, ...]:
    return ()


class Models:
    """The live side: scripted, cached per sample, with a count of what was asked in which repeat."""

    def __init__(self, script: Callable[[Call], str] = play) -> None:
        self.script = Scripted(script)
        self.store = MemoryStore()
        self.samples: Counter[int] = Counter()

    def __call__(self, sample: int, models: Mapping[str, str]) -> Provider:
        self.samples[sample] += 1
        return Cast(Cached(self.script, self.store, sample=sample), default="openai:a", models=models)


def experiment(
    trace: Trace = TEAM,
    *,
    live: Models | None = None,
    proposer: Proposer = nothing,
    rule: Rule | None = None,
    jobs: int = 1,
    sham: bool = False,
    reaching: frozenset[int] | None = None,
) -> Experiment:
    return Experiment(
        trace,
        executor=Simulator(),
        judge=judge,
        live=live or Models(),
        proposer=proposer,
        rule=rule or Rule(),
        jobs=jobs,
        sham=sham,
        reaching=reaching,
    )


def test_a_run_that_succeeded_is_refused_unless_it_is_a_control() -> None:
    right = addressed(("Ann", "right", None))
    with pytest.raises(NotAFailure, match=r"run\.json: the judge calls the recorded run a success"):
        experiment(right)
    assert experiment(right, sham=True).outcome.success


def test_candidates_are_what_agents_said() -> None:
    trace = addressed(("User", "go", None), ("Ann", "a", None), ("Tool", "b", None), ("Runtime", "c", None))
    assert experiment(trace).candidates == (1,)


def test_both_arms_of_a_change_that_matters() -> None:
    trial = experiment().trial(correct(0, "good plan"))
    assert trial.finding == "flips"
    assert trial.treated.successes == trial.treated.draws == trial.control.draws > 0
    assert trial.control.successes == 0
    assert trial.effect == 1
    assert 0 < trial.interval[0] <= trial.effect <= trial.interval[1] <= 1
    assert set(trial.treated.answers) == {"right"}
    assert set(trial.control.answers) == {"wrong"}


def test_a_change_that_does_not_matter() -> None:
    trial = experiment().trial(correct(1, "another aside"))
    assert (trial.finding, trial.treated.successes, trial.error) == ("excluded", 0, None)


def test_the_same_change_is_tried_once() -> None:
    live = Models()
    tried = experiment(live=live)
    first = tried.trial(correct(0, "good plan"))
    drawn = sum(live.samples.values())
    assert tried.trial(correct(0, "good plan")) is first
    assert sum(live.samples.values()) == drawn
    assert tried.trials == (first,)


def test_each_draw_is_a_repeat_of_its_own_and_the_arms_share_none() -> None:
    live = Models()
    trial = experiment(live=live).trial(correct(0, "good plan"))
    drawn = [draw.sample for arm in (trial.treated, trial.control) for draw in arm.runs]
    assert len(set(drawn)) == len(drawn) == trial.treated.draws + trial.control.draws
    assert {sample: live.samples[sample] for sample in drawn} == dict.fromkeys(drawn, 1)


@pytest.mark.parametrize("jobs", [1, 4])
def test_threads_change_nothing(jobs: int) -> None:
    alone, together = (experiment(jobs=n).trial(correct(0, "good plan")) for n in (1, jobs))
    assert alone == together


def test_another_player_plays_in_the_treated_arm_only() -> None:
    def routed(call: Call) -> str:
        return "right" if call.model == "openai:b" else play(call)

    trial = experiment(live=Models(routed)).trial(Intervention(kind="swap", agent="Ann", model="openai:b"))
    assert (trial.finding, trial.control.successes) == ("flips", 0)
    assert trial.steps == ()


def failing(error: ButforError, *, after: int) -> Models:
    def script(call: Call) -> str:
        if len(models.script.calls) > after:
            raise error
        return play(call)

    models = Models(script)
    return models


@pytest.mark.parametrize("error", [BudgetExceeded("spent"), ProviderError("down"), ExperimentError("no verdict")])
def test_a_draw_that_cannot_be_finished_leaves_the_trial_open(error: ButforError) -> None:
    tried = experiment(live=failing(error, after=5))
    trial = tried.trial(correct(0, "good plan"))
    assert (trial.finding, trial.error) == ("undecided", str(error))
    assert 0 < trial.treated.draws < 4
    assert trial.interval[0] < 0.1


@pytest.mark.parametrize("error", [ModelUnavailable("no key"), StoreDamaged("cut"), Divergence("left")])
@pytest.mark.parametrize("jobs", [1, 4])
def test_what_makes_going_on_vain_ends_the_audit(error: ButforError, jobs: int) -> None:
    with pytest.raises(type(error)):
        experiment(live=failing(error, after=0), jobs=jobs).trial(correct(0, "good plan"))


def proposing(*replies: Intervention | ButforError) -> Proposer:
    """A proposer with one reply for each step, and none for the others."""
    by_step = {reply.step: reply for reply in replies if isinstance(reply, Intervention)}
    errors = [reply for reply in replies if not isinstance(reply, Intervention)]

    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        if errors:
            raise errors[0]
        return (by_step[step],) if step in by_step else ()

    return propose


@pytest.mark.parametrize(("error", "reason"), [(BudgetExceeded("spent"), "budget"), (ProviderError("down"), "failed")])
def test_a_step_without_a_proposal_is_listed_with_the_reason(error: ButforError, reason: str) -> None:
    tried = experiment(proposer=proposing(error))
    assert tried.propose(0) == ()
    [untested] = tried.untested
    assert (untested.step, untested.agent, untested.reason, untested.detail) == (0, "Ann", reason, str(error))
    assert not untested.innocent


def test_a_step_with_nothing_to_correct_is_listed_as_such() -> None:
    tried = experiment()
    assert tried.propose(0) == ()
    assert tried.untested[0].reason == "nothing to correct"
    assert tried.untested[0].innocent


def seeing(propose: Proposer) -> Proposer:
    """The same proposer, which says that it was shown the expected answer."""
    propose.blind = False  # type: ignore[attr-defined]
    return propose


def test_a_correction_that_leaks_the_answer_is_not_tried() -> None:
    trace = TEAM.model_copy(update={"expected": "4711"})
    tried = experiment(trace, proposer=seeing(proposing(correct(0, "Say 4711."))))
    assert tried.propose(0) == ()
    assert tried.untested[0].reason == "leaked answer"


def test_a_blind_correction_that_states_the_answer_has_leaked_nothing() -> None:
    trace = TEAM.model_copy(update={"expected": "4711"})
    tried = experiment(trace, proposer=proposing(correct(3, "4711")))
    assert [i.output for i in tried.propose(3)] == ["4711"]
    assert tried.untested == ()


def test_a_step_that_cannot_reach_the_answer_is_not_asked_about() -> None:
    asked: list[int] = []

    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        asked.append(step)
        return ()

    tried = experiment(proposer=propose, reaching=frozenset({0, 2, 3}))
    for step in tried.candidates:
        tried.propose(step)
    assert asked == [0, 2, 3]
    assert [u.reason for u in tried.untested if u.step == 1] == ["not reached"]


def test_a_proposal_is_asked_for_once() -> None:
    asked: list[int] = []

    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        asked.append(step)
        return (correct(step, "good"),)

    tried = experiment(proposer=propose)
    assert tried.propose(2) == tried.propose(2)
    assert asked == [2]


def test_corrections_together_are_proposed_on_the_run_as_it_went_with_the_ones_before() -> None:
    seen: list[tuple[int, str]] = []

    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        seen.append((step, trace.steps[2].output))
        return (correct(step, f"good {step}"),)

    tried = experiment(proposer=propose)
    assert [i.step for i in tried.propose_together([3, 0])] == [0, 3]
    assert [(step, text.partition(",")[0]) for step, text in seen] == [(0, "work"), (3, "good work")]


@pytest.mark.parametrize("error", [BudgetExceeded("spent"), ProviderError("down")])
def test_where_steps_cannot_be_tried_together_that_is_told(error: ButforError) -> None:
    tried = experiment(live=failing(error, after=0), proposer=proposing(correct(0, "good plan"), correct(3, "right")))
    assert tried.propose_together([0, 3]) == ()
    assert [(u.step, u.detail) for u in tried.untested] == [(0, str(error))]


def test_a_leak_in_corrections_together_is_told() -> None:
    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        changed = trace.steps[2].output != "work"
        return (correct(step, "Say 4711." if changed else "good plan"),)

    tried = experiment(TEAM.model_copy(update={"expected": "4711"}), proposer=seeing(propose))
    assert tried.propose_together([0, 3]) == ()
    assert [(u.step, u.reason) for u in tried.untested] == [(3, "leaked answer")]


def test_what_was_recorded_given_again_changes_nothing() -> None:
    tried = experiment()
    assert all(tried.noop(step) for step in tried.candidates)


def test_an_example_is_a_run_that_succeeded() -> None:
    tried = experiment()
    example = tried.example(tried.trial(correct(0, "good plan")))
    assert example is not None
    assert [step.output.partition(",")[0] for step in example.trace.steps] == ["good plan", "?", "good work", "right"]
    assert tried.example(tried.trial(correct(1, "another aside"))) is None


def test_a_run_drawn_again_is_the_same_run_and_asks_nothing() -> None:
    live = Models()
    tried = experiment(live=live)
    edits = Edits(answers={0: "good plan"})
    first = tried.draw(edits, 0)
    asked = len(live.script.calls)
    again = tried.draw(edits, 0)
    assert [step.output for step in again.trace.steps] == [step.output for step in first.trace.steps]
    assert len(live.script.calls) == asked
    tried.draw(edits, 1)
    assert len(live.script.calls) > asked


def test_an_arm_at_a_fixed_number_of_draws() -> None:
    tried = experiment()
    assert tried.arm((correct(0, "good plan"),), 3).successes == 3
    again = tried.arm((), 2)
    assert (again.successes, again.draws) == (0, 2)
