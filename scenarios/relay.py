"""A relay: each agent works on what the one before it said, and the second one slips."""

import math

from .scenario import Player, Scenario, Turn, View

_TASK = (
    "A pallet holds 12 boxes of 30 jars, and a jar weighs 450 grams. Freight costs 2 euros for every 10 kg "
    "begun. What does the freight of the pallet cost, in euros?"
)


def _read(view: View) -> str:
    return "The figures: boxes 12, jars per box 30, grams per jar 450; freight 2 euros for every 10 kg begun."


def _weigh_one_box(view: View) -> str:
    jars, grams = view.number("jars per box"), view.number("grams per jar")
    return "I lack the figures." if jars is None or grams is None else f"The weight is {jars * grams / 1000:g} kg."


def _weigh(view: View) -> str:
    boxes = view.number("boxes")
    jars, grams = view.number("jars per box"), view.number("grams per jar")
    if boxes is None or jars is None or grams is None:
        return "I lack the figures."
    return f"The weight is {boxes * jars * grams / 1000:g} kg."


def _price(view: View) -> str:
    weight = view.number("weight is", "Weigher")
    return "I lack the weight." if weight is None else f"That makes {math.ceil(weight / 10)} units of 10 kg begun."


def _write(view: View) -> str:
    units = view.number("That makes", "Pricer")
    return "FINAL ANSWER: unknown" if units is None else f"FINAL ANSWER: {2 * units:g} euros"


SCENARIO = Scenario(
    name="relay",
    task=_TASK,
    expected="34",
    players=(
        Player("Reader", _read, prompt="You state the figures of the task."),
        Player("Weigher", _weigh_one_box, _weigh, prompt="You compute the weight of the whole pallet in kg."),
        Player("Pricer", _price, prompt="You count the units of freight."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Reader"), Turn("Weigher"), Turn("Pricer"), Turn("Writer")),
    culprits=(1,),
    why="The Weigher takes one box for the whole pallet; everybody after it computes rightly from that.",
)
