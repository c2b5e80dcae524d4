"""A team whose agents answer one question each, and whose truth can be looked up: `Team`, and what is said in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Shots = Sequence[tuple[str, str]]
"""Questions and answers that an agent is shown before its own question."""


class Place(NamedTuple):
    """Whose answer it is: the agent, and how often it had answered before."""

    agent: str
    turn: int = 0


class Said(str):
    """An answer, which knows whose it is."""

    place: Place

    def __new__(cls, text: str, place: Place) -> "Said":
        """An answer of somebody."""
        found = super().__new__(cls, text)
        found.place = place
        return found


class Ask(Protocol):
    """How a team asks its agents."""

    def __call__(self, agent: str, question: str, *read: str) -> Said:
        """The answer of an agent; `read` are the answers that the question is made of."""
        ...


@dataclass(frozen=True)
class Team:
    """How a team works, and what would have been right."""

    name: str
    tasks: tuple[str, ...]
    play: Callable[[str, Ask], str]
    """One run: the final answer. It may branch on what it hears."""
    truth: Callable[[str, str], str]
    """The right answer of an agent to a question: what it can know, not what the final answer needs."""
    shots: Mapping[str, Shots]
    choices: Mapping[str, Sequence[str]]
    """The answers that an agent can give."""
    questions: Callable[[Mapping[str, Sequence[str]]], "Sequence[tuple[str, str]]"]
    """Every question that a run can reach, given the answers that are tabulated so far."""

    def expected(self, task: str) -> str:
        """The final answer of a run without a mistake."""
        turns: dict[str, int] = {}

        def ask(agent: str, question: str, *read: str) -> Said:
            del read
            turns[agent] = turns.get(agent, -1) + 1
            return Said(self.truth(agent, question), Place(agent, turns[agent]))

        return self.play(task, ask)


class Step(NamedTuple):
    """One answer of a run."""

    place: Place
    question: str
    answer: str
    reads: tuple[Place, ...]


class Played(NamedTuple):
    """A run of a team."""

    task: str
    steps: tuple[Step, ...]
    answer: str


def played(team: Team, task: str, answer: Callable[[Place, str], str]) -> Played:
    """A run in which somebody answers each question."""
    steps: list[Step] = []
    turns: dict[str, int] = {}

    def ask(agent: str, question: str, *read: str) -> Said:
        turns[agent] = turns.get(agent, -1) + 1
        place = Place(agent, turns[agent])
        reads = tuple(dict.fromkeys(said.place for said in read if isinstance(said, Said)))
        steps.append(Step(place, question, answer(place, question), reads))
        return Said(steps[-1].answer, place)

    final = team.play(task, ask)
    return Played(task, tuple(steps), final)
