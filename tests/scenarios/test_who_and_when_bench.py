"""The benchmark compares integers and strict names, and puts baselines and published figures beside a method."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from labelled import chats, directed, relabelled
from traces import run

from butfor.cache.call import Usage, answer
from butfor.cache.errors import LogFormatError, ModelUnavailable
from butfor.cache.provider import Metered
from butfor.cache.scripted import Scripted
from butfor.counterfactual.ranking.learned import learned
from butfor.counterfactual.ranking.reading import reading
from butfor.counterfactual.ranking.suspicion import Suspicion
from butfor.replay.trace import Culprit, Trace
from butfor.scenarios.who_and_when import (
    PUBLISHED,
    Row,
    baselines,
    load_folder,
    load_hub,
    measure,
    score_learned,
    table,
)


def blaming(step: int, agent: str | None = None) -> Callable[[Trace], Sequence[Suspicion]]:
    def ranker(trace: Trace, /) -> Sequence[Suspicion]:
        who = agent or trace.steps[step].agent
        return [Suspicion(step=step, agent=who, suspicion=0.9, reason="")]

    return ranker


def labelled(step: int, agent: str, length: int = 12) -> Trace:
    said = [(("Ann", "Bob")[at % 2], f"Message {at}.") for at in range(length)]
    return run(*said, culprit=Culprit(agent=agent, step=step))


def only(rows: Sequence[Row]) -> Row:
    (row,) = rows
    return row


def test_one_is_not_eleven() -> None:
    row = only(measure("m", [labelled(11, "Bob")], blaming(1)))
    assert (row.step.percent, row.agent.percent, row.joint.percent) == (0, 100, 0)


@pytest.mark.parametrize("name", ["Ann_Expert", "An", "ann", "Bob"])
def test_a_name_is_compared_letter_by_letter(name: str) -> None:
    row = only(measure("m", [labelled(2, "Ann")], blaming(2, name)))
    assert (row.step.percent, row.agent.percent, row.joint.percent) == (100, 0, 0)


def test_tolerance_and_shortlist() -> None:
    row = only(measure("m", [labelled(4, "Ann"), labelled(7, "Bob")], blaming(5)))
    assert {near: rate.percent for near, rate in row.near.items()} == {1: 50, 2: 100, 3: 100, 5: 100}
    assert row.first[3].percent == 0
    assert row.step.low == 0
    assert row.step.high is not None
    assert 60 < row.step.high < 70


def test_a_label_that_contradicts_itself_is_left_out_of_the_second_score() -> None:
    traces = [labelled(4, "Ann"), labelled(4, "Bob")]
    row = only(measure("m", traces, blaming(4)))
    assert row.joint.percent == 50
    assert row.consistent is not None
    assert row.consistent.percent == 100


def test_rankers_see_the_expected_answer_only_if_asked_to() -> None:
    seen: list[tuple[str | None, object, object]] = []

    def spy(trace: Trace, /) -> Sequence[Suspicion]:
        seen.append((trace.expected, trace.culprit, trace.outcome))
        return ()

    trace = labelled(1, "Bob").model_copy(update={"expected": "4"})
    measure("m", [trace], spy)
    measure("m", [trace], spy, with_answer=True)
    assert seen == [(None, None, None), ("4", None, None)]


def test_an_unreadable_answer_counts_as_wrong_and_tokens_are_counted() -> None:
    said = iter(["Step: 1", "no idea"])
    usage = Usage(input_tokens=90, output_tokens=10)
    metered = Metered(Scripted(lambda call: answer(next(said), usage=usage)))
    traces = [labelled(1, "Bob"), labelled(1, "Bob")]
    row = only(measure("all-at-once", traces, reading(metered, model="m"), spent=lambda: metered.spent))
    assert (row.step.percent, row.unreadable, row.tokens) == (50, 1, 100)


def test_shuffled_labels_bring_the_learned_score_down_to_chance() -> None:
    logs = chats(20) + directed(20)
    for traces, lowest, highest in ((logs, 70, 100), (relabelled(logs), 0, 40)):
        rows = score_learned(traces, seeds=(0,), folds=3)
        assert [row.split for row in rows] == ["AG", "HC"]
        assert all(lowest <= row.step.percent <= highest for row in rows)


def test_chance_is_the_share_of_the_steps() -> None:
    chance = {row.method: row for row in baselines([labelled(3, "Bob", length=4)])}["chance"]
    assert (chance.step.percent, chance.agent.percent, chance.joint.percent) == (25, 50, 25)


def test_the_sample_logs_are_scored_beside_baselines_and_published_figures(logs: Path) -> None:
    traces = load_folder(logs / "who_and_when")
    rows = baselines(traces) + measure("learned", traces, learned)
    assert {(row.method, row.split, row.logs) for row in rows} >= {
        ("always step 1", "AG", 3),
        ("first WebSurfer step", "HC", 2),
        ("learned", "AG", 3),
        ("learned", "HC", 2),
    }
    text = table(rows)
    assert all(result.method in text for result in PUBLISHED)
    assert text.count("first WebSurfer step") == 1


def test_a_folder_without_labelled_logs_is_an_error(tmp_path: Path, logs: Path) -> None:
    with pytest.raises(LogFormatError, match="no labelled"):
        load_folder(tmp_path)
    shutil.copy(logs / "who_and_when" / "AG-47.json", tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(LogFormatError, match=r"b\.json"):
        load_folder(tmp_path)


def test_the_hub_gives_the_same_logs_as_the_folder(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs / "who_and_when"
    files = {config: sorted(folder.glob(f"{prefix}*.json")) for config, prefix in CONFIGS.items()}

    def load_dataset(name: str, config: str, *, split: str) -> list[object]:
        assert (name, split) == ("Kevin355/Who_and_When", "train")
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in files[config]]
        # a table gives every row every column
        return [row | {"history": [{"name": None, **m} for m in row["history"]], "level": None} for row in rows]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert [trace.steps for trace in load_hub()] == [trace.steps for trace in load_folder(folder)]


def test_without_the_library_the_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ModelUnavailable, match=r"butfor\[hub\]"):
        load_hub()


CONFIGS = {"Algorithm-Generated": "AG", "Hand-Crafted": "HC"}
