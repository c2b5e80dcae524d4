"""A small table frozen anew with the real local model, and three of its failures audited live through the library."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

import butfor
from butfor.cache.connect import connect
from butfor.cache.store import MemoryStore
from butfor.scenarios.natural.exact import failures, truth
from butfor.scenarios.natural.score import Plays
from butfor.scenarios.natural.table import freeze, request
from butfor.scenarios.natural.teams import TEAMS

pytest_plugins = ["local_model"]
pytestmark = pytest.mark.model

_FEW = TEAMS["atlas"].tasks[:4]


def _questions(table: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Those of four tasks alone."""
    asked = TEAMS["atlas"].questions(table)
    return [q for q in asked if q[0] in ("Agency", "Writer") or q[1].partition(":")[0] in _FEW]


TEAM = replace(TEAMS["atlas"], tasks=_FEW, questions=_questions)


def test_a_table_is_frozen_and_three_failures_are_audited(smollm2: str) -> None:
    address = smollm2.partition("@")[2]
    table: dict[str, list[str]] = {}
    last = list(freeze([TEAM], address, table, temperature=0.9, draws=2))[-1]
    assert last.startswith("atlas: ")
    assert all(set(said) <= set(TEAM.choices[question.partition("|")[0]]) for question, said in table.items())

    def propose(trace: butfor.Trace, step: int) -> tuple[butfor.Intervention, ...]:
        said = trace.steps[step]
        try:
            right = TEAM.truth(said.agent, said.call.messages[-1].text if said.call else "")
        except (KeyError, ValueError):
            return ()
        return () if right == said.output else (butfor.correct(step, right),)

    live = connect(smollm2)

    def model(call: butfor.Call) -> butfor.Completion:
        body = request(TEAM, call.agent or "", call.messages[-1].text, temperature=0.9)
        shots = tuple(butfor.Message(role=m["role"], content=m["content"]) for m in body["messages"])
        params = {"grammar": body["grammar"], "temperature": 0.9, "max_tokens": 16, "seed": call.params.get("seed", 0)}
        return live.complete(call.model_copy(update={"messages": shots, "params": params}))

    plays = Plays(TEAM, linked=True)
    for run in list(failures(TEAM, table, 12, 3))[:3]:
        store = MemoryStore()

        def blame(failed: butfor.Trace, store: MemoryStore = store) -> butfor.Verdict:
            return butfor.blame(
                failed, model=model, proposer=propose, executor=plays, store=store, repeats=12, controls=False
            )

        found = blame(plays.trace(run))
        assert found.verdict != "not replayable"
        assert found.cost.live_calls > 0
        effects = truth(TEAM, table, run).effects
        assert found.step is None or found.step in effects  # only what is wrong for its question can be blamed
        again = blame(plays.trace(run))
        assert (again.sentence, again.cost.live_calls) == (found.sentence, 0)
