"""Many audits: one store, one budget, the same verdicts however they are carried out, and what they show together."""

import json
import time
from pathlib import Path

import pytest
from fleets import folder, run, team

import butfor
from butfor.cache.call import Call
from butfor.cache.errors import LogFormatError, ModelUnavailable
from butfor.counterfactual.fleet.fleet import Fleet, RunLine
from butfor.counterfactual.fleet.summary import summed
from butfor.counterfactual.rule import wilson
from butfor.counterfactual.verdict import Cost


def verdicts(fleet: Fleet) -> str:
    return json.dumps([line.model_dump(mode="json", exclude={"cost"}) for line in fleet.runs])


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return folder(tmp_path / "logs", "Counter", "Writer", None, "Counter", "Counter")


def test_the_culprits_are_found_and_grouped(logs: Path, tmp_path: Path) -> None:
    fleet = butfor.audit(logs, model=team, store=tmp_path / "cache")
    assert [line.agent for line in fleet.runs] == ["Counter", "Writer", None, "Counter", "Counter"]
    assert (fleet.failures, fleet.successes, fleet.decided) == (4, 1, 4)
    assert [(share.agent, share.runs) for share in fleet.agents] == [("Counter", 3), ("Writer", 1)]
    assert [(group.agent, len(group.runs)) for group in fleet.groups] == [("Counter", 3), ("Writer", 1)]
    assert (fleet.edges[0].speaker, fleet.edges[0].hearer, fleet.edges[0].runs) == ("Counter", "Writer", 3)
    assert "fix Counter" in fleet.sentence


def test_the_same_verdicts_for_any_jobs_and_nothing_is_paid_twice(logs: Path, tmp_path: Path) -> None:
    one = butfor.audit(logs, model=team, store=tmp_path / "one", jobs=1)
    four = butfor.audit(logs, model=team, store=tmp_path / "four", jobs=4)
    again = butfor.audit(logs, model=team, store=tmp_path / "one", jobs=4)
    assert verdicts(one) == verdicts(four) == verdicts(again)
    assert one.cost.live_calls > 0
    assert again.cost.live_calls == 0


def test_one_budget_for_all_and_the_rest_goes_on_later(logs: Path, tmp_path: Path) -> None:
    asked: list[Call] = []

    def counted(call: Call) -> str:
        asked.append(call)
        return team(call)

    whole = butfor.audit(logs, model=team, store=tmp_path / "whole")
    cut = butfor.audit(logs, model=counted, store=tmp_path / "cut", max_calls=20, jobs=1)
    assert len(asked) == cut.cost.live_calls == 20
    assert cut.abstentions["budget"] >= 1
    rest = butfor.audit(logs, model=counted, store=tmp_path / "cut", jobs=1)
    assert verdicts(rest) == verdicts(whole)
    assert len({(c.model, str(c.messages), str(c.params), c.agent, c.step) for c in asked}) == len(asked)


def test_waiting_overlaps(logs: Path, tmp_path: Path) -> None:
    def slow(call: Call) -> str:
        time.sleep(0.03)
        return team(call)

    took = {}
    for jobs in (1, 2):
        begun = time.monotonic()
        butfor.audit(logs, model=slow, store=tmp_path / str(jobs), jobs=jobs)
        took[jobs] = time.monotonic() - begun
    assert took[1] / took[2] > 1.3


def test_what_cannot_be_audited_is_told_apart(logs: Path, tmp_path: Path) -> None:
    (logs / "broken.json").write_text('{"a": ')
    unjudged = run(9, "Counter").model_copy(update={"expected": None})
    (logs / "unjudged.json").write_text(unjudged.to_json())
    fleet = butfor.audit(logs, model=team, store=tmp_path / "cache")
    assert fleet.abstentions == {"error": 1, "no judge": 1}
    assert not fleet.complete


def test_no_runs_and_nobody_who_answers_are_errors(logs: Path, tmp_path: Path) -> None:
    with pytest.raises(LogFormatError, match="fits it as a pattern"):
        butfor.audit(tmp_path / "no*.json", model=team, store=tmp_path / "cache")
    with pytest.raises(ModelUnavailable):
        butfor.audit(logs, store=tmp_path / "cache")


def test_patterns_files_and_runs_are_places(logs: Path, tmp_path: Path) -> None:
    one = butfor.audit(str(logs / "run-00[12].json"), model=team, store=tmp_path / "cache")
    assert [line.agent for line in one.runs] == ["Counter", "Writer"]
    two = butfor.audit([run(1, "Counter"), logs / "run-002.json"], model=team, store=tmp_path / "cache")
    assert {line.agent for line in two.runs} == {"Counter", "Writer"}


def test_wilson_is_the_textbook_interval() -> None:
    low, high = wilson(14, 20)
    assert (round(low, 3), round(high, 3)) == (0.481, 0.855)
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_groups_part_where_the_correction_differs() -> None:
    def line(name: str, correction: str) -> RunLine:
        return RunLine(run=name, state="blamed", sentence="", agent="A", step=1, kind="tool", correction=correction)

    lines = [line("a", "use the year 1999 as given"), line("b", "use the year 1998 as given"), line("c", "ask Bob")]
    assert [group.runs for group in summed(lines, Cost()).groups] == [("a", "b"), ("c",)]
