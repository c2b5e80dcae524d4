"""What correcting a step of a run is worth, exactly: every way in which the run can go on, weighted by the table."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .table import Table
from .team import Place, Played, Said, Team, played

DECISIVE = 0.1
"""The effect above which a step, or a set of steps, decides."""
_LARGEST_SET = 3
_MOST_SETS = 400


class Arms(NamedTuple):
    """P(success) with some steps corrected, and as they were recorded; both draw again what the steps reach."""

    corrected: float
    recorded: float

    @property
    def effect(self) -> float:
        """The difference, in [-1, 1]."""
        return self.corrected - self.recorded


class Truth(NamedTuple):
    """What is to blame for a failure."""

    effects: Mapping[int, float]
    """The effect of each step that is wrong for its question, by its index."""
    sets: Mapping[frozenset[int], float]
    """Where no single step decides: the smallest sets that do, with their effects."""

    @property
    def decisive(self) -> tuple[int, ...]:
        """The steps that decide on their own, in order."""
        return tuple(sorted(step for step, effect in self.effects.items() if effect > DECISIVE))


def failures(team: Team, table: Table, runs: int, seed: int) -> Iterator[Played]:
    """The failing ones of so many runs, each answer drawn from the table."""
    chance = random.Random(seed)
    for task in itertools.islice(itertools.cycle(team.tasks), runs):
        run = played(team, task, lambda place, question: chance.choice(table[f"{place.agent}|{question}"]))
        if run.answer != team.expected(task):
            yield run


def truth(team: Team, table: Table, run: Played) -> Truth:
    """The steps and the sets that decide a failure."""
    wrong = [i for i, step in enumerate(run.steps) if step.answer != team.truth(step.place.agent, step.question)]
    effects = {i: arms(team, table, run, (i,)).effect for i in wrong}
    if any(effect > DECISIVE for effect in effects.values()):
        return Truth(effects, {})
    for size in range(2, min(len(wrong), _LARGEST_SET) + 1):
        combined = itertools.islice(itertools.combinations(wrong, size), _MOST_SETS)
        found = {frozenset(c): e for c in combined if (e := arms(team, table, run, c).effect) > DECISIVE}
        if found:
            return Truth(effects, found)
    return Truth(effects, {})


def arms(team: Team, table: Table, run: Played, steps: Sequence[int]) -> Arms:
    """Both arms of correcting these steps together; what is right is right for the question as it then is."""
    changed = [run.steps[i].place for i in steps]
    drawn = _reached(run, changed)
    kept = {s.place: (s.question, s.answer) for s in run.steps if s.place not in drawn and s.place not in changed}
    said = {s.place: s.answer for s in run.steps if s.place in changed}
    return Arms(
        success(team, table, run.task, dict.fromkeys(changed), kept), success(team, table, run.task, said, kept)
    )


def success(
    team: Team,
    table: Table,
    task: str,
    given: Mapping[Place, str | None],
    kept: Mapping[Place, tuple[str, str]],
) -> float:
    """P(success) where some answers are `given` (`None` is whatever is right then), those `kept` hold while their
    question is the recorded one, and the rest is drawn from the table.
    """
    right = team.expected(task)

    def walk(path: dict[Place, str]) -> float:
        turns: dict[str, int] = {}
        pending: list[tuple[Place, str]] = []

        def ask(agent: str, question: str, *read: str) -> Said:
            turns[agent] = turns.get(agent, -1) + 1
            place = Place(agent, turns[agent])
            if place in given:
                told = given[place]
                return Said(team.truth(agent, question) if told is None else told, place)
            if place in kept and kept[place][0] == question:
                return Said(kept[place][1], place)
            if place not in path:
                pending.append((place, question))
                raise _Undrawn
            return Said(path[place], place)

        try:
            return float(team.play(task, ask) == right)
        except _Undrawn:
            place, question = pending[0]
        except (KeyError, ValueError):
            return 0.0  # an answer that no program could go on from
        answers = Counter(table.get(f"{place.agent}|{question}", ("unknown",)))
        return sum(n * walk({**path, place: answer}) for answer, n in answers.items()) / answers.total()

    return walk({})


class _Undrawn(Exception):  # noqa: N818 - no error, but the place up to which a run is known
    """An answer is needed that was not drawn yet."""


def _reached(run: Played, changed: Sequence[Place]) -> set[Place]:
    """Whoever read one of these, directly or not."""
    found = set(changed)
    for step in run.steps:
        if found.intersection(step.reads):
            found.add(step.place)
    return found - set(changed)
