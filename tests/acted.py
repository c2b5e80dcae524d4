"""Small teams that are played by a function, and audited: for tests of verdicts."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from butfor.cache.call import Call
from butfor.cache.provider import Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment, Live
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.replay.cast import Cast
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Agent, Outcome, Read, Source, Step, Trace

Play = Callable[[Call], str]


def chance(*parts: object) -> float:
    """A number in [0, 1) that the parts pick, always the same."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:12], 16) / 16**12


def acted(outputs: Sequence[str], reads: Sequence[Sequence[int]], agents: Sequence[str] = (), **more: Any) -> Trace:
    """A run of these messages; each step reads the earlier ones that are named."""
    names = agents or [f"agent {n}" for n in range(len(outputs))]
    steps = tuple(
        Step(index=n, agent=names[n], output=said, reads=tuple(Read(i, "broadcast") for i in reads[n]))
        for n, said in enumerate(outputs)
    )
    fields: dict[str, Any] = {
        "task": "Do good work.",
        "agents": tuple(Agent(name=name) for name in dict.fromkeys(names)),
        "steps": steps,
        "fidelity": "transcript",
        "source": Source(format="test", name="run"),
    }
    return Trace(**(fields | more))


def corrections(fixed: Mapping[int, str]) -> Callable[[Trace, int], Iterable[Intervention]]:
    """A corrector that knows these."""

    def propose(trace: Trace, step: int) -> tuple[Intervention, ...]:
        text = fixed.get(step)
        if text is None or trace.steps[step].output == text:
            return ()
        return (Intervention(kind="correct", step=step, output=text),)

    return propose


def ends_good(trace: Trace) -> Outcome:
    """Success where the last message says so."""
    said = trace.steps[-1].output
    return Outcome(success=said.startswith("good"), answer=said)


def live_side(play: Play) -> Live:
    """Live answers by a function, stored per sample."""
    store, provider = MemoryStore(), Scripted(play)

    def live(sample: int, models: Mapping[str, str]) -> Provider:
        return Cast(Cached(provider, store, sample=sample), default="x:y", models=models)

    return live


def experiment(trace: Trace, play: Play, *, proposer: Any, judge: Any = ends_good, **more: Any) -> Experiment:
    """An experiment with the simulator, whose live answers are stored per sample."""
    fields: dict[str, Any] = {"executor": Simulator(), "live": live_side(play), "rule": Rule()}
    return Experiment(trace, judge=judge, proposer=proposer, **(fields | more))
