"""A masked fault: an early figure is wrong, but a later agent takes an old figure of its own instead."""

from .scenario import Player, Scenario, Turn, View

_TASK = (
    "A bakery uses 50 kg of flour a day, 6 days a week. Flour costs 0.80 euros per kg this year; last year "
    "it was 0.60. What does flour cost it in 4 weeks of this year, in euros?"
)


def _wrong_price(view: View) -> str:
    return "The price of flour: 0.90 euros per kg."


def _price(view: View) -> str:
    return "The price of flour: 0.80 euros per kg."


def _amount(view: View) -> str:
    return "The amount: 1200 kg in 4 weeks."


def _bill_last_year(view: View) -> str:
    amount = view.number("The amount", "Planner")
    return "No amount." if amount is None else f"Billing {amount:g} kg at rate 0.60 per kg."


def _bill(view: View) -> str:
    amount = view.number("The amount", "Planner")
    return "No amount." if amount is None else f"Billing {amount:g} kg at rate 0.80 per kg."


def _write(view: View) -> str:
    amount, rate = view.number("Billing", "Biller"), view.number("at rate", "Biller")
    if amount is None or rate is None:
        return "FINAL ANSWER: unknown"
    return f"FINAL ANSWER: {amount * rate:g} euros"


SCENARIO = Scenario(
    name="masked",
    task=_TASK,
    expected="960",
    players=(
        Player("Buyer", _wrong_price, _price, prompt="You state the price of flour."),
        Player("Planner", _amount, prompt="You state the amount of flour."),
        Player("Biller", _bill_last_year, _bill, prompt="You fix amount and rate."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Buyer"), Turn("Planner"), Turn("Biller"), Turn("Writer")),
    culprits=(2,),
    why="The Buyer's price is wrong but never used; the Biller decides the run with last year's rate.",
)
