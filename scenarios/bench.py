"""Blame against known causes: every scenario, or every labelled log of a folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from butfor.cache.errors import ButforError, ExperimentError, TraceError
from butfor.cache.store import CallStore, MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.settings import Settings
from butfor.replay.importers import import_log


class Row(NamedTuple):
    """One audit beside the truth."""

    name: str
    verdict: str
    steps: tuple[int, ...]
    """The step blamed, or the set."""
    agents: tuple[str, ...]
    true_steps: tuple[int, ...]
    true_agents: tuple[str, ...]
    right: bool
    """Verdict and steps as they should be."""
    live_calls: int
    again_live_calls: int
    """Live calls of the same audit a second time; 0 unless an answer was asked for twice."""
    naive_calls: int
    seconds: float


def over_scenarios(names: Sequence[str], settings: Settings) -> list[Row]:
    """Blame over the scenarios with these names; over all where none is named.

    Raises:
        ButforError: there is no scenario with a name.
    """
    from .scenario import scenarios

    known = scenarios()
    missing = [name for name in names if name not in known]
    if missing:
        raise ButforError(f"no scenario or folder is called {missing[0]!r}; there are {', '.join(known)}")
    return [_scenario(name, settings) for name in names or known]


def over_logs(folder: Path, settings: Settings, store: CallStore) -> list[Row]:
    """Blame over the labelled logs of a folder; files that are none are passed over."""
    logs = sorted(path for path in folder.rglob("*.json") if path.is_file())
    rows = [row for row in (_log(path, settings, store) for path in logs) if row]
    if not rows:
        raise ButforError(f"{folder}: there is no labelled log in it")
    return rows


def as_json(rows: Sequence[Row]) -> dict[str, object]:
    """The rows and the totals."""
    return {"audits": [row._asdict() for row in rows], **totals(rows)}


def _scenario(name: str, settings: Settings) -> Row:
    from . import scenario

    case = scenario(name)
    own = settings.model_copy(update={"model": f"scripted:{name}"})
    trace, store = case.record(), MemoryStore()
    started = time.monotonic()
    found = Audit(own, store).audit(trace)
    seconds = time.monotonic() - started
    again = Audit(own, store).audit(trace)
    steps = found.members or (() if found.step is None else (found.step,))
    return Row(
        name=name,
        verdict=found.verdict,
        steps=steps,
        agents=tuple(trace.steps[step].agent for step in steps),
        true_steps=case.culprits,
        true_agents=tuple(trace.steps[step].agent for step in case.culprits),
        right=found.verdict == case.verdict and steps == case.culprits,
        live_calls=found.cost.live_calls,
        again_live_calls=again.cost.live_calls,
        naive_calls=found.cost.naive_calls,
        seconds=seconds,
    )


def _log(path: Path, settings: Settings, store: CallStore) -> Row | None:
    try:
        trace = import_log(path)
    except TraceError:
        return None
    if trace.culprit is None:
        return None
    started = time.monotonic()
    found, verdict = None, ""
    try:
        found = Audit(settings, store).audit(trace)
        verdict = found.verdict
    except ExperimentError as error:
        verdict = type(error).__name__
    label = trace.culprit
    steps = () if found is None or found.step is None else (found.step,)
    true_steps = (label.step,)
    return Row(
        name=path.name,
        verdict=verdict,
        steps=steps,
        agents=tuple(trace.steps[s].agent for s in steps),
        true_steps=true_steps,
        true_agents=(label.agent,),
        right=steps == true_steps,
        live_calls=found.cost.live_calls if found else 0,
        again_live_calls=0,
        naive_calls=found.cost.naive_calls if found else 0,
        seconds=time.monotonic() - started,
    )


def totals(rows: Sequence[Row]) -> dict[str, int]:
    """How many are right, and the calls of all."""
    return {
        "right": sum(row.right for row in rows),
        "agent_right": sum(set(row.agents) == set(row.true_agents) for row in rows),
        "live_calls": sum(row.live_calls for row in rows),
        "again_live_calls": sum(row.again_live_calls for row in rows),
        "naive_calls": sum(row.naive_calls for row in rows),
    }
