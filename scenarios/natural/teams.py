"""The teams: two opinions and an arbiter, a vote and a reviewer that recovers, a long one that tries again."""

from collections import Counter
from collections.abc import Mapping, Sequence

from .team import Ask, Said, Team

CONTINENT = {
    "Brazil": "America", "Russia": "Europe", "Angola": "Africa", "Suriname": "America", "Syria": "Asia",
    "Haiti": "America", "Mali": "Africa", "Cyprus": "Europe", "Yemen": "Asia", "Belize": "America",
    "Mozambique": "Africa", "Chad": "Africa", "Austria": "Europe", "Greece": "Europe",
}  # fmt: skip
LANGUAGE = {
    "Brazil": "Portuguese", "Russia": "Russian", "Angola": "Portuguese", "Suriname": "Dutch", "Syria": "Arabic",
    "Haiti": "French", "Mali": "French", "Cyprus": "Greek", "Yemen": "Arabic", "Belize": "English",
    "Mozambique": "Portuguese", "Chad": "French", "Austria": "German", "Greece": "Greek",
}  # fmt: skip
CITY = {
    "Portuguese": "Lisbon", "Russian": "Moscow", "Dutch": "Amsterdam", "Arabic": "Cairo", "French": "Paris",
    "Greek": "Athens", "English": "London", "German": "Berlin",
}  # fmt: skip
FARE = {"Europe": "41", "Asia": "87", "Africa": "63", "America": "95"}

_CONTINENTS, _LANGUAGES, _CITIES = sorted(FARE), sorted(CITY), sorted(CITY.values())
_NOTES = [f"{city} {fare}" for city in _CITIES for fare in sorted(FARE.values())]
_ENTRIES = [f"{language} {fare}" for language in _LANGUAGES for fare in sorted(FARE.values())]

_SHOTS: dict[str, Sequence[tuple[str, str]]] = {
    "Scout": [("England", "Europe"), ("Vietnam", "Asia"), ("Morocco", "Africa"), ("Mexico", "America")],
    "Second": [("Cuba", "America"), ("Kenya", "Africa"), ("India", "Asia"), ("Norway", "Europe")],
    "Third": [("Peru", "America"), ("Spain", "Europe"), ("Japan", "Asia"), ("Ghana", "Africa")],
    "Arbiter": [("Nigeria: Asia or Africa?", "Africa"), ("Italy: Europe or America?", "Europe"),
                ("Canada: America or Europe?", "America"), ("China: Africa or Asia?", "Asia")],
    "Linguist": [("England", "English"), ("Denmark", "Danish"), ("Argentina", "Spanish")],
    "Checker": [("Spain: Spanish?", "yes"), ("Denmark: French?", "no"), ("Japan: Japanese?", "yes"),
                ("Italy: Arabic?", "no")],
    "Agency": [("Spanish", "Madrid"), ("Italian", "Rome"), ("Danish", "Copenhagen"), ("Japanese", "Tokyo")],
    "Writer": [("41 Madrid", "Madrid 41"), ("87 Rome", "Rome 87"), ("63 Tokyo", "Tokyo 63")],
    "Scribe": [("41 Spanish", "Spanish 41"), ("87 Italian", "Italian 87"), ("63 Danish", "Danish 63")],
}  # fmt: skip
_CHOICES: dict[str, Sequence[str]] = {
    **dict.fromkeys(("Scout", "Second", "Third", "Arbiter"), _CONTINENTS),
    "Linguist": _LANGUAGES, "Checker": ("yes", "no"), "Agency": _CITIES, "Writer": _NOTES, "Scribe": _ENTRIES,
}  # fmt: skip


def truth(agent: str, question: str) -> str:
    """What is right for an agent to answer."""
    country = question.partition(":")[0].partition(",")[0]
    if agent in ("Scout", "Second", "Third", "Arbiter"):
        return CONTINENT[country]
    if agent == "Linguist":
        return LANGUAGE[country]
    if agent == "Checker":
        return "yes" if question == f"{country}: {LANGUAGE[country]}?" else "no"
    if agent == "Agency":
        return CITY[question]
    fare, text = question.split()
    return f"{text} {fare}"


