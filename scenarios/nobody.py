"""Nobody's fault: the register itself is out of date, and every agent does what it should."""

from .scenario import Player, Scenario, Turn, View

_TASK = (
    "Each school in the district gets 4 computers. Look up the number of schools and say how many computers are needed."
)


def _ask(view: View) -> str:
    return "Looking up: schools in the district."


def _register(view: View) -> str:
    return "Register (last revised two years ago): schools 17"


def _report_wordily(view: View) -> str:
    schools = view.number("schools", "Register")
    return (
        "No figure." if schools is None else f"Well, as far as I can see the district has {schools:g} schools, I guess."
    )


def _report(view: View) -> str:
    schools = view.number("schools", "Register")
    return "No figure." if schools is None else f"By the register the district has {schools:g} schools."


def _write(view: View) -> str:
    schools = view.number("the district has", "Reporter")
    return "FINAL ANSWER: unknown" if schools is None else f"FINAL ANSWER: {4 * schools:g}"


SCENARIO = Scenario(
    name="nobody",
    task=_TASK,
    expected="76",
    players=(
        Player("Asker", _ask, prompt="You look the figure up."),
        Player("Register", _register, kind="tool"),
        Player("Reporter", _report_wordily, _report, prompt="You report what the register says."),
        Player("Writer", _write, prompt="You give the final answer."),
    ),
    turns=(Turn("Asker"), Turn("Register"), Turn("Reporter"), Turn("Writer")),
    verdict="no flip",
    why="The register lists 17 schools where there are 19; no agent could have known.",
)
