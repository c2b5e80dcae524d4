"""A slip that is repaired: one agent misreads a figure, a reviewer mends it, and a later one really fails."""

from .scenario import Player, Scenario, Turn, View

_TASK = "A hall has 18 rows of 24 seats, and 36 seats are broken. Tickets cost 5 euros. What does a full house bring?"


def _misread(view: View) -> str:
    return "Rows: 18. Seats in a row: 42. Broken seats: 36."


def _read(view: View) -> str:
    return "Rows: 18. Seats in a row: 24. Broken seats: 36."


def _review(view: View) -> str:
    return "Reviewed against the task. Rows: 18. Seats in a row: 24. Broken seats: 36."


def _count_all(view: View) -> str:
    rows, seats = view.number("Rows", "Reviewer"), view.number("Seats in a row", "Reviewer")
    return "Figures missing." if rows is None or seats is None else f"Usable seats: {rows * seats:g}."


def _count(view: View) -> str:
    rows, seats = view.number("Rows", "Reviewer"), view.number("Seats in a row", "Reviewer")
    broken = view.number("Broken seats", "Reviewer")
    if rows is None or seats is None or broken is None:
        return "Figures missing."
    return f"Usable seats: {rows * seats - broken:g}."


def _write(view: View) -> str:
    seats = view.number("Usable seats", "Counter")
    return "FINAL ANSWER: unknown" if seats is None else f"FINAL ANSWER: {5 * seats:g} euros"


SCENARIO = Scenario(
    name="repaired",
    task=_TASK,
    expected="1980",
    players=(
        Player("Reader", _misread, _read, prompt="You state the figures."),
        Player("Reviewer", _review, prompt="You check the figures against the task."),
        Player("Counter", _count_all, _count, prompt="You count the seats that can be sold."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Reader"), Turn("Reviewer"), Turn("Counter"), Turn("Writer")),
    culprits=(2,),
    why="The Reviewer mends the Reader's slip, which changes nothing; the Counter sells the broken seats.",
)
