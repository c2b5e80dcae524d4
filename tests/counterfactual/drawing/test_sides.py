"""The control arm is as free as the treated one: what code makes of an answer leaves no read edge."""

from collections.abc import Iterable

from acted import acted, chance, experiment

from butfor.cache.call import Call, Message, answer
from butfor.cache.provider import Provider
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.search import screen
from butfor.counterfactual.verdict import attribute
from butfor.replay.replayed import Recorded, Recording
from butfor.replay.trace import Step, Trace


def question(agent: str, text: str) -> Call:
    return Call(model="m", messages=(Message(role="user", content=text),), agent=agent)


class Counting:
    """A program: Ann counts, code reads the figure out of what she says, and Bob is asked to double it."""

    def recording(self, trace: Trace) -> Recording:
        return Recording([Recorded(s.index, s.call, answer(s.output)) for s in trace.steps if s.call])

    def run(self, trace: Trace, provider: Provider) -> Trace:
        first = question("Ann", "How many apples?")
        counted = provider.complete(first)
        second = question("Bob", f"Double {counted.text.split()[0]}.")
        doubled = provider.complete(second)
        return trace.model_copy(
            update={
                "steps": (
                    Step(index=0, agent="Ann", output=counted.text, call=first, origin=counted.origin),
                    Step(index=1, agent="Bob", output=doubled.text, call=second, origin=doubled.origin),
                )
            }
        )


def bob(call: Call) -> str:
    """Right half of the time, whatever he is asked."""
    return f"{'good' if chance(call.params.get('seed')) < 0.5 else 'bad'} {call.params.get('seed')}"


def test_the_control_arm_draws_again_what_the_treated_arm_asked_anew() -> None:
    plain = acted(["4 apples", "bad"], [[], []], ["Ann", "Bob"])
    calls = (question("Ann", "How many apples?"), question("Bob", "Double 4."))
    steps = tuple(s.model_copy(update={"call": call}) for s, call in zip(plain.steps, calls, strict=True))
    trace = plain.model_copy(update={"steps": steps})

    def propose(run: Trace, step: int) -> Iterable[Intervention]:
        return [Intervention(kind="correct", step=0, output="5 apples")] if step == 0 else []

    found = attribute(experiment(trace, bob, proposer=propose, executor=Counting()), screen, controls=False)
    (trial,) = found.trials
    assert trial.finding != "flips"
    assert found.step is None
    assert 0.2 < trial.control.successes / trial.control.draws < 0.8
    assert all(draw.calls == 1 for draw in trial.control.runs)
