"""Audits of natural failures, held against the exact truth: `audited` and `scored`."""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from butfor.cache.call import Call, Message, answer
from butfor.cache.provider import Cached, Provider
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import SEARCHES
from butfor.counterfactual.verdict import Verdict, attribute
from butfor.replay.replayed import Recorded, Recording
from butfor.replay.trace import Agent, Outcome, Read, Source, Step, Trace

from .exact import DECISIVE, Truth
from .table import Table
from .team import Place, Played, Team, played

Variant = Literal["linked", "unlinked", "seed ignored", "greedy", "silent corrector"]
"""What an audit knows and is given: who read whom, nothing of that, one answer however often it asks, answers at
temperature 0, or a corrector that passes over a fifth of the wrong steps."""

Word = Literal[
    "right step", "right set", "right: nothing decides", "a later step", "an innocent step",
    "set with more than needed", "wrong set", "no flip, misses a sure step or set", "no flip, misses another",
    "undetermined",
]  # fmt: skip
"""How a verdict stands to the truth."""

RIGHT: tuple[Word, ...] = ("right step", "right set", "right: nothing decides")
SURE = 0.6
"""The effect from which a step or a set must not be missed."""


class Scored(NamedTuple):
    """One audit beside the truth."""

    word: Word
    calls: int
    covered: bool | None
    """Whether the printed interval holds the exact effect; `None` where no single step is blamed."""
    has_sets: bool
    """Whether only a set decides."""


def audited(
    team: Team, table: Table, run: Played, *, variant: Variant = "linked", search: str | None = None, repeats: int = 30
) -> tuple[Verdict, int]:
    """The verdict on a failure, and how often the model was asked for it."""
    asked = [0]

    def draw(call: Call) -> str:
        asked[0] += 1
        question = f"{call.agent}|{call.messages[-1].text}"
        answers = table.get(question, ("unknown",))
        seed = 0 if variant in ("seed ignored", "greedy") else call.params.get("seed")
        digest = hashlib.sha256(f"{seed}|{question}".encode()).digest()
        return answers[int.from_bytes(digest[:8], "big") % len(answers)]

    def judge(trace: Trace) -> Outcome:
        final = trace.steps[-1].output if team.name != "ledger" else _entries(trace)
        return Outcome(success=final == trace.expected, answer=final)

    def propose(trace: Trace, step: int) -> Iterable[Intervention]:
        said = trace.steps[step]
        try:
            right = team.truth(said.agent, said.call.messages[-1].text if said.call else "")
        except (KeyError, ValueError):
            return ()
        silent = variant == "silent corrector" and _passed_over(run.task, said.agent, said.output)
        return () if right == said.output or silent else (Intervention(kind="correct", step=step, output=right),)

    provider, store = Scripted(draw), MemoryStore()
    plays = Plays(team, linked=variant != "unlinked")
    experiment = Experiment(
        plays.trace(run),
        executor=plays,
        judge=judge,
        live=lambda sample, models: Cached(provider, store, sample=sample),
        proposer=propose,
        rule=Rule(repeats=repeats),
    )
    return attribute(experiment, SEARCHES[search or next(iter(SEARCHES))], controls=False), asked[0]


def scored(found: Verdict, calls: int, exact: Truth) -> Scored:
    """How a verdict stands to the truth."""
    covered = None
    if found.verdict == "blamed" and found.step is not None and found.interval is not None:
        low, high = found.interval
        covered = low - 1e-9 <= exact.effects.get(found.step, 0.0) <= high + 1e-9
    return Scored(_word(found, exact), calls, covered, bool(exact.sets))


def _word(found: Verdict, exact: Truth) -> Word:
    decisive = exact.decisive
    if found.verdict == "blamed":
        if found.step == (decisive[0] if decisive else None):
            return "right step"
        return "a later step" if found.step in decisive else "an innocent step"
    if found.verdict == "set":
        members = frozenset(found.members)
        if not decisive and members in exact.sets:
            return "right set"
        more = any(members > known for known in exact.sets) or bool(members & set(decisive))
        return "set with more than needed" if more else "wrong set"
    if found.verdict in ("no flip", "nothing tried"):
        best = max((*exact.effects.values(), *exact.sets.values()), default=0.0)
        if best <= DECISIVE:
            return "right: nothing decides"
        return "no flip, misses a sure step or set" if best >= SURE else "no flip, misses another"
    return "undetermined"


class Plays:
    """The executor that lets a team work against a provider."""

    def __init__(self, team: Team, *, linked: bool) -> None:
        self._team = team
        self._linked = linked

    def recording(self, trace: Trace) -> Recording:
        """The calls of the recorded run."""
        calls = [(s.index, s.call, answer(s.output, origin="recorded")) for s in trace.steps if s.call]
        return Recording([Recorded(*entry) for entry in calls])

    def run(self, trace: Trace, provider: Provider) -> Trace:
        """The team at work again."""
        turns: dict[str, int] = {}
        at: dict[Place, int] = {}
        for step in trace.steps:
            turns[step.agent] = turns.get(step.agent, -1) + 1
            at[Place(step.agent, turns[step.agent])] = step.index

        def ask(place: Place, question: str) -> str:
            return provider.complete(asked_of(place.agent, question, at.get(place))).text

        said: list[tuple[Place, str, str]] = []

        def kept(place: Place, question: str) -> str:
            said.append((place, question, ask(place, question)))
            return said[-1][2]

        try:
            return self.trace(played(self._team, trace.task, kept))
        except (KeyError, ValueError) as error:  # a fare for what is no continent: the program would end here
            return self.trace(_broken(trace.task, said, str(error)))

    def trace(self, run: Played) -> Trace:
        """A run of the team as a trace."""
        index = {step.place: i for i, step in enumerate(run.steps)}
        agents = dict.fromkeys(step.place.agent for step in run.steps)
        return Trace(
            task=run.task,
            expected=self._team.expected(run.task),
            agents=tuple(Agent(name=agent, system_prompt=f"You are the {agent}.") for agent in agents),
            steps=tuple(
                Step(
                    index=i,
                    agent=step.place.agent,
                    output=step.answer,
                    call=asked_of(step.place.agent, step.question, None),
                    audience=(),
                    reads=tuple(Read(index[p], "verbatim") for p in step.reads) if self._linked else (),
                )
                for i, step in enumerate(run.steps)
            ),
            fidelity="messages",
            source=Source(format="natural", name=run.task),
        )


def asked_of(agent: str, question: str, step: int | None) -> Call:
    """The call of an agent."""
    messages = (Message(role="system", content=f"You are the {agent}."), Message(role="user", content=question))
    return Call(model="frozen:smollm2", messages=messages, params={"temperature": 0.9}, agent=agent, step=step)


def _broken(task: str, said: list[tuple[Place, str, str]], why: str) -> Played:
    from .team import Step as Said

    steps = [Said(place, question, text, ()) for place, question, text in said]
    return Played(task, (*steps, Said(Place("Program"), why, why, ())), why)


def _entries(trace: Trace) -> str:
    return ", ".join(step.output for step in trace.steps if step.agent == "Scribe")


def _passed_over(*parts: str) -> bool:
    """A fifth of the cases, the same ones every time."""
    return hashlib.sha256("|".join(parts).encode()).digest()[0] % 5 == 0
