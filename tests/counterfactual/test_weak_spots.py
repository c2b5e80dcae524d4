"""What nobody looked at: instructions, prices, plans, the example of a verdict, budgets in money, the demo, swaps."""

from pathlib import Path

import pytest
from commandline import butfor as command

import butfor
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.plan import planned
from butfor.counterfactual.settings import Settings
from butfor.scenarios.scenario import scenarios


def run_of(name: str) -> butfor.Trace:
    return scenarios()[name].record()


def test_the_text_of_an_instruction_reaches_the_agent_and_nobody_else() -> None:
    heard: dict[str, str] = {}

    def model(call: butfor.Call) -> str:
        heard[call.agent or ""] = "\n".join(m.text for m in call.messages)
        return "Understood."

    butfor.whatif(
        run_of("parallel"), butfor.instruct("Joiner", "Add the numbers twice."), model=model, store=MemoryStore()
    )
    assert "Add the numbers twice." in heard["Joiner"]
    assert "Add the numbers twice." not in heard["Writer"]


def test_the_naive_price_is_that_of_running_everything_downstream_again_for_every_step() -> None:
    found = butfor.blame(run_of("parallel"), model="scripted:parallel", store=MemoryStore(), controls=False)
    draws = max(max(t.treated.draws, t.control.draws) for t in found.trials)
    assert found.cost.naive_calls == 2 * draws * (5 + 4 + 3 + 2 + 1)


def test_a_plan_counts_what_a_decisive_step_takes() -> None:
    plan = planned(run_of("relay"), Settings())
    step = plan.steps[1]
    draws = (step.calls_decisive - 1) // step.reaches
    assert step.calls_decisive == 1 + draws * step.reaches
    assert step.reaches == 2
    assert max(step.calls_innocent, step.calls_decisive) < step.calls_most
    assert plan.calls_expected >= len(plan.steps)
    assert planned(run_of("relay"), Settings()).steps[-1].calls_most == 1  # nothing follows the last step


def test_the_example_of_a_verdict_is_its_first_success() -> None:
    found = butfor.blame(
        run_of("flaky"), model="scripted:flaky", store=MemoryStore(), search="earliest", controls=False
    )
    trial = next(t for t in found.trials if t.steps == (found.step,))
    first = next(run for run in trial.treated.runs if run.success)
    said = {played.index: played.output for played in first.steps if played.output is not None}
    shown = {row.step: row.repaired for row in found.continuation}
    assert said
    assert all(shown[index] == text for index, text in said.items() if index in shown)


def test_a_budget_in_money_without_a_price_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "relay.json"
    log.write_text(run_of("relay").to_json())
    ran = command("blame", log, "--model", "scripted:relay", "--max-cost", "1", "--cache", tmp_path / "cache")
    assert ran.status == 2
    assert "--price scripted:relay=IN/OUT" in ran.err
    assert not (tmp_path / "cache").exists()


def test_the_demo_shows_the_run_the_verdict_and_what_to_do_next() -> None:
    shown = command("demo").out
    for text in ("butfor show parallel.json", "Middle kept 95 jackets.", "But for step 2 (Middle)", "◀ earliest",
                 "corrected", "cost", "butfor blame LOG --model openai:MODEL"):  # fmt: skip
        assert text in shown


def test_a_simulated_swap_lets_another_model_play_the_agent_in_all_its_steps_and_nobody_else() -> None:
    asked: list[str | None] = []

    def other(call: butfor.Call) -> str:
        asked.append(call.agent)
        return "Middle kept 75 jackets."

    found = butfor.whatif(
        run_of("parallel"), butfor.swap("Middle", other), model="scripted:parallel", store=MemoryStore()
    )
    assert asked == ["Middle"]
    assert [step.origin for step in found.run.steps] == ["recorded", "recorded", "live", "recorded", "live", "live"]
    assert found.repaired is True


def test_a_control_that_fails_stands_in_the_sentence() -> None:
    def team(call: butfor.Call) -> str:
        said = "\n".join(m.text for m in call.messages)
        if call.agent == "corrector":
            return "Middle kept 75 jackets." if "review:\n<message>\nMiddle kept 95" in said else "NOTHING TO CORRECT"
        if "75 jackets" in said:  # whoever says so
            return "Together the shops kept 258."
        return f"FINAL ANSWER: {1806 if 'kept 258' in said else 1946} euros"

    found = butfor.blame(run_of("parallel"), model=team, deterministic=True, store=MemoryStore())
    failed = [control for control in found.controls if control.passed is False]
    assert failed
    assert found.verdict == "undetermined"
    assert "the same text" in found.sentence


def test_an_audit_costs_what_reached_the_provider() -> None:
    provider = scenarios()["relay"].provider()
    counted = Scripted(provider.complete)
    found = butfor.blame(run_of("relay"), model=counted, store=MemoryStore())
    assert found.cost.live_calls == len(counted.calls) > 0
    assert Audit(Settings(), MemoryStore()).cost().live_calls == 0


@pytest.mark.parametrize("bad", [-1, 99])
def test_a_step_that_is_not_there(bad: int) -> None:
    with pytest.raises(butfor.ButforError, match=f"there is no step {bad}"):
        butfor.whatif(run_of("relay"), butfor.remove(bad))
