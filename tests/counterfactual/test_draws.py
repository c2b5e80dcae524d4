"""A repeat that is no draw convicts nobody; planted faults are found at the cost that is promised."""

import pytest
from traces import run

from butfor.cache.errors import NotASuccess
from butfor.cache.provider import Cached
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import screen
from butfor.counterfactual.verdict import attribute
from butfor.replay.cast import Cast
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Outcome
from butfor.scenarios.planted import Kind, audited

CHAIN = run(*(("Ann" if n % 2 else "Bob", f"step {n}") for n in range(5)))


def experiment(*, corrects: bool = True, sham: bool = False) -> Experiment:
    """A team that says the same whatever the seed, and a judge that likes every text but the recorded one."""
    store = MemoryStore()
    same = Scripted(lambda call: f"heard {sum(len(m.text) for m in call.messages)}")
    return Experiment(
        CHAIN,
        executor=Simulator(),
        judge=lambda trace: Outcome(success=trace.steps[-1].output != "step 4", answer=trace.steps[-1].output),
        live=lambda sample, models: Cast(Cached(same, store, sample=sample), default="m", models=models),
        proposer=lambda trace, step: (
            (Intervention(kind="correct", step=step, output=f"another {step}"),) if corrects and step < 4 else ()
        ),
        rule=Rule(),
        sham=sham,
    )


def test_one_answer_repeated_blames_nobody_and_says_what_would_decide() -> None:
    found = attribute(experiment(), screen)
    assert found.verdict == "undetermined"
    assert "deterministic" in found.decides
    assert found.warnings
    (first, *_) = found.trials
    assert (first.treated.draws, first.treated.distinct) == (1, 1)
    assert first.treated.repeated >= 1


def test_where_nothing_was_proposed_nothing_was_tried() -> None:
    assert attribute(experiment(corrects=False), screen).verdict == "nothing tried"


def test_a_sham_of_a_failure_is_refused() -> None:
    with pytest.raises(NotASuccess, match="failure"):
        attribute(experiment(sham=True), screen)


@pytest.mark.parametrize(("kind", "calls"), [(Kind(6), 40), (Kind(20), 130), (Kind(6, deterministic=True), 14)])
def test_a_planted_fault_is_found_at_the_promised_cost(kind: Kind, calls: int) -> None:
    found = [audited(kind, str(n)) for n in range(12)]
    assert all(result.right for result in found)
    assert sum(result.calls for result in found) / len(found) <= calls


@pytest.mark.slow
def test_hardly_anybody_is_blamed_for_a_run_that_is_nobodys_fault() -> None:
    kind = Kind(6, guilty=False, recovery=0.3, rewords=True)
    assert sum(audited(kind, str(n)).wrong for n in range(60)) <= 3
