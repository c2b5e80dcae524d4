"""The trials of a verdict, and the effect of every step, as a page shows them."""

import shlex

from butfor.counterfactual.trial import Arm, Draw, Trial
from butfor.counterfactual.verdict import Verdict
from butfor.replay.text import excerpt
from butfor.replay.trace import Step, Trace

from .model import ArmShown, Dot, Effect, TrialShown, messages, ratio

_ROOM = 450_000
_MOST_OF_ONE = 6_000
_FINDINGS = {
    "flips": "repairs the run",
    "excluded": "does not repair the run",
    "undecided": "undecided",
}
_WAYS = {
    "correct": "corrected", "given": "given another text", "remove": "removed", "resample": "asked again",
    "swap": "swapped", "instruct": "told something besides",
}  # fmt: skip


def deciding(found: Verdict) -> Trial | None:
    """The trial that the verdict rests on."""
    wanted = found.members or (() if found.step is None else (found.step,))
    correcting = [t for t in found.trials if wanted and all(i.kind == "correct" for i in t.interventions)]
    return next((t for t in correcting if t.steps == tuple(wanted)), None)


def trials(trace: Trace, found: Verdict, name: str) -> tuple[TrialShown, ...]:
    """Every trial, the one that decided first."""
    first = deciding(found)
    order = sorted(found.trials, key=lambda t: (t is not first, t.steps))
    changed = sum(1 for t in order for arm in (t.treated, t.control) for d in arm.runs for p in d.steps if p.output)
    room = min(_MOST_OF_ONE, max(150, _ROOM // max(1, changed)))
    return tuple(trial_shown(trace, t, name, model=found.model, deciding=t is first, room=room) for t in order)


def trial_shown(
    trace: Trace, trial: Trial, name: str, *, model: str | None = None, deciding: bool = False, room: int = 4_000
) -> TrialShown:
    """Both arms of one trial, with every draw."""
    what = [
        f"step {i.step} ({excerpt(trace.steps[i.step].agent, limit=40)}) {_WAYS[i.kind]}"
        if i.step is not None
        else i.describe()
        for i in trial.interventions
    ]
    low, high = trial.interval
    says = f"{_FINDINGS[trial.finding]}: effect {trial.effect:+.2f} ({low:+.2f} … {high:+.2f})"
    return TrialShown(
        title=excerpt(" and ".join(what), limit=200),
        says=f"{says}; cut short: {trial.error}" if trial.error else says,
        note=trial.note,
        deciding=deciding,
        arms=(
            _arm(trace, "changed", trial.treated, room),
            _arm(trace, "as recorded", trial.control, room),
        ),
        command=command(name, trial, model),
    )


def command(name: str, trial: Trial, model: str | None) -> str:
    """The command that draws both arms of a trial again; from the stored answers where they are there."""
    parts = [f"butfor whatif {shlex.quote(name)}"]
    for change in trial.interventions[:1]:
        if change.step is None:
            parts.append(f"--{change.kind} {shlex.quote(f'{change.agent}={change.model or change.output}')}")
        elif change.kind in ("remove", "resample"):
            parts.append(f"--step {change.step} --{change.kind}")
        else:
            parts.append(f"--step {change.step} --output {shlex.quote(change.output or '')}")
    parts.append(f"--repeats {max(trial.treated.draws, 1)} --model {shlex.quote(model or 'provider:model')}")
    return " ".join(parts)


def _arm(trace: Trace, name: str, arm: Arm, room: int) -> ArmShown:
    says = f"{arm.successes} of {arm.draws} succeed" if arm.draws else "not drawn"
    if arm.repeated:
        says += f"; {arm.repeated} more were word for word an earlier one"
    return ArmShown(name=name, says=says, dots=tuple(_dot(trace, draw, room) for draw in arm.runs))


def _dot(trace: Trace, draw: Draw, room: int) -> Dot:
    ended = "succeeds" if draw.success else "fails"
    facts = [f"{draw.calls} answers", f"{draw.tokens:,} tokens"]
    facts += [f"the first {draw.kept} steps are as recorded"] if draw.kept else []
    facts += [f"word for word draw {draw.repeats}"] if draw.repeats is not None else []
    facts += [f"wording {draw.wording} of the changed text"] if draw.wording else []
    facts += ["not counted as a draw of its own"] if not draw.counted else []
    if draw.judgements:
        facts.append(f"judged again: {sum(draw.judgements)} of {len(draw.judgements)} say it succeeds")
    return Dot(
        title=f"draw {draw.sample} {ended}: “{excerpt(draw.answer or '', limit=120)}”",
        success=draw.success,
        counted=draw.counted,
        facts="; ".join(facts),
        messages=messages(trace, draw, room),
    )


def effects(trace: Trace, found: Verdict, name: str) -> tuple[Effect, ...]:
    """A line for every step that was tried or could have been."""
    singles = {t.steps[0]: t for t in found.trials if len(t.steps) == 1 and t.interventions[0].kind == "correct"}
    reasons = {u.step: f"{u.reason}: {excerpt(u.detail, limit=200)}" if u.detail else u.reason for u in found.untested}
    blamed = found.members or (() if found.step is None else (found.step,))
    return tuple(
        _effect(found, step, singles.get(step.index), reasons.get(step.index, "not tried"), step.index in blamed, name)
        for step in trace.steps
        if step.index in singles or step.index in reasons
    )


def _effect(found: Verdict, step: Step, trial: Trial | None, reason: str, blamed: bool, name: str) -> Effect:
    if trial is None:
        return Effect(
            step=step.index, agent=step.agent, tried=reason, corrected="", recorded="", effect="", blamed=blamed
        )
    low, high = trial.interval
    spent = [d for t in found.trials if t.steps == (step.index,) for a in (t.treated, t.control) for d in a.runs]
    return Effect(
        step=step.index,
        agent=step.agent,
        tried=_FINDINGS[trial.finding],
        corrected=ratio(trial.treated),
        recorded=ratio(trial.control),
        effect=f"{trial.effect:+.2f} ({low:+.2f} … {high:+.2f})",
        low=round(100 + 100 * low, 1),
        high=round(100 + 100 * high, 1),
        point=round(100 + 100 * trial.effect, 1),
        blamed=blamed,
        cost=f"{sum(d.calls for d in spent):,} answers, {sum(d.tokens for d in spent):,} tokens",
        command=command(name, trial, found.model),
    )
