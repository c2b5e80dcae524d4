"""What a verdict says: the step at fault though its correction states the answer, and no step for another's work."""

from collections.abc import Iterable

import pytest
from acted import acted, chance, corrections, experiment, live_side

from butfor.cache.call import Call
from butfor.cache.errors import NotASuccess, ProviderError
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.judge import exact
from butfor.counterfactual.search import screen
from butfor.counterfactual.verdict import Verdict, attribute
from butfor.replay.trace import Trace

SHOP = acted(
    ["There are 17 boxes, 12 jars in each, and 9 jars broke.", "17 x 12 = 194, minus 9 is 185.", "FINAL ANSWER: 185"],
    [[], [0], [0, 1]],
    ["Reader", "Solver", "Writer"],
    expected="195",
)


def shop(call: Call) -> str:
    """The Writer takes over the Solver's figure, with a word of its own; a Solver left alone errs again."""
    heard = [message.text for message in call.messages]
    if call.step == 1:
        return f"Let me see, {call.params.get('seed')}: 17 x 12 = 194, minus 9 is 185."
    figure = "195" if any("195" in text for text in heard) else "185"
    return f"Note {call.params.get('seed')}.\nFINAL ANSWER: {figure}"


def test_a_step_whose_correction_is_the_first_to_state_the_answer_can_be_blamed() -> None:
    proposer = corrections({1: "17 x 12 = 204, minus 9 is 195."})
    found = attribute(experiment(SHOP, shop, proposer=proposer, judge=exact), screen, controls=False)
    assert (found.verdict, found.step, found.agent) == ("blamed", 1, "Solver")
    assert found.untested[0].reason == "nothing to correct"


def test_an_answering_step_that_is_wrong_on_its_own_can_be_blamed() -> None:
    trace = acted(
        ["17 boxes of 12 jars, 9 broke.", "204 minus 9.", "FINAL ANSWER: 213"], [[], [0], [0, 1]], expected="195"
    )
    proposer = corrections({2: "FINAL ANSWER: 195"})
    found = attribute(experiment(trace, shop, proposer=proposer, judge=exact), screen, controls=False)
    assert (found.verdict, found.step) == ("blamed", 2)


class Eager:
    """A corrector that solves the whole task at once wherever it is asked, and perhaps listens the second time."""

    def __init__(self, *, listens: bool) -> None:
        self.listens = listens
        self.again: list[int] = []

    def __call__(self, trace: Trace, step: int) -> Iterable[Intervention]:
        text = trace.steps[step].output
        if step == 1 and "194" in text:
            text = "17 x 12 = 204, minus 9 is 195."
        elif step == 0:
            text = f"{text} So 195 jars are left."
        return [] if text == trace.steps[step].output else [Intervention(kind="correct", step=step, output=text)]

    def once_more(self, trace: Trace, step: int) -> Iterable[Intervention]:
        self.again.append(step)
        if not self.listens:
            return self(trace, step)
        text = f"{trace.steps[step].output} That is all."
        return [Intervention(kind="correct", step=step, output=text)]


@pytest.mark.parametrize("listens", [True, False])
def test_a_step_whose_correction_does_the_work_of_others_is_not_the_earliest(listens: bool) -> None:
    eager = Eager(listens=listens)
    found = attribute(experiment(SHOP, shop, proposer=eager, judge=exact), screen, controls=False)
    assert eager.again == [0]
    assert (found.verdict, found.step) == ("blamed", 1)
    if not listens:
        assert found.roles[0] == "ahead of its job"
        assert any("step 0" in caveat or "0 (Reader)" in caveat for caveat in found.caveats)
        assert [t.finding for t in found.trials if t.steps == (0,)] == ["flips"]


def test_where_only_the_work_of_others_repairs_the_run_nobody_is_blamed() -> None:
    class Only(Eager):
        def __call__(self, trace: Trace, step: int) -> Iterable[Intervention]:
            return super().__call__(trace, step) if step == 0 else []

    found = attribute(experiment(SHOP, shop, proposer=Only(listens=False), judge=exact), screen, controls=False)
    assert (found.verdict, found.step) == ("undetermined", None)
    assert "job" in found.decides


def test_with_nothing_to_correct_the_verdict_is_that_nothing_was_tried() -> None:
    found = attribute(experiment(SHOP, shop, proposer=corrections({}), judge=exact), screen)
    assert (found.verdict, found.trials) == ("nothing tried", ())
    assert "found nothing to correct" in found.sentence


