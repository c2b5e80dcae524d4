"""A judge that errs convicts hardly anybody: one judgement is one draw, and a blamed arm is judged again."""

import re
from collections.abc import Callable

import pytest
from acted import acted, chance, corrections, experiment

from butfor.cache.call import Call
from butfor.counterfactual.search import screen
from butfor.counterfactual.verdict import attribute
from butfor.replay.trace import Outcome, Trace

STEPS = 6
RELAY = acted(
    [f"message {n} tag0" for n in range(STEPS - 1)] + ["answer tag0"], [[n - 1] if n else [] for n in range(STEPS)]
)
EVERYBODY = corrections({n: f"message {n} tag{n + 1}" for n in range(STEPS - 1)})


def team(*, words: bool) -> Callable[[Call], str]:
    """Passes a tag on; where it has `words`, says something new about it in every repeat. All it ends with is wrong."""

    def play(call: Call) -> str:
        heard = " ".join(message.text for message in call.messages)
        tag = max(re.findall(r"tag(\d)", heard), default="0")
        last = call.step == STEPS - 1
        note = f" note {call.params.get('seed')}" if words and not last else ""
        return f"answer tag{tag}" if last else f"message {call.step} tag{tag}{note}"

    return play


class Erring:
    """A judge that takes one wrong answer in twenty for right; asked again, it errs anew."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.asked = 0

    def __call__(self, trace: Trace) -> Outcome:
        return self._said(trace, 0)

    def again(self, trace: Trace, nth: int) -> Outcome:
        self.asked += 1
        return self._said(trace, nth)

    def _said(self, trace: Trace, nth: int) -> Outcome:
        answer = trace.steps[-1].output
        wrong = answer != "answer tag0" and chance(self.world, answer, nth) < 0.05
        return Outcome(success=wrong, answer=answer)


class Guessing:
    """A judge that is a function, and takes one wrong answer in twenty for right whenever it is asked."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.asked: dict[str, int] = {}

    def __call__(self, trace: Trace) -> Outcome:
        answer = trace.steps[-1].output
        nth = self.asked[answer] = self.asked.get(answer, -1) + 1
        return Outcome(success=answer != "answer tag0" and chance(self.world, answer, nth) < 0.05, answer=answer)


@pytest.mark.parametrize("judge", [Erring, Guessing])
def test_a_judge_that_errs_on_one_answer_in_twenty_convicts_hardly_anybody(judge: Callable[[int], Erring]) -> None:
    found = [
        attribute(experiment(RELAY, team(words=True), proposer=EVERYBODY, judge=judge(n)), screen, controls=False)
        for n in range(20)
    ]
    assert sum(verdict.verdict in ("blamed", "set") for verdict in found) <= 1


def test_one_remembered_word_about_one_answer_is_one_draw() -> None:
    """The team repeats itself, and the judge, a function, gives its word once for every answer."""

    def judge(world: int) -> Callable[[Trace], Outcome]:
        return lambda trace: Outcome(
            success=trace.steps[-1].output != "answer tag0" and chance(world, trace.steps[-1].output) < 0.1,
            answer=trace.steps[-1].output,
        )

    found = [
        attribute(experiment(RELAY, team(words=False), proposer=EVERYBODY, judge=judge(n)), screen, controls=False)
        for n in range(20)
    ]
    assert sum(verdict.verdict in ("blamed", "set") for verdict in found) <= 1


def test_what_the_judge_said_again_is_kept_with_every_draw() -> None:
    """A judge that is wrong once, and right when it is asked again, takes its word back."""

    class Once(Erring):
        def _said(self, trace: Trace, nth: int) -> Outcome:
            answer = trace.steps[-1].output
            return Outcome(success=answer == "answer tag3" and nth == 0, answer=answer)

    judge = Once(0)
    tried = experiment(RELAY, team(words=True), proposer=EVERYBODY, judge=judge)
    trial = tried.trial(*tried.propose(2))
    assert judge.asked > 0
    assert trial.finding != "flips"
    assert {draw.judgements for draw in trial.treated.runs} == {(False, False, False)}
    assert not any(draw.success for draw in trial.treated.runs)


def test_a_judge_that_is_right_is_believed() -> None:
    def judge(trace: Trace) -> Outcome:
        return Outcome(success=trace.steps[-1].output == "answer tag3", answer=trace.steps[-1].output)

    tried = experiment(RELAY, team(words=True), proposer=corrections({0: "tag1", 1: "tag2", 2: "tag3"}), judge=judge)
    found = attribute(tried, screen, controls=False)
    assert (found.verdict, found.step) == ("blamed", 2)