def _note(task: str, continent: Said, ask: Ask) -> str:
    """The end that two teams share: a language, a city where it is spoken, and the fare to the continent."""
    language = ask("Linguist", task)
    city = ask("Agency", language, language)
    return ask("Writer", f"{FARE[continent]} {city}", continent, city)


def _atlas(task: str, ask: Ask) -> str:
    first, second = ask("Scout", task), ask("Second", task)
    agreed = first if first == second else ask("Arbiter", f"{task}: {first} or {second}?", first, second)
    return _note(task, agreed, ask)


def _jury(task: str, ask: Ask) -> str:
    votes = [ask(juror, task) for juror in ("Scout", "Second", "Third")]
    counted = Counter(map(str, votes)).most_common()
    agreed = next(vote for vote in votes if vote == counted[0][0])
    if len(counted) > 1:  # whoever is not of one mind is reviewed, and the reviewer may bring back what was outvoted
        agreed = ask("Arbiter", f"{task}: {counted[0][0]} or {counted[1][0]}?", *votes)
    return _note(task, agreed, ask)


def _ledger(task: str, ask: Ask) -> str:
    entries = []
    for country in task.split():
        continent, language = ask("Scout", country), ask("Linguist", country)
        if ask("Checker", f"{country}: {language}?", language) == "no":
            language = ask("Linguist", f"{country}, not {language}", language)
        entries.append(ask("Scribe", f"{FARE[continent]} {language}", continent, language))
    return ", ".join(entries)


Table = Mapping[str, Sequence[str]]


def _asked(agents: Sequence[str], questions: Sequence[str]) -> list[tuple[str, str]]:
    return [(agent, question) for agent in agents for question in questions]


def _pairs(table: Table, jurors: Sequence[str]) -> list[tuple[str, str]]:
    """The arbiter's questions: every two continents that some juror names, in either order, or that would be right."""
    found = []
    for country, right in CONTINENT.items():
        named = sorted({right, *(a for juror in jurors for a in table.get(f"{juror}|{country}", ()))})
        found += [("Arbiter", f"{country}: {a} or {b}?") for a in named for b in named if a != b]
    return found


def _endings() -> list[tuple[str, str]]:
    notes = [f"{fare} {city}" for fare in FARE.values() for city in _CITIES]
    return [*_asked(["Agency"], _LANGUAGES), *_asked(["Writer"], notes)]


def _atlas_questions(table: Table) -> list[tuple[str, str]]:
    return [*_asked(["Scout", "Second", "Linguist"], [*CONTINENT]), *_endings(), *_pairs(table, ("Scout", "Second"))]


def _jury_questions(table: Table) -> list[tuple[str, str]]:
    jurors = ("Scout", "Second", "Third")
    return [*_asked([*jurors, "Linguist"], [*CONTINENT]), *_endings(), *_pairs(table, jurors)]


def _ledger_questions(table: Table) -> list[tuple[str, str]]:
    found = _asked(["Scout", "Linguist"], _KNOWN)
    for country in _KNOWN:
        named = sorted({LANGUAGE[country], *table.get(f"Linguist|{country}", ())})
        found += [("Checker", f"{country}: {language}?") for language in named]
        found += [("Linguist", f"{country}, not {language}") for language in named]
    return [*found, *_asked(["Scribe"], [f"{fare} {language}" for fare in FARE.values() for language in _LANGUAGES])]


_KNOWN = ("Austria", "Greece", "Cyprus", "Angola", "Syria", "Yemen", "Mozambique", "Mali")
"""The countries of which the model knows enough that a run of four of them may succeed."""

TEAMS = {
    team.name: team
    for team in (
        Team("atlas", tuple(CONTINENT), _atlas, truth, _SHOTS, _CHOICES, _atlas_questions),
        Team("jury", tuple(CONTINENT), _jury, truth, _SHOTS, _CHOICES, _jury_questions),
        Team(
            "ledger",
            tuple(" ".join(_KNOWN[(i + j) % len(_KNOWN)] for j in (0, 1, 3, 6)) for i in range(len(_KNOWN))),
            _ledger, truth, _SHOTS, _CHOICES, _ledger_questions,
        ),
    )
}  # fmt: skip
"""Every team by its name."""
