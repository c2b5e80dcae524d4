"""What every surface draws: `ReportModel`, in which everything that a page shows is computed."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Literal

from butfor.cache.call import Frozen, Origin
from butfor.counterfactual.ranking.suspicion import Suspicion
from butfor.counterfactual.trial import Arm, Draw, Trial
from butfor.counterfactual.verdict import Verdict
from butfor.counterfactual.whatif import WhatIf
from butfor.replay.summary import ending
from butfor.replay.text import excerpt
from butfor.replay.trace import Step, Trace, final_answer

from .lanes import Lanes, lanes
from .words import Piece, compared

_ROOM = 900_000
"""Characters of the run's messages on a page; of its draws half as many."""

Colour = Literal["green", "amber", "red", "grey"]


class Message(Frozen):
    """One message of a draw beside the recorded one."""

    step: int
    agent: str
    origin: Origin
    same: bool
    pieces: tuple[Piece, ...]


class Dot(Frozen):
    """One draw."""

    title: str
    success: bool
    counted: bool
    facts: str
    messages: tuple[Message, ...]


class ArmShown(Frozen):
    """The draws of one arm."""

    name: str
    says: str
    dots: tuple[Dot, ...]


class TrialShown(Frozen):
    """Both arms of one change."""

    title: str
    says: str
    note: str
    deciding: bool
    arms: tuple[ArmShown, ...]
    command: str


class Effect(Frozen):
    """A step, and the interval of its effect on a scale of 0 to 200."""

    step: int
    agent: str
    tried: str
    corrected: str
    recorded: str
    effect: str
    low: float | None = None
    high: float | None = None
    point: float | None = None
    blamed: bool = False
    cost: str = ""
    command: str = ""


class Check(Frozen):
    """A control as a sentence."""

    colour: Colour
    mark: str
    says: str
    command: str = ""


class Asked(Frozen):
    """What the corrector was shown, and its reply."""

    title: str
    blind: bool
    prompt: tuple[tuple[str, str], ...]
    reply: str


class StepShown(Frozen):
    """A recorded step."""

    index: int
    agent: str
    kind: str
    origin: Origin
    to: str
    reads: str
    said: str
    cut: str
    error: str
    label: str
    blamed: bool
    cone: bool


class Rank(Frozen):
    """A suspect step."""

    step: int
    agent: str
    suspicion: str
    reason: str


