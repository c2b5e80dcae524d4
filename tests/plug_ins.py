"""A small plug-in of each of the nine kinds, as somebody outside of butfor would write it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from butfor import Agent, Call, Completion, Intervention, Outcome, Step, Suspicion, Trace, Trial, Verdict
from butfor.cache.provider import Provider
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment
from butfor.replay.replayed import Recording
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Source


class Notes:
    """importer: lines of `AGENT> text` after a line that says what format this is."""

    def sniff(self, head: str) -> bool:
        return head.startswith("#notes\n")

    def load(self, text: str, *, name: str) -> Trace:
        said = [line.partition("> ") for line in text.splitlines()[1:]]
        agents = tuple(Agent(name=agent) for agent in dict.fromkeys(agent for agent, _, _ in said))
        steps = tuple(Step(index=i, agent=agent, output=output) for i, (agent, _, output) in enumerate(said))
        return Trace(
            task="", agents=agents, steps=steps, fidelity="transcript", source=Source(format="notes", name=name)
        )


class Shelf:
    """store: a dictionary with a name."""

    def __init__(self, name: str = "shelf") -> None:
        self.name = name
        self._kept = MemoryStore()

    def get(self, key: str) -> Completion | None:
        return self._kept.get(key)

    def add(self, key: str, call: Call, completion: Completion) -> Completion:
        return self._kept.add(key, call, completion)

    def flight(self, key: str) -> AbstractContextManager[object]:
        return self._kept.flight(key)

    def calls(self) -> Iterator[Call]:
        return self._kept.calls()

    def likes(self, call: Call) -> Iterable[Call]:
        return self._kept.likes(call)

    def item(self, key: str) -> tuple[Call, Completion]:
        return self._kept.item(key)


class Team:
    """provider: one that answers for a scripted scenario, and counts."""

    def __init__(self, scenario: str) -> None:
        from butfor.scenarios.scenario import scenarios

        self.name = f"team:{scenario}"
        self.asked = 0
        self._team = scenarios()[scenario].provider()

    def complete(self, call: Call) -> Completion:
        self.asked += 1
        return self._team.complete(call)


class Counting(Simulator):
    """executor: the simulator, which counts its runs."""

    runs = 0

    def recording(self, trace: Trace) -> Recording:
        return super().recording(trace)

    def run(self, trace: Trace, provider: Provider) -> Trace:
        type(self).runs += 1
        return super().run(trace, provider)


def propose(trace: Trace, step: int) -> Iterable[Intervention]:
    """proposer: knows the one thing that was wrong in the scenario `parallel`."""
    if "Middle kept 95" in trace.steps[step].output:
        yield Intervention(kind="correct", step=step, output="Middle kept 75 jackets.")


def longest(trace: Trace) -> Sequence[Suspicion]:
    """ranker: whoever talks most."""
    ordered = sorted(trace.steps, key=lambda step: -len(step.output))
    return [Suspicion(step=s.index, agent=s.agent, suspicion=0.5, reason="it is long") for s in ordered]


def euros(trace: Trace) -> Outcome:
    """judge: the answer holds the right number."""
    return Outcome(success="1806" in trace.steps[-1].output, answer=trace.steps[-1].output)


def fewest(digits: str):  # type: ignore[no-untyped-def]
    """judge with an argument: the answer has so many digits."""
    return lambda trace: sum(c.isdigit() for c in trace.steps[-1].output) == int(digits)


def backwards(experiment: Experiment) -> None:
    """search: from the last step to the first."""
    for step in reversed(experiment.candidates):
        for intervention in experiment.propose(step):
            found: Trial = experiment.trial(intervention, candidates=len(experiment.candidates))
            if found.finding == "flips":
                return


def one_line(verdict: Verdict, trace: Trace) -> str:
    """renderer: the sentence alone."""
    return f"{trace.source.name}: {verdict.sentence}\n"


notes = Notes()
shelf = Shelf()
team = Team("parallel")
counting = Counting()
