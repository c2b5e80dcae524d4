"""The audits of many runs, the most promising first: `audited`."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from butfor.cache.errors import BudgetExceeded, ButforError, JudgeFailed, ModelUnavailable, PluginError, StoreDamaged
from butfor.cache.provider import Offline
from butfor.cache.store import CallStore
from butfor.counterfactual.advice import advise
from butfor.counterfactual.audit import Audit, Parts, can_judge
from butfor.counterfactual.case import Opened, remember, remembered
from butfor.counterfactual.plan import planned
from butfor.counterfactual.ranking.methods import ranker_of
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import Cost, Verdict
from butfor.replay.trace import Trace

from .fleet import Fleet, Reason, RunLine
from .runs import Named
from .shared import Purse, sharing
from .summary import summed

_FATAL = (ModelUnavailable, StoreDamaged, PluginError)
"""What would fail in every run alike, and so ends the whole."""


class _Job(NamedTuple):
    name: str
    run: Opened
    value: float


def audited(
    runs: Sequence[Named],
    settings: Settings,
    store: CallStore,
    *,
    offline: bool = False,
    program: Sequence[str] = (),
    parts: Parts | None = None,
    told: Callable[[RunLine], None] | None = None,
) -> Fleet:
    """Audit every failure among the runs, with one store and one budget; what was audited before is not paid again.

    `settings.jobs` runs are audited side by side; `told` hears of each line as it is done.

    Raises:
        ModelUnavailable: nobody answers. StoreDamaged: the store cannot be used.
    """
    from joblib import Parallel, delayed

    purse, alone, shared = sharing(settings, parts or Parts())
    lines = [_unread(named) for named in runs if not isinstance(named.run, Opened)]
    jobs = [_Job(n.name, n.run, value_of(n.run.trace, settings)) for n in runs if isinstance(n.run, Opened)]
    jobs.sort(key=lambda job: (-job.value, job.name))
    side_by_side = max(1, min(settings.jobs, len(jobs)))
    alone = alone.model_copy(update={"jobs": max(1, settings.jobs // side_by_side)})
    lock = Lock()

    def one(job: _Job) -> RunLine:
        line = _line(job, alone, store, offline, program, shared)
        with lock:
            if told is not None:
                told(line)
        return line

    found = Parallel(n_jobs=side_by_side, backend="threading", pre_dispatch="n_jobs")(delayed(one)(j) for j in jobs)
    return summed([*lines, *found], _cost(purse))


def value_of(trace: Trace, settings: Settings) -> float:
    """What an audit promises for its price: the suspicion of the most suspect step for an expected call."""
    ranked = ranker_of("combined", asked=Offline())(trace.blind())
    return (ranked[0].suspicion if ranked else 0.0) / (1 + planned(trace, settings).calls_expected)


def _unread(named: Named) -> RunLine:
    return RunLine(run=named.name, state="abstained", abstained="error", sentence=str(named.run))


def _line(
    job: _Job, settings: Settings, store: CallStore, offline: bool, program: Sequence[str], parts: Parts
) -> RunLine:
    trace, start = job.run.trace, RunLine(run=job.name, digest=job.run.trace.digest, state="abstained", sentence="")
    start = start.model_copy(update={"value": job.value})
    own = job.run.settings or settings
    if trace.ended and trace.ended.partial and not own.partial:
        return _abstained(start, "partial", "Calls of it were not recorded; record it whole, or give --partial.")
    if not can_judge(own, parts, trace):
        return _abstained(start, "no judge", "It has no expected answer; give --judge or --expected.")
    audit = job.run.audit(own, store=store, offline=offline, program=program, parts=parts)
    try:
        outcome = audit.judge(_expecting(trace, own))(trace)
        if outcome.success:
            return start.model_copy(update={"state": "succeeded", "sentence": "It succeeded."})
        return verdict_line(start, trace, _verdict(job.run, audit, own, store))
    except _FATAL:
        raise
    except BudgetExceeded as error:
        return _abstained(start, "budget", str(error))
    except JudgeFailed as error:
        return _abstained(start, "no judge", str(error))
    except ButforError as error:
        return _abstained(start, "error", str(error))


def _expecting(trace: Trace, settings: Settings) -> Trace:
    return trace if settings.expected is None else trace.model_copy(update={"expected": settings.expected})


def _verdict(run: Opened, audit: Audit, settings: Settings, store: CallStore) -> Verdict:
    """The verdict, from the note of an earlier audit with the same settings where that was not cut short."""
    note = remembered(run.trace, store) if run.case is None else None
    if note is not None and _decides(note.settings) == _decides(settings) and reason_of(note.found) != "budget":
        return note.found
    found = audit.audit(run.trace)
    if run.case is None:
        remember(found)
    return found


def _decides(settings: Settings) -> str:
    """What of the settings a verdict hangs on."""
    return settings.model_dump_json(exclude={"budget", "prices", "jobs", "timeout"})


def reason_of(found: Verdict) -> Reason | None:
    """Why a verdict is no answer; `None` where it is one."""
    if found.verdict == "nothing tried":
        return "budget" if _ran_out(found) else "nothing tried"
    if found.verdict == "not replayable":
        return "not replayable"
    if found.verdict == "undetermined":
        return "budget" if _ran_out(found) else "evidence"
    return None


def _ran_out(found: Verdict) -> bool:
    cut = any("budget of" in (trial.error or "") for trial in found.trials)
    return cut or any(untested.reason == "budget" for untested in found.untested)


def verdict_line(start: RunLine, trace: Trace, found: Verdict) -> RunLine:
    """The line of a run that has been audited."""
    reason = reason_of(found)
    steps = found.members or (() if found.step is None else (found.step,))
    trial = next((t for t in found.trials if t.steps == steps and t.finding == "flips"), None) if steps else None
    said = (i.output for i in trial.interventions if i.output) if trial else ()
    agents = dict.fromkeys(trace.steps[step].agent for step in steps)
    return start.model_copy(
        update={
            "state": "abstained" if reason else found.verdict,
            "verdict": found.verdict,
            "abstained": reason,
            "sentence": found.sentence,
            "agent": " + ".join(agents) or None,
            "step": found.step,
            "members": found.members,
            "kind": _kind(trace, steps[0]) if steps else None,
            "effect": found.effect,
            "interval": found.interval,
            "recorded": "\n".join(trace.steps[step].output for step in steps) or None,
            "correction": "\n".join(said) or None,
            "told": _hearer(trace, steps[0]) if steps else None,
            "cost": found.cost,
        }
    )


def _kind(trace: Trace, step: int) -> str:
    return next((advice.kind for advice in advise(trace.blind(), step)), "unknown")


def _hearer(trace: Trace, step: int) -> str | None:
    """Who read a step first, of those who are somebody else."""
    speaker = trace.steps[step].agent
    later = (s for s in trace.steps[step + 1 :] if s.agent != speaker and step in trace.context(s.index))
    return next((s.agent for s in later), None)


def _abstained(start: RunLine, reason: Reason, sentence: str) -> RunLine:
    return start.model_copy(update={"abstained": reason, "sentence": sentence})


def _cost(purse: Purse) -> Cost:
    spent = purse.spent
    return Cost(
        live_calls=spent.calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        dollars=spent.dollars,
        seconds=round(spent.seconds, 1),
    )
