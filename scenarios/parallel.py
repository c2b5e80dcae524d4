"""Parallel workers and a join: three shops are counted side by side, and one worker forgets the returns."""

from .scenario import Behaviour, Player, Scenario, Turn, View

_TASK = (
    "Three shops sold jackets. North sold 140 and took back 12, Middle sold 95 and took back 20, South sold "
    "60 and took back 5. A jacket kept brings 7 euros. What did the three shops earn together, in euros?"
)


def _split(view: View) -> str:
    return (
        "Count the jackets kept, each for your shop. North: North sold 140, North took back 12. Middle: "
        "Middle sold 95, Middle took back 20. South: South sold 60, South took back 5."
    )


def _counter(shop: str, *, returns: bool) -> Behaviour:
    def count(view: View) -> str:
        sold, back = view.number(f"{shop} sold", "Splitter"), view.number(f"{shop} took back", "Splitter")
        if sold is None or back is None:
            return f"{shop}: no figures."
        return f"{shop} kept {sold - back if returns else sold:g} jackets."

    return count


def _join(view: View) -> str:
    kept = [view.number(f"{shop} kept", shop) for shop in ("North", "Middle", "South")]
    known = [number for number in kept if number is not None]
    return "A shop is missing." if len(known) < 3 else f"Together the shops kept {sum(known):g}."


def _write(view: View) -> str:
    kept = view.number("Together the shops kept", "Joiner")
    return "FINAL ANSWER: unknown" if kept is None else f"FINAL ANSWER: {7 * kept:g} euros"


SCENARIO = Scenario(
    name="parallel",
    task=_TASK,
    expected="1806",
    players=(
        Player("Splitter", _split, prompt="You hand out the work."),
        Player("North", _counter("North", returns=True), prompt="You count for North."),
        Player("Middle", _counter("Middle", returns=False), _counter("Middle", returns=True)),
        Player("South", _counter("South", returns=True), prompt="You count for South."),
        Player("Joiner", _join, prompt="You add the shops up."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(
        Turn("Splitter"),
        Turn("North", to=("Joiner",)),
        Turn("Middle", to=("Joiner",)),
        Turn("South", to=("Joiner",)),
        Turn("Joiner"),
        Turn("Writer"),
    ),
    culprits=(2,),
    why="Middle forgets the jackets that were taken back; the other workers never hear of it.",
)