class ReportModel(Frozen):
    """A run, and where it was audited or changed the verdict with every draw: all that a page needs."""

    title: str
    sentence: str
    colour: Colour
    light: str
    """What the light says, in words."""
    evidence: tuple[str, ...]
    task: str
    facts: tuple[tuple[str, str], ...]
    picture: Lanes
    trials: tuple[TrialShown, ...] = ()
    effects: tuple[Effect, ...] = ()
    threshold: float = 0.1
    large: float = 0.6
    controls: tuple[Check, ...] = ()
    asked: tuple[Asked, ...] = ()
    blind: str = ""
    steps: tuple[StepShown, ...] = ()
    ranks: tuple[Rank, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def report_model(
    trace: Trace, found: Verdict | None = None, *, ranks: Sequence[Suspicion] = (), name: str = ""
) -> ReportModel:
    """The model of a run's page; `name` is the file that the commands on it name."""
    from .checks import asked, checks, colour_of
    from .effects import deciding, effects, trials

    name = name or trace.source.name or "run.json"
    trial = deciding(found) if found else None
    blamed = () if found is None else found.members or (() if found.step is None else (found.step,))
    keep = [*(r.step for r in ranks[:5]), *([trace.culprit.step] if trace.culprit else [])]
    picture = lanes(trace, blamed=blamed, keep=keep, origins=_origins(trace, trial))
    common = {
        "title": excerpt(trace.source.name or name, limit=80),
        "task": trace.task,
        "facts": tuple(_facts(trace, found)),
        "picture": picture,
        "steps": _steps(trace, name, blamed),
        "ranks": tuple(
            Rank(step=r.step, agent=r.agent, suspicion=f"{r.suspicion:.2f}", reason=r.reason) for r in ranks[:10]
        ),
        "commands": tuple(_commands(trace, found, name)),
    }
    if found is None:
        return ReportModel(
            **common, sentence=_ending(trace), colour="grey", light="Not audited: nothing was run again.", evidence=()
        )
    colour, light = colour_of(found)
    seen, blind = asked(found)
    return ReportModel(
        **common,
        sentence=found.sentence,
        colour=colour,
        light=light,
        evidence=tuple(_evidence(found, trial)),
        trials=trials(trace, found, name),
        effects=effects(trace, found, name),
        threshold=found.threshold,
        large=found.large,
        controls=checks(found, name),
        asked=seen,
        blind=blind,
    )


def whatif_model(recorded: Trace, found: WhatIf, *, name: str = "") -> ReportModel:
    """The model of a changed run beside the recorded one."""
    from .effects import trial_shown
    from .whatif import sentence

    name = name or recorded.source.name or "run.json"
    changed = [i.step for i in found.changes if i.step is not None]
    colour: Colour = "grey" if found.repaired is None else "green" if found.repaired else "amber"
    real = "real: the program itself ran again" if found.executor == "program" else "simulated by models"
    return ReportModel(
        title=excerpt(name, limit=80), sentence=sentence(found), colour=colour, light=f"A what-if, {real}.",
        evidence=(), task=recorded.task, facts=(),
        picture=lanes(found.run, blamed=[s for s in changed if s < len(found.run.steps)]),
        trials=(trial_shown(recorded, found.trial, name),) if found.trial else (),
        steps=_steps(found.run, name, changed),
    )  # fmt: skip


def messages(trace: Trace, draw: Draw, room: int) -> tuple[Message, ...]:
    """What a draw said from its first change on, each beside what was recorded at its place."""
    found = []
    for played in draw.steps:
        recorded = trace.steps[played.index].output if played.index < len(trace.steps) else ""
        said = recorded if played.output is None else played.output
        same = played.output is None or said == recorded
        pieces = () if same else _short(compared(recorded[:room], said[:room]), len(said) > room)
        found.append(
            Message(step=played.index, agent=played.agent, origin=played.origin, same=same, pieces=pieces)
        )  # fmt: skip
    return tuple(found)


def _short(pieces: tuple[Piece, ...], cut: bool) -> tuple[Piece, ...]:
    return (*pieces, Piece(mark="same", text=" … (cut here)")) if cut else pieces


def _origins(trace: Trace, trial: Trial | None) -> Mapping[int, Origin] | None:
    """Where the answers of a repaired draw came from, by step."""
    draw = next((d for d in trial.treated.runs if d.success and d.steps), None) if trial else None
    if draw is None:
        return None
    own: dict[int, Origin] = {step.index: step.origin for step in trace.steps}
    return own | {p.index: p.origin for p in draw.steps if p.index < len(trace.steps)}


def _ending(trace: Trace) -> str:
    if trace.outcome is not None:
        word = "succeeded" if trace.outcome.success else "failed"
        return f"This run {word}; it answered “{excerpt(trace.outcome.answer or '', limit=120)}”."
    return f"This run answered “{excerpt(final_answer(trace), limit=120)}”."


def _evidence(found: Verdict, trial: Trial | None) -> "list[str]":
    lines = []
    if trial is not None:
        low, high = trial.interval
        lines.append(
            f"Corrected, {ratio(trial.treated)} draws succeed; as recorded, {ratio(trial.control)}. Effect "
            f"{trial.effect:+.2f}, at {found.confidence:.0%} confidence between {low:+.2f} and {high:+.2f}."
        )
    if found.executor == "program":
        lines.append("Real: the program itself ran again with one answer changed.")
    else:
        tools = " and tools" if found.tools == "model" else ""
        lines.append(f"Simulated from a {found.fidelity}: agents{tools} were played by {found.model or 'nobody'}.")
    if found.recorded and found.recorded.answer is not None:
        lines.append(f"The recorded run ended with “{excerpt(found.recorded.answer, limit=160)}”.")
    if found.repaired and found.repaired.answer is not None:
        lines.append(f"A repaired draw ended with “{excerpt(found.repaired.answer, limit=160)}”.")
    if found.decides:
        lines.append(f"What would decide it: {found.decides}")
    return lines


def _facts(trace: Trace, found: Verdict | None) -> "list[tuple[str, str]]":
    acting = len({step.agent for step in trace.steps})
    facts = [("run", f"{len(trace.steps):,} steps of {acting} agents, {trace.fidelity}, read as {trace.source.format}")]
    facts.append(("ended", ending(trace)))
    if trace.expected is not None:
        facts.append(("expected", excerpt(trace.expected, limit=200)))
    if trace.culprit:
        facts.append(("label", f"step {trace.culprit.step} ({excerpt(trace.culprit.agent, limit=60)})"))
    facts.append(("sha256", trace.digest))
    if found:
        from .report import cost_line

        saved = f"; re-running everything would have asked {found.cost.naive_calls:,}" if found.cost.naive_calls else ""
        facts += [("players", found.model or "nobody"), ("corrector", found.corrector or "nobody")]
        facts.append(("cost", cost_line(found.cost) + saved))
    return facts


def _commands(trace: Trace, found: Verdict | None, name: str) -> "list[tuple[str, str]]":
    file = shlex.quote(name)
    lines = [("the run", f"butfor show {file} --full"), ("the suspects", f"butfor rank {file}")]
    model = found.model if found and found.model else "provider:model"
    lines.append(("the verdict", f"butfor blame {file} --model {shlex.quote(model)} --json"))
    return lines


def _steps(trace: Trace, name: str, blamed: Sequence[int]) -> tuple[StepShown, ...]:
    from butfor.replay.graph import descendants

    from .run import ranges

    room = max(200, _ROOM // len(trace.steps))
    cone = descendants(trace, blamed)
    return tuple(_step(trace, step, name, room, blamed, cone, ranges(_direct(step))) for step in trace.steps)


def _step(
    trace: Trace, step: Step, name: str, room: int, blamed: Sequence[int], cone: frozenset[int], reads: str
) -> StepShown:
    heard = "" if step.audience is None else ", ".join(step.audience) or "nobody (a thought)"
    label = trace.culprit if trace.culprit and trace.culprit.step == step.index else None
    return StepShown(
        index=step.index,
        agent=step.agent,
        kind={"llm": "agent", "tool": "tool", "human": "person", "control": "framework"}[step.kind],
        origin=step.origin,
        to=heard,
        reads=reads,
        said=step.output[:room],
        cut=f"butfor show {shlex.quote(name)} --step {step.index}" if len(step.output) > room else "",
        error=step.error or "",
        label=(label.reason or "labelled as the decisive error") if label else "",
        blamed=step.index in blamed,
        cone=step.index in cone,
    )


def _direct(step: Step) -> list[int]:
    own = [] if step.continues is None else [step.continues]
    return sorted({read.step for read in step.reads} | set(own))


def ratio(arm: Arm) -> str:
    """Successes of draws."""
    return f"{arm.successes}/{arm.draws}" if arm.draws else "–"
