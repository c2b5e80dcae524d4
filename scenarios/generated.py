"""Causal models of failing runs with a known decisive step: generated, and exact.

Every step is good or bad. A step errs with its own chance whenever it is drawn; a step whose input is bad is bad too,
unless it notices (with a small chance). The run succeeds when its last step is good. The planted step erred in the
recording, and errs again when it is drawn again unless it recovers by itself.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

Topology = Literal["relay", "fan-in", "orchestrator", "debate"]

TOPOLOGIES: tuple[Topology, ...] = ("relay", "fan-in", "orchestrator", "debate")
_GROUP = 4


class Rates(NamedTuple):
    """Chances of success of both arms of a trial at one step; both in [0, 1]."""

    treated: float
    control: float

    @property
    def effect(self) -> float:
        """The true effect of correcting the step."""
        return self.treated - self.control


@dataclass(frozen=True)
class CausalModel:
    """A team's run, its planted faults, and what was recorded."""

    inputs: tuple[tuple[int, ...], ...]
    """The steps that each step reads."""
    planted: tuple[int, ...]
    """The steps that erred in the recording on their own."""
    recovery: float
    """The chance that a planted step does not err when it is drawn again."""
    noise: float
    """The chance that any other step errs when it is drawn."""
    noticing: float
    """The chance that a step with a bad input is good all the same."""
    either: bool = False
    """Whether one good input is enough for the last step, where all others need every input good."""

    def fed(self, step: int, good: Sequence[bool]) -> bool:
        """Whether a step has what it needs, its inputs being good or not."""
        return any(good) if self.either and step == len(self.inputs) - 1 else all(good)

    @cached_property
    def recorded(self) -> tuple[bool, ...]:
        """Whether each step was good in the recording: bad if planted or if it read something bad."""
        good: list[bool] = []
        for step, read in enumerate(self.inputs):
            good.append(step not in self.planted and self.fed(step, [good[i] for i in read]))
        return tuple(good)

    def rates(self, *steps: int) -> Rates:
        """The exact chances of success with these steps corrected, and with them as recorded."""
        treated = self._success(dict.fromkeys(steps, True))
        return Rates(treated, self._success({step: self.recorded[step] for step in steps}))

    def descendants(self, steps: Sequence[int]) -> frozenset[int]:
        """The steps that these can reach, themselves left out."""
        found = set(steps)
        for step, read in enumerate(self.inputs):
            if found.intersection(read):
                found.add(step)
        return frozenset(found.difference(steps))

    def _success(self, fixed: Mapping[int, bool]) -> float:
        """The chance that the last step is good, by carrying the joint distribution of what is still to be read."""
        drawn = self.descendants(tuple(fixed))
        states: dict[tuple[tuple[int, bool], ...], float] = {(): 1.0}
        for step, read in enumerate(self.inputs):
            following: dict[tuple[tuple[int, bool], ...], float] = {}
            needed = self._needed_after[step]
            for state, chance in states.items():
                known = dict(state)
                good = self._good(step, self.fed(step, [known[i] for i in read]), fixed, step in drawn)
                for value, part in ((True, good), (False, 1 - good)):
                    if part:
                        kept = tuple((i, v) for i, v in (*state, (step, value)) if i in needed)
                        following[kept] = following.get(kept, 0.0) + chance * part
            states = following
        return sum(chance for state, chance in states.items() if dict(state)[len(self.inputs) - 1])

    def _good(self, step: int, inputs_good: bool, fixed: Mapping[int, bool], drawn: bool) -> float:
        if step in fixed:
            return float(fixed[step])
        if not drawn:
            return float(self.recorded[step])
        return self.chance_of_good(step, inputs_good)

    def chance_of_good(self, step: int, fed: bool) -> float:
        """The chance that a step is good when it is drawn."""
        errs = 1 - self.recovery if step in self.planted else self.noise
        return (1 - errs) * (1.0 if fed else self.noticing)

    @cached_property
    def _needed_after(self) -> tuple[frozenset[int], ...]:
        last = {i: step for step, read in enumerate(self.inputs) for i in read}
        last[len(self.inputs) - 1] = len(self.inputs)
        return tuple(
            frozenset(i for i in range(step + 1) if last.get(i, -1) > step) for step in range(len(self.inputs))
        )


def generate(
    chance: random.Random,
    *,
    topology: Topology,
    length: int,
    recovery: float = 0.0,
    noise: float = 0.02,
    noticing: float = 0.02,
    faults: int = 1,
) -> CausalModel:
    """A failing run of a shape, its faults planted at random among the steps that can reach the end.

    With two faults, both are needed for a success and neither reaches the other.
    """
    inputs = _SHAPES[topology](length)
    model = CausalModel(inputs, (), recovery, noise, noticing)
    able = [step for step in range(length) if length - 1 in model.descendants((step,))]
    while True:
        planted = tuple(sorted(chance.sample(able, faults)))
        apart = all(b not in model.descendants((a,)) for a in planted for b in planted if a < b)
        if faults == 1 or apart:
            return CausalModel(inputs, planted, recovery, noise, noticing)


def _relay(length: int) -> tuple[tuple[int, ...], ...]:
    return tuple((step - 1,) if step else () for step in range(length))


def _fan_in(length: int) -> tuple[tuple[int, ...], ...]:
    """Rounds of a splitter, workers side by side, and a joiner that starts the next round."""
    inputs: list[tuple[int, ...]] = []
    for step in range(length):
        place = step % (_GROUP + 1)
        first = step - place
        if step == length - 1 or place == 0:
            inputs.append(tuple(range(max(0, first - _GROUP if place == 0 else first), step)))
        else:
            inputs.append((first,))
    return tuple(inputs)


def _orchestrator(length: int) -> tuple[tuple[int, ...], ...]:
    """A leader and delegates by turns: a delegate reads its instruction, the leader its last word and the answer."""
    return tuple(() if step == 0 else (step - 1,) if step % 2 else (step - 2, step - 1) for step in range(length))


def _debate(length: int) -> tuple[tuple[int, ...], ...]:
    """Two agents by turns, each reading the other's and its own last word."""
    return tuple(tuple(i for i in (step - 2, step - 1) if i >= 0) for step in range(length))


_SHAPES = {"relay": _relay, "fan-in": _fan_in, "orchestrator": _orchestrator, "debate": _debate}
