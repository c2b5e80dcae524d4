"""The searches: which steps are tried, in which order, when they stop, and what they find in every scenario."""

from collections.abc import Mapping, Sequence

import pytest
from traces import run

from butfor.cache.errors import ProviderError
from butfor.cache.provider import Budget, Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import SEARCHES, Search, bisect, earliest, exhaustive
from butfor.counterfactual.settings import Settings
from butfor.replay.cast import Cast
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome, Trace
from butfor.scenarios.scenario import scenarios

CHAIN = run(*(("Ann" if n % 2 else "Bob", f"step {n}") for n in range(8)))


def searched(
    search: Search, *, needed: Sequence[int], proposed: Sequence[int] = range(8), fails: Sequence[int] = ()
) -> Experiment:
    """A search over a chain of eight steps, right when all the needed ones are corrected."""

    def judge(trace: Trace) -> Outcome:
        said = [step.output for step in trace.steps]
        return Outcome(success=all(any(f"fixed {n}" in text for text in said) for n in needed))

    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        if step in fails:
            raise ProviderError(f"no idea about step {step}")
        fixed = Intervention(kind="correct", step=step, output=f"fixed {step}")
        return (fixed,) if step in proposed else ()

    def live(sample: int, models: Mapping[str, str]) -> Provider:
        return Cast(
            Cached(Scripted(lambda call: f"and so on, {call.params.get('seed')}"), MemoryStore(), sample=sample),
            default="m",
        )

    experiment = Experiment(CHAIN, executor=Simulator(), judge=judge, live=live, proposer=propose, rule=Rule())
    search(experiment)
    return experiment


def tried(experiment: Experiment) -> dict[tuple[int, ...], str]:
    return {trial.steps: trial.finding for trial in experiment.trials}


def reasons(experiment: Experiment) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for untested in experiment.untested:
        found.setdefault(untested.reason, []).append(untested.step)
    return found


def test_earliest_stops_at_the_first_flip() -> None:
    experiment = searched(earliest, needed=[2], proposed=[0, 2, 5])
    assert tried(experiment) == {(0,): "excluded", (2,): "flips"}
    assert reasons(experiment) == {"nothing to correct": [1], "later than the verdict": [3, 4, 5, 6, 7]}


def test_exhaustive_tries_every_step() -> None:
    experiment = searched(exhaustive, needed=[2])
    assert tried(experiment) == {(n,): "flips" if n == 2 else "excluded" for n in range(8)}
    assert reasons(experiment) == {}


@pytest.mark.parametrize("search", [earliest, exhaustive])
def test_where_no_step_suffices_the_smallest_set_is_found(search: Search) -> None:
    experiment = searched(search, needed=[1, 4], proposed=[0, 1, 4, 6])
    found = tried(experiment)
    assert {steps for steps in found if len(steps) == 1} == {(0,), (1,), (4,), (6,)}
    assert found[1, 4] == "flips"
    assert min((steps for steps, finding in found.items() if finding == "flips"), key=len) == (1, 4)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_where_nothing_helps_nothing_flips(search: Search) -> None:
    experiment = searched(search, needed=[99])
    assert "flips" not in tried(experiment).values()


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_a_step_that_cannot_be_proposed_does_not_stop_the_others(search: Search) -> None:
    experiment = searched(search, needed=[5], fails=[3])
    assert tried(experiment)[5,] == "flips"
    assert reasons(experiment)["failed"] == [3]


@pytest.mark.parametrize("needed", range(8))
def test_halving_finds_the_step_with_few_trials(needed: int) -> None:
    experiment = searched(bisect, needed=[needed])
    assert tried(experiment)[needed,] == "flips"
    assert len(experiment.trials) <= 5


def test_halving_finds_a_set() -> None:
    found = tried(searched(bisect, needed=[1, 4]))
    assert found[1, 4] == "flips"


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_with_nothing_proposed_nothing_is_tried(search: Search) -> None:
    experiment = searched(search, needed=[2], proposed=[])
    assert tried(experiment) == {}
    assert reasons(experiment) == {"nothing to correct": list(range(8))}


@pytest.mark.parametrize("search", ["earliest", "exhaustive"])
@pytest.mark.parametrize("name", list(scenarios()))
def test_every_scenario_is_solved(name: str, search: str) -> None:
    case, store = scenarios()[name], MemoryStore()
    settings = Settings(model=f"scripted:{name}", search=search)
    trace = case.record()
    found = Audit(settings, store).audit(trace)
    blamed = found.members or (() if found.step is None else (found.step,))
    assert (found.verdict, blamed) == (case.verdict, case.culprits)
    assert Audit(settings, store).audit(trace).cost.live_calls == 0


def test_an_audit_whose_budget_ends_says_nothing_that_is_wrong() -> None:
    """Of a fault that takes two corrections: the audit may stay open, but not say that no correction helps."""
    trace = scenarios()["overdetermined"].record()
    for calls in range(0, 60, 3):
        settings = Settings(model="scripted:overdetermined", budget=Budget(calls=calls))
        found = Audit(settings, MemoryStore()).audit(trace)
        assert found.cost.live_calls <= calls
        assert found.verdict in ("undetermined", "not replayable", "set"), calls
        assert found.verdict != "set" or found.members == (1, 2)
