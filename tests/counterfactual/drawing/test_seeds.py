"""Repeats that are one answer convict nobody, and are told from draws before they count."""

from collections.abc import Iterable

import pytest
from acted import acted, chance, corrections, ends_good, experiment

from butfor.cache.call import Call
from butfor.cache.errors import BudgetExceeded, ExperimentError
from butfor.cache.scripted import Scripted
from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit, Parts
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.rule import Rule
from butfor.counterfactual.search import screen
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import attribute
from butfor.replay.trace import Trace
from butfor.scenarios import scenario

STEPS = 6
RELAY = acted([f"message {n}" for n in range(STEPS - 1)] + ["bad"], [[n - 1] if n else [] for n in range(STEPS)])


class Rewords:
    """Corrects every step to something else that is no better, and can put anything in other words."""

    def __call__(self, trace: Trace, step: int) -> Iterable[Intervention]:
        return corrections({n: f"message {n}, once more" for n in range(STEPS - 1)})(trace, step)

    def reword(self, trace: Trace, step: int, text: str, n: int) -> str | None:
        return f"{text} (as version {n} puts it)"


@pytest.mark.parametrize("likes", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("words", [False, True])
def test_a_provider_that_repeats_itself_convicts_hardly_anybody(likes: float, words: bool) -> None:
    """Every text has the same chance to end well, and asking again brings nothing new."""

    def audited(world: int) -> bool:
        def play(call: Call) -> str:
            heard = "\n".join(message.text for message in call.messages)
            if call.step == STEPS - 1:
                return "good" if chance(world, heard) < likes else "bad"
            return f"message {call.step} of {chance(heard):.6f}"

        proposer = Rewords() if words else Rewords().__call__
        return attribute(experiment(RELAY, play, proposer=proposer), screen, controls=False).verdict in (
            "blamed",
            "set",
        )

    assert sum(audited(world) for world in range(20)) <= (1 if words else 0)


def test_where_the_text_can_be_reworded_a_repeating_team_is_still_judged() -> None:
    def play(call: Call) -> str:
        heard = "\n".join(message.text for message in call.messages)
        sound = "sound" in heard
        return ("good" if sound else "bad") if call.step == STEPS - 1 else f"passed on {'sound' if sound else 'weak'}"

    class Mends(Rewords):
        def __call__(self, trace: Trace, step: int) -> Iterable[Intervention]:
            return corrections({2: "sound"})(trace, step)

    found = attribute(experiment(RELAY, play, proposer=Mends()), screen, controls=False)
    assert (found.verdict, found.step) == ("blamed", 2)
    (trial,) = [t for t in found.trials if t.steps == (2,)]
    assert "in other words" in trial.note
    assert len({draw.wording for draw in trial.treated.runs if draw.counted}) == trial.treated.draws


def test_a_team_that_is_not_as_somebody_said_is_told() -> None:
    def play(call: Call) -> str:
        return f"good {call.params.get('seed')}"

    tried = experiment(RELAY, play, proposer=Rewords(), rule=Rule(deterministic=True))
    (correction,) = tried.propose(0)
    with pytest.raises(ExperimentError, match="said to be deterministic"):
        tried.trial(correction)


def test_a_look_at_seeds_that_cannot_be_paid_says_nothing_of_them() -> None:
    asked: list[Call] = []

    def play(call: Call) -> str:
        asked.append(call)
        if len(asked) > 2 * (STEPS - 1):  # after two draws of the same words, before the look
            raise BudgetExceeded("the budget of 10 live calls is used up; raise --max-calls")
        return "good" if call.step == STEPS - 1 else f"message {call.step}"

    found = attribute(experiment(RELAY, play, proposer=corrections({0: "fixed"}), judge=ends_good), screen)
    assert found.verdict == "undetermined"
    assert found.decides == "a larger budget; the audit goes on where it ended"
    assert found.warnings == ()


def test_a_warning_names_the_agents_that_are_asked_at_temperature_0() -> None:
    """What counts is the question that the model gets, with the parameters that a setting adds."""
    trace = scenario("flaky").record()
    settings = Settings(model="scripted:flaky", params={"temperature": 0})
    (warning,) = [w for w in Audit(settings, MemoryStore()).audit(trace).warnings if "temperature" in w]
    assert warning.startswith("asked at temperature 0: Solver, Writer;")
    settings = Settings(model="scripted:flaky", params={"temperature": 1})
    assert Audit(settings, MemoryStore()).audit(trace).warnings == ()


def test_players_are_told_apart_by_the_model_that_really_answers() -> None:
    """The recorded name is one and the same; what varies is only the model that a setting puts in one agent's place."""
    trace = scenario("flaky").record()
    models = {"Solver": "own:solver"}
    solver = Scripted(lambda call: f"Tulips planted: {300 + int(str(call.params['seed'])) % 7}.")
    audit = Audit(
        Settings(model="scripted:flaky", models=models), MemoryStore(), parts=Parts(providers={"own:solver": solver})
    )
    tried = audit.experiment(trace)
    tried.trial(*tried.propose(0))
    runs = [run for arm in tried._growing[tried.trials[0].interventions] for run in arm.runs]
    players = frozenset[str]().union(*(run.players for run in runs))
    assert {player.split("|")[1] for player in players} == {"own:solver", "scripted:flaky"}
