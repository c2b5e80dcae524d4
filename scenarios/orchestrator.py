"""An orchestrator with delegates: an instruction asks for the wrong year, and a delegate answers it truly."""

from .scenario import Player, Scenario, Turn, View

_TASK = (
    "How many passengers did the ferry line carry per crossing in 2019, given its yearly passengers and "
    "crossings? Round to a whole number."
)
_PASSENGERS = {2018: 410_000, 2019: 438_000}
_CROSSINGS = {2018: 2_050, 2019: 2_190}


def _plan(view: View) -> str:
    return (
        "Plan: ask the Archivist for the passengers of 2019, then the Harbour for the crossings of 2019, then divide."
    )


def _ask_passengers(view: View) -> str:
    return "Archivist, how many passengers were carried in the year 2019?"


def _archive(view: View) -> str:
    year = view.number("in the year", "Orchestrator")
    found = _PASSENGERS.get(int(year or 0))
    return "I have no figure for that year." if found is None else f"Passengers carried: {found}"


def _ask_wrong_crossings(view: View) -> str:
    return "Harbour, how many crossings were made in the year 2018?"


def _ask_crossings(view: View) -> str:
    return "Harbour, how many crossings were made in the year 2019?"


def _harbour(view: View) -> str:
    year = view.number("in the year", "Orchestrator")
    found = _CROSSINGS.get(int(year or 0))
    return "I have no figure for that year." if found is None else f"Crossings made: {found}"


def _answer(view: View) -> str:
    carried, made = view.number("Passengers carried", "Archivist"), view.number("Crossings made", "Harbour")
    if carried is None or made is None:
        return "FINAL ANSWER: unknown"
    return f"FINAL ANSWER: {round(carried / made)}"


SCENARIO = Scenario(
    name="orchestrator",
    task=_TASK,
    expected="200",
    players=(
        Player("Orchestrator", _answer, prompt="You lead the team and give the final answer."),
        Player("Archivist", _archive, prompt="You look up passengers."),
        Player("Harbour", _harbour, prompt="You look up crossings."),
    ),
    turns=(
        Turn("Orchestrator", to=(), act=_plan),
        Turn("Orchestrator", to=("Archivist",), act=_ask_passengers),
        Turn("Archivist"),
        Turn("Orchestrator", to=("Harbour",), act=_ask_wrong_crossings, right=_ask_crossings),
        Turn("Harbour"),
        Turn("Orchestrator"),
    ),
    culprits=(3,),
    why="The Orchestrator asks the Harbour for 2018; the Harbour answers that question rightly.",
)
