"""The verdict of an audit: `Verdict`, with everything it rests on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, PrivateAttr

from butfor.cache.call import Frozen, Origin
from butfor.cache.errors import ExperimentError, NotASuccess
from butfor.cache.plugin import resolve
from butfor.cache.store import CallStore
from butfor.replay.trace import Fidelity, Outcome, Step, Trace

from .agents import AgentShare, agent_shares
from .controls import Control, run_controls
from .experiment import Experiment
from .findings.conclusion import concluded, flipping_steps
from .search import Search
from .trial import Proposal, Trial, Untested

Conclusion = Literal["blamed", "set", "no flip", "nothing tried", "undetermined", "not replayable"]
"""What an audit ends with: a step, a set of steps, no correction that helps, no correction at all, or no answer."""

Role = Literal["sufficient", "only together", "may not be needed", "ahead of its job"]
"""Whether correcting the step repairs the run on its own; only with the other members of a set; whether it is a member
that could not be shown to be needed; or whether its correction does the work of later steps."""


class Cost(Frozen):
    """What an audit took."""

    live_calls: int = 0
    cached_calls: int = 0
    """Answers that were stored already, by this audit or an earlier one."""
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = None
    """`None` where a price is not known."""
    seconds: float = 0.0
    """Time spent waiting for live answers, summed over parallel calls."""
    naive_calls: int = 0
    """What running everything downstream again for every candidate, in both arms of every trial, would have asked."""


class Flips(Frozen):
    """The flip interval: the earliest and the latest step whose correction repairs the run."""

    earliest: int
    latest: int
    complete: bool
    """Whether every later step was tried too."""


class Said(Frozen):
    """One step of the repaired run beside the recorded one."""

    step: int
    agent: str
    recorded: str | None
    repaired: str | None
    origin: Origin


class Evidence(NamedTuple):
    """What a verdict rests on, for as long as the process lives: enough to pack it without a second audit."""

    trace: Trace
    settings: Frozen
    """The `Settings` of the audit."""
    store: CallStore
    keys: frozenset[str]
    """Of every answer that was used."""


class Verdict(Frozen):
    """Who is to blame for a failed run, and how sure that is."""

    _evidence: Evidence | None = PrivateAttr(default=None)

    verdict: Conclusion
    sentence: str
    """The verdict as a colleague would say it; what a failed control takes back is taken back here."""
    decides: str = ""
    """The one thing that would decide an audit that is undetermined; empty for every other verdict."""
    agent: str | None = None
    step: int | None = None
    """0-based; only where one step is blamed."""
    members: tuple[int, ...] = ()
    """The steps of a set, which only flip together."""
    roles: Mapping[int, Role] = Field(default_factory=dict)
    """What each step that flips the outcome, alone or with others, does to it."""
    caveats: tuple[str, ...] = ()
    """What a control showed that weakens the verdict, or why it was downgraded."""
    agents: tuple[AgentShare, ...] = ()
    """The blame of each agent as a whole, where that was asked for."""
    effect: float | None = None
    """Of the blamed step or set, in [-1, 1]."""
    interval: tuple[float, float] | None = None
    """Of the effect; its lower end is what "at least" says."""
    confidence: float = 0.95
    threshold: float = Field(default=0.1)
    """The effect that a lower bound has to exceed."""
    large: float = 0.6
    """A step is excluded when its effect is surely below this."""
    flips: Flips | None = None
    trials: tuple[Trial, ...] = ()
    """Every trial with every draw of both arms, by step."""
    proposals: tuple[Proposal, ...] = ()
    """What the corrector was shown and what it replied, in the order of the steps."""
    warnings: tuple[str, ...] = ()
    """What makes the draws poorer than they look: temperature 0, seeds that are ignored, a deterministic audit."""
    players: Mapping[str, Conclusion] = Field(default_factory=dict)
    """By the model that played the team: what the confirmation of the verdict showed under it."""
    untested: tuple[Untested, ...] = ()
    controls: tuple[Control, ...] = ()
    continuation: tuple[Said, ...] = ()
    """From the blamed step on: the recorded run beside one repaired draw."""
    recorded: Outcome | None = None
    """How the judge saw the recorded run."""
    repaired: Outcome | None = None
    """How the judge saw the repaired draw."""
    cost: Cost = Cost()
    fidelity: Fidelity = "transcript"
    executor: Literal["simulator", "program"] = "simulator"
    model: str | None = None
    """Who played the agents that had to answer anew."""
    corrector: str | None = None
    """Who proposed the corrections."""
    tools: str | None = None
    """What happened when a tool was called as it was not recorded."""
    source: str = ""
    """The log's name."""

    def report(self, path: "str | Path", *, renderer: str = "html", trace: Trace | None = None) -> Path:
        """Write the verdict for a reader: `html`, `markdown`, `terminal`, or `module:function`.

        `trace` is the run it is about; of a verdict that was just made it is known.

        Raises:
            ExperimentError: the run is not known. ButforError: the file cannot be written.
        """
        from butfor.replay.output import write

        trace = trace or (self._evidence and self._evidence.trace)
        if trace is None:
            raise ExperimentError("a verdict that was read from a file does not hold its run; give trace=")
        return write(Path(path), resolve("renderer", renderer)(self, trace))

    def to_frame(self) -> Any:
        """The trials as a pandas frame, a row each; needs pandas."""
        import pandas as pd

        columns = ["steps", "change", "finding", "successes", "draws", "recorded_successes", "recorded_draws",
                   "effect", "low", "high"]  # fmt: skip
        rows = [
            (t.steps, "+".join(i.kind for i in t.interventions), t.finding, t.treated.successes, t.treated.draws,
             t.control.successes, t.control.draws, t.effect, *t.interval)
            for t in self.trials
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        return f"<Verdict: {self.sentence}>"

    def _repr_html_(self) -> str | None:
        """The page, in a notebook, where the run is known."""
        known = self._evidence
        return known and resolve("renderer", "notebook")(self, known.trace)

    def save(self, path: "str | Path") -> Path:
        """Write the verdict with its run and every answer it used, as one file for `butfor.verify`.

        Raises:
            ExperimentError: the verdict was not made in this process. ButforError: the file cannot be written.
        """
        from .case import save

        return save(self, Path(path))


def attribute(experiment: Experiment, search: Search, *, controls: bool = True, per_agent: bool = False) -> Verdict:
    """Search, then say what the trials show.

    The first step whose effect is above the threshold is blamed if every candidate before it was excluded or had
    nothing to correct; where one of those could not be tried, the audit is undetermined. `controls` runs those of a
    blamed step, `per_agent` adds each agent's share.
    """
    if experiment.sham and not experiment.outcome.success:
        name = experiment.trace.source.name or "the run"
        raise NotASuccess(
            f"{name}: the judge calls the recorded run a failure (answer {experiment.outcome.answer!r}), and a sham "
            "needs a run that succeeded; audit a failure with blame"
        )
    search(experiment)
    shares = agent_shares(experiment) if per_agent else ()
    found = _base(experiment).model_copy(update={**concluded(experiment), "agents": shares})
    trial = next((t for t in experiment.trials if _is_of(t, found)), None)
    if trial is not None and found.verdict in ("blamed", "set"):
        example = experiment.example(trial)
        said = continuation(experiment.trace.steps, example.trace.steps, trial.steps[0]) if example else ()
        found = _controlled(
            found.model_copy(
                update={
                    "effect": trial.effect,
                    "interval": trial.interval,
                    "controls": run_controls(experiment, trial) if controls else (),
                    "continuation": said,
                    "repaired": example.outcome if example else None,
                    "players": {name: _words(experiment.under(name, trial)) for name in experiment.players},
                }
            )
        )
    shown = {"trials": experiment.trials, "proposals": experiment.proposals, "warnings": experiment.warnings}
    return found.model_copy(update=shown)


def _is_of(trial: Trial, found: Verdict) -> bool:
    correcting = all(i.kind == "correct" for i in trial.interventions)
    return correcting and trial.finding == "flips" and trial.steps == (found.members or (found.step,))


def _words(trial: Trial) -> Conclusion:
    """What a confirmation under another model showed."""
    if trial.finding == "flips":
        return "blamed" if len(trial.steps) == 1 else "set"
    return "no flip" if trial.finding == "excluded" else "undetermined"


_BROKEN = {
    "no-op": "giving the recorded answer again changed the run",
    "placebo": "the recorded answer in other words repairs the run too",
    "elsewhere": "the same text at step {step}, which has nothing to do with it, repairs the run too",
}


def _controlled(found: Verdict) -> Verdict:
    """The verdict in the light of its controls: one that contradicts it takes it back, in the first sentence."""
    broken = [c for c in found.controls if c.passed is False]
    if not broken:
        return found
    reasons = tuple(_BROKEN[c.kind].format(step=c.step) for c in broken)
    sentence = f"Undetermined: {found.sentence[0].lower()}{found.sentence[1:-1]}, yet {' and '.join(reasons)}."
    return found.model_copy(
        update={
            "verdict": "undetermined",
            "sentence": sentence,
            "agent": None,
            "step": None,
            "members": (),
            "caveats": (*reasons, *found.caveats),
            "decides": "a judge, and a team, whose outcome does not hang on how or where the text stands",
        }
    )


def _base(experiment: Experiment) -> Verdict:
    flipping = flipping_steps(experiment)
    later = any(u.reason == "later than the verdict" for u in experiment.untested)
    flips = Flips(earliest=flipping[0], latest=flipping[-1], complete=not later) if flipping else None
    return Verdict(
        verdict="no flip",
        sentence="",
        roles=dict.fromkeys(flipping, "sufficient"),
        confidence=experiment.rule.confidence,
        threshold=experiment.rule.effect,
        large=experiment.rule.large,
        flips=flips,
        trials=experiment.trials,
        untested=experiment.untested,
        recorded=experiment.outcome,
        fidelity=experiment.trace.fidelity,
        source=experiment.trace.source.name,
    )


def continuation(recorded: Sequence[Step], repaired: Sequence[Step], start: int) -> tuple[Said, ...]:
    """Two runs beside each other from a step on, without the steps that stayed as recorded."""
    rows: list[Said] = []
    for position in range(start, max(len(recorded), len(repaired))):
        old = recorded[position] if position < len(recorded) else None
        new = repaired[position] if position < len(repaired) else None
        shown = new or old
        if shown is None or (old and new and new.origin == "recorded"):
            continue
        rows.append(
            Said(
                step=position,
                agent=shown.agent,
                recorded=old.output if old else None,
                repaired=new.output if new else None,
                origin=new.origin if new else "recorded",
            )
        )
    return tuple(rows)
