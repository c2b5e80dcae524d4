"""Every scenario fails as it says, replays exactly, and gets the verdict it should."""

import pytest

from butfor.counterfactual.judge import exact
from butfor.counterfactual.settings import Settings
from butfor.replay.executor import rerun
from butfor.replay.replayed import Edits
from butfor.replay.simulator import Simulator
from butfor.scenarios.bench import over_scenarios
from butfor.scenarios.scenario import scenarios

NAMES = tuple(scenarios())


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_fails_and_replays_offline(name: str) -> None:
    trace = scenarios()[name].record()
    assert not exact(trace).success
    assert rerun(trace, executor=Simulator()).to_json() == trace.to_json()


@pytest.mark.parametrize("name", NAMES)
def test_recording_a_scenario_again_gives_the_same_bytes(name: str) -> None:
    assert scenarios()[name].record().to_json() == scenarios()[name].record().to_json()


@pytest.mark.parametrize("search", ["earliest", "ranked", "bisect", "exhaustive"])
@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_is_right_and_nothing_is_asked_twice(name: str, search: str) -> None:
    (row,) = over_scenarios([name], Settings(search=search))
    assert (row.verdict, row.steps) == (scenarios()[name].verdict, scenarios()[name].culprits)
    assert row.agents == row.true_agents
    assert row.again_live_calls == 0


@pytest.mark.parametrize("name", [n for n in NAMES if scenarios()[n].culprits])
def test_an_edit_of_the_culprit_reaches_the_final_answer(name: str) -> None:
    case = scenarios()[name]
    trace, step = case.record(), case.culprits[-1]
    changed = rerun(
        trace,
        Edits(answers={step: "nothing"}, redraw=frozenset(range(step + 1, len(trace.steps)))),
        executor=Simulator(),
        live=case.provider(),
    )
    assert changed.steps[-1].output != trace.steps[-1].output
    assert changed.steps[:step] == trace.steps[:step]