def test_what_was_tried_in_vain_is_named() -> None:
    proposer = corrections({0: "There are 17 boxes of 12 jars, 9 of which broke."})
    found = attribute(experiment(SHOP, shop, proposer=proposer, judge=exact), screen)
    assert found.verdict == "no flip"
    assert "step 0" in found.sentence


def test_a_sham_of_a_run_that_failed_asks_nothing() -> None:
    asked: list[Call] = []

    def play(call: Call) -> str:
        asked.append(call)
        return shop(call)

    with pytest.raises(NotASuccess, match="sham"):
        attribute(experiment(SHOP, play, proposer=Eager(listens=True), judge=exact, sham=True), screen)
    assert asked == []


SIDE = acted(
    ["weigh them", "an aside", "no, 3", "bad"], [[], [], [0], [2]], ["Lead", "Clerk", "Scale", "Writer"]
)  # fmt: skip
"""The Clerk is heard by nobody, and the Scale is at fault."""


def side(call: Call) -> str:
    heard = "\n".join(message.text for message in call.messages)
    return f"{'good' if '4' in heard else 'bad'} {call.params.get('seed')}"


def controls_of(found: Verdict) -> dict[str, bool | None]:
    return {control.kind: control.passed for control in found.controls}


def test_a_control_whose_draws_all_fail_was_not_run() -> None:
    class Rewords:
        def __call__(self, trace: Trace, step: int) -> Iterable[Intervention]:
            return corrections({2: "yes, 4"})(trace, step)

        def reword(self, trace: Trace, step: int, text: str, n: int) -> str | None:
            return f"{text}, as I said"

    def play(call: Call) -> str:
        if any("as I said" in message.text for message in call.messages):
            raise ProviderError("the server answered 500")
        return side(call)

    found = attribute(experiment(SIDE, play, proposer=Rewords()), screen)
    assert (found.verdict, found.step) == ("blamed", 2)
    (placebo,) = [control for control in found.controls if control.kind == "placebo"]
    assert placebo.passed is None
    assert placebo.arm is None or placebo.arm.draws == 0
    assert placebo.detail.startswith("not run: the server answered 500")


def test_the_same_correction_elsewhere_stands_where_it_cannot_matter() -> None:
    """Never at an ancestor, where a fact put earlier always repairs, nor at a descendant."""
    found = attribute(experiment(SIDE, side, proposer=corrections({2: "yes, 4"})), screen)
    (elsewhere,) = [control for control in found.controls if control.kind == "elsewhere"]
    assert (elsewhere.step, elsewhere.passed) == (1, True)
    assert found.verdict == "blamed"


def test_where_every_step_is_related_there_is_no_elsewhere() -> None:
    chain = acted(["weigh them", "no, 3", "bad"], [[], [0], [1]])
    found = attribute(experiment(chain, side, proposer=corrections({1: "yes, 4"})), screen)
    (elsewhere,) = [control for control in found.controls if control.kind == "elsewhere"]
    assert (elsewhere.passed, elsewhere.arm) == (None, None)
    assert "every other step" in elsewhere.detail
    assert controls_of(found)["placebo"] is None  # nobody can reword
    assert found.verdict == "blamed"


def test_controls_use_no_more_draws_than_the_verdict() -> None:
    found = attribute(experiment(SIDE, side, proposer=corrections({2: "yes, 4"})), screen)
    (blamed,) = [trial for trial in found.trials if trial.steps == (2,) and trial.finding == "flips"]
    arms = [control.arm for control in found.controls if control.arm is not None]
    assert arms
    assert all(arm.draws <= blamed.treated.draws for arm in arms)


def test_a_verdict_is_confirmed_under_other_players() -> None:
    """One that cannot use the correction, and one that can; the recorded steps before it are asked of nobody."""
    asked: list[Call] = []

    def play(call: Call) -> str:
        asked.append(call)
        return side(call)

    def dull(call: Call) -> str:
        asked.append(call)
        return f"bad {chance(call.params.get('seed'))}"

    players = {"keen": live_side(play), "dull": live_side(dull)}
    tried = experiment(SIDE, side, proposer=corrections({2: "yes, 4"}), players=players)
    found = attribute(tried, screen, controls=False)
    assert found.verdict == "blamed"
    assert dict(found.players) == {"keen": "blamed", "dull": "no flip"}
    assert {call.step for call in asked} == {3}
