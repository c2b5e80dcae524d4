"""Generated causal models are exact: their chances are those of playing them, and innocent steps have no effect."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from butfor.scenarios.generated import TOPOLOGIES, CausalModel, Topology, generate

seeds = st.integers(0, 10_000)


@settings(max_examples=25)
@given(seeds, st.sampled_from(TOPOLOGIES), st.integers(4, 12))
def test_exact_chances_are_those_of_drawing(seed: int, topology: Topology, length: int) -> None:
    model = generate(random.Random(seed), topology=topology, length=length, recovery=0.3, noise=0.1, noticing=0.2)
    step = model.planted[0]
    chance = random.Random(seed + 1)
    played = sum(_played(model, step, chance) for _ in range(1_500)) / 1_500
    assert played == pytest.approx(model.rates(step).treated, abs=0.06)


@given(seeds, st.sampled_from(TOPOLOGIES), st.sampled_from([8, 20, 50, 100]))
@settings(max_examples=20, deadline=None)
def test_only_what_went_wrong_has_an_effect(seed: int, topology: Topology, length: int) -> None:
    model = generate(random.Random(seed), topology=topology, length=length, recovery=0.2)
    first = model.planted[0]
    assert not model.recorded[-1]
    for step in range(first):
        assert model.rates(step).effect == 0
    assert model.rates(first).effect > 0


def test_two_faults_are_both_needed_or_either() -> None:
    inputs = ((), (0,), (0,), (1, 2))
    both = CausalModel(inputs, (1, 2), recovery=0, noise=0, noticing=0)
    assert (both.rates(1).effect, both.rates(2).effect, both.rates(1, 2).effect) == (0, 0, 1)
    either = CausalModel(inputs, (1, 2), recovery=0, noise=0, noticing=0, either=True)
    assert (either.rates(1).effect, either.rates(2).effect) == (1, 1)


def _played(model: CausalModel, corrected: int, chance: random.Random) -> bool:
    drawn, good = model.descendants((corrected,)), list[bool]()
    for step, read in enumerate(model.inputs):
        if step == corrected:
            good.append(True)
        elif step in drawn:
            good.append(chance.random() < model.chance_of_good(step, model.fed(step, [good[i] for i in read])))
        else:
            good.append(model.recorded[step])
    return good[-1]
