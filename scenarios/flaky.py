"""A flaky agent: it is right three times in ten, so that any change before it seems to help now and then."""

from .scenario import Player, Scenario, Turn, View

_TASK = "A gardener plants 14 rows of 25 tulips, and 1 in 7 does not grow. How many tulips grow?"
_LUCK = 0.3


def _verbose(view: View) -> str:
    return "Hello team! Rows 14, tulips in a row 25, and 1 in 7 fails. Good luck everyone!"


def _brief(view: View) -> str:
    return "Rows 14, tulips in a row 25, and 1 in 7 fails."


def _solve(view: View) -> str:
    rows, tulips = view.number("Rows", "Reader"), view.number("tulips in a row", "Reader")
    if rows is None or tulips is None:
        return "No figures."
    return f"Tulips planted: {rows * tulips:g}."


def _solve_sometimes(view: View) -> str:
    return _solve(view) if view.chance.random() < _LUCK else "Tulips planted: 325."


def _write(view: View) -> str:
    planted = view.number("Tulips planted", "Solver")
    return "FINAL ANSWER: unknown" if planted is None else f"FINAL ANSWER: {planted * 6 / 7:.0f}"


SCENARIO = Scenario(
    name="flaky",
    task=_TASK,
    expected="300",
    players=(
        Player("Reader", _verbose, _brief, prompt="You state the figures."),
        Player("Solver", _solve_sometimes, _solve, prompt="You compute the tulips planted."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Reader"), Turn("Solver"), Turn("Writer")),
    culprits=(1,),
    why="The Solver multiplies wrongly seven times in ten; a tidier Reader only gives it another draw.",
)
