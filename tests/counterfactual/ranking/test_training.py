"""Training finds what gives culprits away, and its score is that of questions it has not seen."""

import random

import pytest
from labelled import chats, directed, relabelled
from traces import run

from butfor.cache.errors import ExperimentError
from butfor.counterfactual.ranking.training import cross_validate, held_out, same_question, train

CHATS = chats(24)


def test_a_plain_sign_is_learned_and_random_labels_are_not() -> None:
    learned = cross_validate(CHATS, seeds=(0,), folds=3)["chat"]
    shuffled = cross_validate(relabelled(CHATS), seeds=(0,), folds=3)["chat"]
    chance = 100 * sum(1 / len(trace.steps) for trace in CHATS) / len(CHATS)
    assert learned.step.mean > 80
    assert shuffled.step.mean < chance + 20
    assert learned.joint.mean <= min(learned.step.mean, learned.agent.mean)


def test_an_orchestrated_run_is_learned_by_its_ledger() -> None:
    scores = cross_validate(directed(30), seeds=(0,), folds=3)
    assert set(scores) == {"orchestrated"}
    assert scores["orchestrated"].step.mean > 80


def test_training_is_deterministic_and_keeps_the_score() -> None:
    logs = directed(20)
    assert train(logs, seeds=()).to_json() == train(logs, seeds=()).to_json()
    model = train(logs, seeds=(0,), data="made up for a test")
    assert model.chat is None
    assert model.scores["orchestrated"].logs == 20
    assert model.data == "made up for a test"


def test_logs_of_one_question_are_held_out_together() -> None:
    task = "How many birds nest on the cliff of the northern island in June?"
    logs = [trace.model_copy(update={"task": task}) for trace in directed(30)]
    # with one question only, every log is held out at once, and nothing is left to learn from
    with pytest.raises(ExperimentError, match="too few"):
        held_out(logs, folds=3)


def test_a_question_asked_in_other_words_is_the_same_question() -> None:
    tasks = [
        "How many birds nest on the cliff of the northern island in June?",
        "How many birds nest on the northern island's cliff in June",
        "Who painted the ceiling of the old town hall?",
    ]
    random.Random(0).shuffle(tasks)
    numbers = dict(zip(tasks, same_question([run(("Ann", "?"), task=task) for task in tasks]), strict=True))
    birds = [number for task, number in numbers.items() if "birds" in task]
    assert birds[0] == birds[1]
    assert len(set(numbers.values())) == 2


def test_too_few_logs_and_missing_labels_are_errors() -> None:
    with pytest.raises(ExperimentError, match="too few"):
        train(CHATS[:5], seeds=())
    with pytest.raises(ExperimentError, match="no label"):
        train([*CHATS, CHATS[0].blind()], seeds=())
