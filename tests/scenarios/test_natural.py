"""The natural failures: frozen answers are whole, the exact truth is what playing shows, scores say what they mean."""

import json
import random

import pytest

from butfor.counterfactual.verdict import Verdict
from butfor.scenarios.natural.__main__ import main, measured
from butfor.scenarios.natural.exact import Truth, arms, failures, truth
from butfor.scenarios.natural.score import scored
from butfor.scenarios.natural.table import frozen
from butfor.scenarios.natural.team import Place, Played, played
from butfor.scenarios.natural.teams import TEAMS

SAMPLED = frozen()


@pytest.mark.parametrize("name", TEAMS)
def test_every_question_that_a_run_can_reach_is_tabulated(name: str) -> None:
    team = TEAMS[name]
    for agent, question in team.questions(SAMPLED):
        answers = SAMPLED[f"{agent}|{question}"]
        assert len(answers) >= 32
        assert set(answers) <= set(team.choices[agent])
        assert len(frozen("greedy")[f"{agent}|{question}"]) == 1


@pytest.mark.parametrize("name", TEAMS)
def test_a_run_without_a_mistake_succeeds_and_most_runs_make_one(name: str) -> None:
    team = TEAMS[name]
    for task in team.tasks:
        right = played(team, task, lambda place, question: team.truth(place.agent, question))
        assert right.answer == team.expected(task)
    assert 5 < sum(1 for _ in failures(team, SAMPLED, 20, 1)) <= 20


@pytest.mark.parametrize(("name", "run"), [("atlas", 0), ("jury", 3), ("ledger", 2)])
def test_the_exact_effect_is_what_playing_often_shows(name: str, run: int) -> None:
    team = TEAMS[name]
    failed = list(failures(team, SAMPLED, 40, 5))[run]
    wrong = [i for i, s in enumerate(failed.steps) if s.answer != team.truth(s.place.agent, s.question)]
    step = wrong[0]
    exact = arms(team, SAMPLED, failed, (step,))
    chance = random.Random(7)
    drawn = {failed.steps[step].place}
    for each in failed.steps:
        if drawn.intersection(each.reads):
            drawn.add(each.place)
    kept = {s.place: (s.question, s.answer) for s in failed.steps if s.place not in drawn}

    def answer(place: Place, question: str) -> str:
        if place == failed.steps[step].place:
            return team.truth(place.agent, question)
        if place in kept and kept[place][0] == question:
            return kept[place][1]
        return chance.choice(SAMPLED[f"{place.agent}|{question}"])

    wins = sum(played(team, failed.task, answer).answer == team.expected(failed.task) for _ in range(800))
    assert wins / 800 == pytest.approx(exact.corrected, abs=0.06)


def verdict(kind: str, **fields: object) -> Verdict:
    return Verdict.model_validate({"verdict": kind, "sentence": "", **fields})


@pytest.mark.parametrize(
    ("found", "exact", "word"),
    [
        (verdict("blamed", step=1), Truth({1: 0.9, 3: 0.8}, {}), "right step"),
        (verdict("blamed", step=3), Truth({1: 0.9, 3: 0.8}, {}), "a later step"),
        (verdict("blamed", step=2), Truth({1: 0.9}, {}), "an innocent step"),
        (verdict("blamed", step=1), Truth({1: 0.05}, {frozenset({1, 2}): 0.7}), "an innocent step"),
        (verdict("set", members=(1, 2)), Truth({}, {frozenset({1, 2}): 0.7}), "right set"),
        (verdict("set", members=(1, 2, 3)), Truth({}, {frozenset({1, 2}): 0.7}), "set with more than needed"),
        (verdict("set", members=(4, 5)), Truth({}, {frozenset({1, 2}): 0.7}), "wrong set"),
        (verdict("no flip"), Truth({1: 0.02}, {}), "right: nothing decides"),
        (verdict("no flip"), Truth({1: 0.7}, {}), "no flip, misses a sure step or set"),
        (verdict("no flip"), Truth({}, {frozenset({1, 2}): 0.3}), "no flip, misses another"),
        (verdict("undetermined"), Truth({1: 0.7}, {}), "undetermined"),
    ],
)
def test_a_verdict_is_held_against_the_truth(found: Verdict, exact: Truth, word: str) -> None:
    assert scored(found, 0, exact).word == word


def test_the_truth_of_a_run_names_a_set_only_where_no_step_decides() -> None:
    for run in failures(TEAMS["atlas"], SAMPLED, 60, 3):
        exact = truth(TEAMS["atlas"], SAMPLED, run)
        assert not (exact.decisive and exact.sets)


def test_no_innocent_is_blamed_in_a_few_audits() -> None:
    row = measured("atlas", "linked", runs=14, seed=2)
    assert row.count("an innocent step", "wrong set") == 0
    assert row.mean_calls < 100


def test_the_command_prints_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--team", "atlas", "--variant", "linked", "--runs", "4", "--words"])
    printed = capsys.readouterr().out
    assert "atlas   linked" in printed
    assert "seed 1" in printed


def test_a_played_run_knows_what_was_read() -> None:
    run = played(
        TEAMS["atlas"], "Haiti", lambda place, _: {"Scout": "Africa", "Second": "Asia"}.get(place.agent, "Asia")
    )
    assert isinstance(run, Played)
    arbiter = next(step for step in run.steps if step.place.agent == "Arbiter")
    assert arbiter.reads == (Place("Scout"), Place("Second"))
    json.dumps(run)
