"""A generated causal model played as a whole run, so that the product's own search audits it."""

import random
import re
from collections.abc import Mapping

from butfor.cache.call import Call
from butfor.cache.provider import Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import Search, exhaustive
from butfor.counterfactual.verdict import Verdict, attribute
from butfor.replay.cast import Cast
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Agent, Outcome, Read, Source, Step, Trace

from .generated import CausalModel

_SAID = re.compile(r"step (\d+) is (good|bad)")


def played_trace(model: CausalModel) -> Trace:
    """The recorded run of a model: one agent a step, each saying whether its work is good."""
    steps = tuple(
        Step(
            index=step,
            agent=f"agent {step}",
            output=_says(step, model.recorded[step]),
            reads=tuple(Read(i, "broadcast") for i in read),
        )
        for step, read in enumerate(model.inputs)
    )
    return Trace(
        task="Do good work.",
        agents=tuple(Agent(name=step.agent) for step in steps),
        steps=steps,
        fidelity="transcript",
        source=Source(format="generated"),
    )


def play(model: CausalModel, call: Call) -> str:
    """What an agent says when it is asked again: good or bad, by the model's chances and the call's seed."""
    step = call.step
    if step is None:
        raise ValueError("a generated agent answers only for a step of its run")
    read = {int(i): word == "good" for message in call.messages for i, word in _SAID.findall(message.text)}
    chance = random.Random(f"{call.params.get('seed')}/{step}").random()
    fed = model.fed(step, [read[i] for i in model.inputs[step]])
    return f"{_says(step, chance < model.chance_of_good(step, fed))}, note {call.params.get('seed')}"


def audited(model: CausalModel, *, search: Search = exhaustive, rewords: bool = False) -> tuple[Verdict, int]:
    """The product's audit, with a corrector that mends what erred on its own, and how many calls all of it took.

    With `rewords`, the corrector puts every other step in other words, in place of finding nothing to correct.
    """
    asked = [0]

    def counted(call: Call) -> str:
        asked[0] += 1
        return play(model, call)

    provider, store = Scripted(counted), MemoryStore()

    def judge(run: Trace) -> Outcome:
        return Outcome(success=_says(len(model.inputs) - 1, True) in run.steps[-1].output)

    def propose(run: Trace, step: int) -> tuple[Intervention, ...]:
        asked[0] += 1
        said, worded = run.steps[step].output, f"That is, {run.steps[step].output}"
        fed = model.fed(step, [_good(run.steps[i].output) for i in model.inputs[step]])
        erred = not _good(said) and (step in model.planted or fed)
        mended = _says(step, True) if erred else worded if rewords else None
        return () if mended is None else (Intervention(kind="correct", step=step, output=mended),)

    def live(sample: int, models: Mapping[str, str]) -> Provider:
        return Cast(Cached(provider, store, sample=sample), default="generated:team", models=models)

    experiment = Experiment(
        played_trace(model), executor=Simulator(), judge=judge, live=live, proposer=propose, rule=Rule()
    )
    return attribute(experiment, search, controls=False), asked[0]


def pairs_found(audits: int, *, either: bool, seed: int) -> float:
    """The share of planted pairs that come back as the right set with the right roles.

    With `either`, mending one of the two is enough and both are `sufficient`; else both are needed `only together`.
    """
    chance, right = random.Random(f"{seed}/{either}"), 0
    for _ in range(audits):
        model = _pair(chance, either=either)
        role = "sufficient" if either else "only together"
        right += audited(model)[0].roles == dict.fromkeys(model.planted, role)
    return right / audits


def _pair(chance: random.Random, *, either: bool) -> CausalModel:
    """Two branches from one start, as long as chance wills, a planted step in each, and a step that joins them."""
    first, second = chance.randint(1, 3), chance.randint(1, 3)
    inputs: list[tuple[int, ...]] = [()]
    ends = []
    for length in (first, second):
        inputs.append((0,))
        for _ in range(length - 1):
            inputs.append((len(inputs) - 1,))
        ends.append(len(inputs) - 1)
    inputs.append(tuple(ends))
    planted = (chance.randint(1, ends[0]), chance.randint(ends[0] + 1, ends[1]))
    recovery = chance.choice((0.0, 0.05))
    return CausalModel(tuple(inputs), planted, recovery, noise=0.01, noticing=0.0, either=either)


def _good(said: str) -> bool:
    return any(word == "good" for _, word in _SAID.findall(said))


def _says(step: int, good: bool) -> str:
    return f"step {step} is {'good' if good else 'bad'}"
