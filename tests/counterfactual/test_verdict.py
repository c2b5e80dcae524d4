"""A verdict says what its trials show, and no more: what is open, what a control contradicts, what could not run."""

from collections.abc import Mapping, Sequence

import pytest

from butfor.cache.call import Call
from butfor.cache.errors import ModelUnavailable, NotAFailure, ProviderError
from butfor.cache.provider import Budget, Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import Search, earliest, exhaustive
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import Verdict, attribute
from butfor.replay.cast import Cast
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome, Trace
from butfor.scenarios import scenario


def _audit(name: str, **settings: object) -> Verdict:
    chosen = Settings.model_validate({"model": f"scripted:{name}", **settings})
    return Audit(chosen, MemoryStore()).audit(scenario(name).record())


def _with(
    outcome: Mapping[str, bool],
    proposed: Sequence[int],
    *,
    search: Search = earliest,
    broken: int | None = None,
) -> Verdict:
    """An audit of the relay in which the corrected text of a step decides the outcome."""
    trace = scenario("relay").record()
    provider = scenario("relay").provider()

    def judge(run: Trace) -> Outcome:
        return Outcome(success=any(good for text, good in outcome.items() if any(text in s.output for s in run.steps)))

    def propose(_: Trace, step: int) -> tuple[Intervention, ...]:
        if step == broken:
            raise ProviderError("the corrector fell asleep")
        return (Intervention(kind="correct", step=step, output=f"fixed {step}."),) if step in proposed else ()

    def live(sample: int, models: Mapping[str, str]) -> Provider:
        return Cast(Cached(provider, MemoryStore(), sample=sample), default="scripted:relay", models=models)

    rule = Rule(deterministic=True)  # the relay's script knows no seed
    experiment = Experiment(trace, executor=Simulator(), judge=judge, live=live, proposer=propose, rule=rule)
    return attribute(experiment, search)


def test_the_earliest_of_two_that_flip_is_blamed_and_the_interval_of_flips_is_told() -> None:
    found = _with({"fixed 1": True, "fixed 2": True}, [0, 1, 2], search=exhaustive)
    assert (found.verdict, found.step) == ("blamed", 1)
    assert found.flips is not None
    assert (found.flips.earliest, found.flips.latest, found.flips.complete) == (1, 2, True)
    assert found.roles == {1: "sufficient", 2: "sufficient"}


def test_a_step_before_the_flip_that_could_not_be_tried_leaves_the_audit_open() -> None:
    found = _with({"fixed 2": True}, [1, 2], broken=1)
    assert found.verdict == "undetermined"
    assert found.step is None
    assert "step 1 before it could not be ruled out" in found.sentence
    assert [(u.step, u.reason) for u in found.untested if u.reason == "failed"] == [(1, "failed")]


def test_a_step_after_the_flip_that_could_not_be_tried_does_not_matter() -> None:
    assert _with({"fixed 1": True}, [1, 2], broken=2, search=exhaustive).verdict == "blamed"


def test_nothing_flips_where_every_correction_is_in_vain() -> None:
    found = _with({}, [0, 1, 2, 3])
    assert found.verdict == "no flip"
    assert found.interval is None


def test_where_nothing_can_be_tried_the_run_is_not_replayable() -> None:
    trace = scenario("relay").record()

    def propose(_: Trace, step: int) -> tuple[Intervention, ...]:
        raise ProviderError("the server is on fire")

    experiment = Experiment(
        trace,
        executor=Simulator(),
        judge=lambda run: Outcome(success=False),
        live=lambda sample, models: Scripted([]),
        proposer=propose,
        rule=Rule(),
    )
    found = attribute(experiment, earliest)
    assert found.verdict == "not replayable"
    assert "the server is on fire" in found.sentence


class Rewording:
    """A corrector that can put a text in other words."""

    def __call__(self, trace: Trace, step: int) -> tuple[Intervention, ...]:
        return (Intervention(kind="correct", step=step, output="other"),)

    def reword(self, trace: Trace, step: int, text: str, n: int) -> str | None:
        return f"That is to say, {text}"


def test_a_placebo_that_repairs_the_run_downgrades_the_verdict() -> None:
    trace = scenario("relay").record()
    recorded = trace.steps[0].output

    def judge(run: Trace) -> Outcome:
        return Outcome(success=run.steps[0].output != recorded)

    experiment = Experiment(
        trace,
        executor=Simulator(),
        judge=judge,
        live=lambda sample, models: Cast(scenario("relay").provider(), default="scripted:relay"),
        proposer=Rewording(),
        rule=Rule(deterministic=True),
    )
    found = attribute(experiment, earliest)
    assert (found.verdict, found.step) == ("undetermined", None)
    (placebo,) = [control for control in found.controls if control.kind == "placebo"]
    assert placebo.passed is False
    assert "in other words" in found.sentence


def test_a_budget_that_ends_is_told_and_costs_no_more_than_it_allows() -> None:
    found = _audit("parallel", budget=Budget(calls=7))
    assert found.verdict == "undetermined"
    assert found.cost.live_calls <= 7
    assert any("budget of 7 live calls" in (t.error or "") for t in found.trials)
    assert found.decides == "a larger budget; the audit goes on where it ended"


def test_an_audit_stopped_by_its_budget_goes_on_without_paying_twice() -> None:
    trace, store = scenario("parallel").record(), MemoryStore()
    spent, found = 0, None
    for _ in range(20):
        settings = Settings(model="scripted:parallel", budget=Budget(calls=7))
        found = Audit(settings, store).audit(trace)
        spent += found.cost.live_calls
        if found.verdict == "blamed":
            break
    whole = _audit("parallel")
    assert found is not None
    assert (found.verdict, found.step) == (whole.verdict, whole.step)
    assert spent <= whole.cost.live_calls + 3 * 4  # controls that came before the budget's end are not repeated


def test_a_run_that_succeeded_is_refused_unless_it_is_a_sham() -> None:
    trace = scenario("relay").record()
    good = trace.model_copy(update={"expected": "4"})
    session = Audit(Settings(model="scripted:relay"), MemoryStore())
    with pytest.raises(NotAFailure, match="success"):
        session.audit(good)
    assert session.audit(good, sham=True).verdict == "no flip"


def test_without_a_model_there_is_nothing_to_ask() -> None:
    with pytest.raises(ModelUnavailable, match="model="):
        Audit(Settings(), MemoryStore()).audit(scenario("relay").record())


def test_an_audit_never_asks_with_the_expected_answer() -> None:
    case, asked = scenario("parallel"), list[Call]()

    def answer(call: Call) -> str:
        asked.append(call)
        return case.provider().complete(call).text

    session = Audit(Settings(model="scripted:parallel"), MemoryStore())
    session._metered._provider = Scripted(answer)  # the real chain, with an ear in it
    assert session.audit(case.record()).verdict == "blamed"
    corrections = [call for call in asked if call.agent == "corrector"]
    assert corrections
    assert not any(case.expected in message.text for call in corrections for message in call.messages)
