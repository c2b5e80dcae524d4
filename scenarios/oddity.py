"""A harmless oddity: an agent talks strangely, which looks like the cause and is not."""

from .scenario import Player, Scenario, Turn, View

_TASK = (
    "A train leaves at 9 with 160 seats; 3 of 4 seats are taken. At the first stop 30 people get off. How "
    "many people remain?"
)


def _strange(view: View) -> str:
    return "Arr! I be the seat counter!! ERROR ERROR (just kidding). Seats on the train: 160."


def _plain(view: View) -> str:
    return "Seats on the train: 160."


def _taken_wrongly(view: View) -> str:
    seats = view.number("Seats on the train", "Greeter")
    return "No seats." if seats is None else f"Seats taken: {seats * 2 / 4:g}."


def _taken(view: View) -> str:
    seats = view.number("Seats on the train", "Greeter")
    return "No seats." if seats is None else f"Seats taken: {seats * 3 / 4:g}."


def _write(view: View) -> str:
    taken = view.number("Seats taken", "Counter")
    return "FINAL ANSWER: unknown" if taken is None else f"FINAL ANSWER: {taken - 30:g}"


SCENARIO = Scenario(
    name="oddity",
    task=_TASK,
    expected="90",
    players=(
        Player("Greeter", _strange, _plain, prompt="You state the seats of the train."),
        Player("Counter", _taken_wrongly, _taken, prompt="You count the seats taken."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Greeter"), Turn("Counter"), Turn("Writer")),
    culprits=(1,),
    why="The Greeter is odd but right; the Counter halves the train instead of taking three quarters.",
)
