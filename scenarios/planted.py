"""Planted faults in a relay of four agents, audited as a user would: `python -m butfor.scenarios.planted`.

A step is good or bad and says so with a word that its seed picks, so that repeats are draws. The planted step was bad
in the recording; asked again it is bad once more (stubborn) or good (transient). Every table row is one kind of
failure, with its seed.
"""

import random
import re
import statistics
import sys
from collections.abc import Mapping
from typing import NamedTuple

from butfor.cache.call import Call
from butfor.cache.provider import Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import SEARCHES
from butfor.counterfactual.verdict import attribute
from butfor.replay.cast import Cast
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Agent, Outcome, Read, Source, Step, Trace

SEED = 20_261_125
_TEAM = ("Planner", "Worker", "Checker", "Writer")
_SAID = re.compile(r"step (\d+) is (good|bad)")


class Kind(NamedTuple):
    """A kind of failure."""

    length: int
    noise: float = 0.0
    """The chance that an innocent step spoils what was good."""
    recovery: float = 0.0
    """The chance that the last step repairs what was bad."""
    stubborn: bool = True
    guilty: bool = True
    rewords: bool = False
    """Whether the corrector rewords innocent steps, too, in place of being silent."""
    deterministic: bool = False


class Result(NamedTuple):
    """One audit."""

    verdict: str
    right: bool
    wrong: bool
    calls: int


def audited(kind: Kind, seed: str, *, search: str = "screen") -> Result:
    """One failure of a kind, audited; the same seed gives the same failure and the same draws."""
    chance = random.Random(seed)
    planted = chance.randrange(kind.length - 1) if kind.guilty else kind.length - 1
    trace, store, asked = _trace(kind, planted), MemoryStore(), [0]

    def play(call: Call) -> str:
        step = call.step or 0
        asked[0] += 1
        draw = random.Random(f"{seed}/{0 if kind.deterministic else call.params.get('seed')}/{step}")
        said = [word == "good" for m in call.messages for n, word in _SAID.findall(m.text) if int(n) == step - 1]
        good = (said[-1] if said else True) and not (step == planted and kind.stubborn and kind.guilty)
        if not kind.guilty and step == kind.length - 1:
            good = draw.random() < kind.recovery
        elif good:
            good = draw.random() >= kind.noise
        elif step == kind.length - 1:
            good = draw.random() < kind.recovery
        return _says(step, good, draw.randrange(10_000))

    def propose(run: Trace, step: int) -> tuple[Intervention, ...]:
        asked[0] += 1
        if step == planted and kind.guilty:
            return (Intervention(kind="correct", step=step, output=_says(step, True, 1)),)
        said = run.steps[step].output
        silent = not kind.rewords or (not kind.guilty and step == planted)
        return () if silent else (Intervention(kind="correct", step=step, output=f"That is, {said}"),)

    def live(sample: int, models: Mapping[str, str]) -> Provider:
        return Cast(Cached(Scripted(play), store, sample=sample), default="planted:team", models=models)

    experiment = Experiment(
        trace,
        executor=Simulator(),
        judge=lambda run: Outcome(success="is good" in run.steps[-1].output, answer=run.steps[-1].output),
        live=live,
        proposer=propose,
        rule=Rule(deterministic=kind.deterministic),
    )
    found = attribute(experiment, SEARCHES[search], controls=False)
    right = found.step == planted if kind.guilty else found.verdict in ("no flip", "nothing tried")
    wrong = found.verdict in ("blamed", "set") and not right
    return Result(found.verdict, right, wrong, asked[0])


def _trace(kind: Kind, planted: int) -> Trace:
    steps = tuple(
        Step(
            index=n,
            agent=_TEAM[n % len(_TEAM)],
            output=_says(n, n < planted, 0),
            reads=(Read(n - 1, "broadcast"),) if n else (),
        )
        for n in range(kind.length)
    )
    return Trace(
        task="Do good work.",
        agents=tuple(Agent(name=name) for name in _TEAM[: kind.length]),
        steps=steps,
        fidelity="transcript",
        source=Source(format="planted"),
    )


def _says(step: int, good: bool, word: int) -> str:
    return f"step {step} is {'good' if good else 'bad'}, note {word}"


def row(kind: Kind, failures: int) -> str:
    """One line: how often the verdict is right and wrong, and what it costs."""
    found = [audited(kind, f"{SEED}/{kind}/{n}") for n in range(failures)]
    right, wrong = (sum(getattr(r, name) for r in found) / failures for name in ("right", "wrong"))
    calls = [r.calls for r in found]
    return (
        f"N {kind.length:2}  noise {kind.noise:.3f}  recovery {kind.recovery:.1f}  "
        f"{'stubborn ' if kind.stubborn else 'transient'}  {'guilty' if kind.guilty else 'nobody'}  "
        f"{'rewords' if kind.rewords else 'silent '}  {'one draw' if kind.deterministic else '        '}  "
        f"right {right:4.0%}  wrong {wrong:4.0%}  calls mean {statistics.mean(calls):5.1f} median "
        f"{statistics.median(calls):g}"
    )


FLOORS = {6: 29, 20: 116}
"""Calls that no audit of a clean fault at five per cent can do without: a sum of bounds, not a bound of the sum."""

_PEERS = (
    "peers on such a program: timefork right 100 % at 12 calls (clean), wrong 35 % (recovery .3), blames 44 % where "
    "nobody is guilty; causal-agent-replay right 100 % at 336 calls, wrong 64 %, blames 100 %"
)


def main() -> None:
    """Print every row; an argument gives the failures a row (50)."""
    failures = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"seed {SEED}, {failures} failures a row, {4 * failures} where nobody is guilty")
    print("floor of a clean fault: " + ", ".join(f"N {n}: {calls} calls" for n, calls in FLOORS.items()))
    print(_PEERS)
    for length in (6, 20):
        for rewords in (False, True):
            for noise, recovery in ((0.0, 0.0), (0.0, 0.3), (0.1 / length, 0.0), (0.1 / length, 0.3)):
                for stubborn in (True, False):
                    print(row(Kind(length, noise, recovery, stubborn, rewords=rewords), failures), flush=True)
        print(row(Kind(length, guilty=False, recovery=0.3, rewords=True), 4 * failures), flush=True)
        print(row(Kind(length, deterministic=True), failures), flush=True)


if __name__ == "__main__":
    main()
