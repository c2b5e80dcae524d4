"""Two faults that each suffice: two workers are wrong, and mending one alone repairs nothing."""

from .scenario import Behaviour, Player, Scenario, Turn, View

_TASK = (
    "A club pays for the hall (3 evenings at 40 euros) and for the band (2 evenings at 150 euros). Each of "
    "its 20 members pays an equal share. What does a member pay, in euros?"
)


def _split(view: View) -> str:
    return "Hall: hall evenings 3, hall price 40. Band: band evenings 2, band price 150. Members: 20."


def _cost(item: str, *, evenings: bool) -> Behaviour:
    def cost(view: View) -> str:
        nights, price = view.number(f"{item} evenings", "Splitter"), view.number(f"{item} price", "Splitter")
        if nights is None or price is None:
            return f"No figures for the {item}."
        return f"The {item} costs {nights * price if evenings else price:g} euros."

    return cost


def _add(view: View) -> str:
    hall, band = view.number("The hall costs", "Hall"), view.number("The band costs", "Band")
    return "A cost is missing." if hall is None or band is None else f"Together: {hall + band:g} euros."


def _write(view: View) -> str:
    total = view.number("Together", "Adder")
    return "FINAL ANSWER: unknown" if total is None else f"FINAL ANSWER: {total / 20:g} euros"


SCENARIO = Scenario(
    name="overdetermined",
    task=_TASK,
    expected="21",
    players=(
        Player("Splitter", _split, prompt="You hand out the work."),
        Player("Hall", _cost("hall", evenings=False), _cost("hall", evenings=True)),
        Player("Band", _cost("band", evenings=False), _cost("band", evenings=True)),
        Player("Adder", _add, prompt="You add the costs."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(
        Turn("Splitter"),
        Turn("Hall", to=("Adder",)),
        Turn("Band", to=("Adder",)),
        Turn("Adder"),
        Turn("Writer"),
    ),
    verdict="set",
    culprits=(1, 2),
    why="Hall and Band both take one evening for all; each fault alone would have failed the run.",
)
