"""What the trials of an experiment show, in one word and one sentence: `concluded`."""

from collections.abc import Sequence
from typing import Any

from butfor.counterfactual.experiment import Experiment
from butfor.counterfactual.trial import Trial

from .signs import shows_effect


def flipping_steps(experiment: Experiment) -> list[int]:
    """The steps whose correction alone, doing its own job only, flips the outcome; in order."""
    return sorted({t.steps[0] for t in _singles(experiment, "flips") if not experiment.runs_ahead(t)})


def concluded(experiment: Experiment) -> dict[str, Any]:
    """The fields of the verdict that say who is to blame.

    The first step whose effect is above the threshold is blamed if every candidate before it was excluded, ruled out
    with others, or had nothing to correct.
    """
    flipping, ahead = flipping_steps(experiment), _ahead(experiment)
    open_steps = _open(experiment)
    if flipping:
        return _single(experiment, flipping, [step for step in open_steps if step < flipping[0]], ahead)
    sets = [t for t in experiment.trials if len(t.steps) > 1 and t.finding == "flips"]
    if sets and (alone := [s for s in min(sets, key=_size).steps if s in open_steps]):
        return _perhaps_alone(experiment, min(sets, key=_size), alone)
    if sets:
        return _set(experiment, min(sets, key=_size))
    if ahead:
        return _only_ahead(ahead)
    open_steps = sorted({*open_steps, *_open_together(experiment)})
    if open_steps:
        return _undecided(experiment, open_steps)
    tried = [t for t in experiment.trials if t.interventions[0].kind == "correct"]
    if not tried:
        sentence = "Nothing tried: the corrector found nothing to correct at any step that can matter."
        return {"verdict": "nothing tried", "sentence": sentence}
    return {"verdict": "no flip", "sentence": _no_flip(experiment, tried)}


def _singles(experiment: Experiment, finding: str) -> list[Trial]:
    correcting = (t for t in experiment.trials if len(t.steps) == 1 and t.interventions[0].kind == "correct")
    return [t for t in correcting if t.finding == finding]


def _ahead(experiment: Experiment) -> list[int]:
    return sorted({t.steps[0] for t in _singles(experiment, "flips") if experiment.runs_ahead(t)})


def _open(experiment: Experiment) -> list[int]:
    """The candidates of which nothing is known yet."""
    cleared = {u.step for u in experiment.untested if u.innocent}
    untested = {u.step for u in experiment.untested if not u.innocent and u.reason != "later than the verdict"}
    undecided = {t.steps[0] for t in _singles(experiment, "undecided")}
    signs = {t.steps[0] for t in _singles(experiment, "undecided") if shows_effect(t)}
    return sorted(signs | ((untested | undecided) - cleared))


def _open_together(experiment: Experiment) -> list[int]:
    """The members of sets whose trial is not clear, unless a larger one is."""
    trials = [t for t in experiment.trials if len(t.steps) > 1]
    excluded = [set(t.steps) for t in trials if t.finding == "excluded"]
    unclear = (t for t in trials if t.finding == "undecided" and not any(set(t.steps) <= e for e in excluded))
    return [step for trial in unclear for step in trial.steps]


def _numbered(steps: Sequence[int]) -> str:
    return f"steps {', '.join(map(str, steps))}" if len(steps) > 1 else f"step {steps[0]}"


def _named(experiment: Experiment, steps: Sequence[int]) -> str:
    return ", ".join(f"{step} ({experiment.trace.steps[step].agent})" for step in steps)


def _single(
    experiment: Experiment, flipping: Sequence[int], before: Sequence[int], ahead: Sequence[int]
) -> dict[str, Any]:
    step = flipping[0]
    agent = experiment.trace.steps[step].agent
    roles = {**dict.fromkeys(flipping, "sufficient"), **dict.fromkeys(ahead, "ahead of its job")}
    if before:
        sentence = (
            f"Undetermined: correcting step {step} ({agent}) repairs the run, but {_numbered(before)} before it could "
            "not be ruled out."
        )
        decides = _decides(experiment, before)
        return {"verdict": "undetermined", "sentence": sentence, "roles": roles, "decides": decides}
    sentence = f"But for step {step} ({agent}), this run would have succeeded."
    early = [other for other in ahead if other < step]
    caveats = []
    if early:
        caveats.append(
            f"a correction of step {_named(experiment, early)} repairs the run too, but it does the work of later steps"
        )
    together = [u.step for u in experiment.untested if u.reason == "ruled out together"]
    if together:
        caveats.append(
            f"{_numbered(together)} {'were' if len(together) > 1 else 'was'} ruled out together with what else was "
            "corrected, which takes corrections not to cancel each other"
        )
    return {
        "verdict": "blamed", "sentence": sentence, "agent": agent, "step": step, "roles": roles,
        "caveats": tuple(caveats),
    }  # fmt: skip


def _set(experiment: Experiment, trial: Trial) -> dict[str, Any]:
    steps = trial.steps
    roles = {step: "only together" if _needed(experiment, steps, step) else "may not be needed" for step in steps}
    sentence = (
        f"No single step suffices: only with steps {_named(experiment, steps)} corrected together would this run have "
        "succeeded."
    )
    spare = [step for step, role in roles.items() if role == "may not be needed"]
    caveats = (f"{_named(experiment, spare)}: may not be needed for it",) if spare else ()
    return {"verdict": "set", "sentence": sentence, "members": steps, "roles": roles, "caveats": caveats}


def _size(trial: Trial) -> tuple[int, tuple[int, ...]]:
    return len(trial.steps), trial.steps


def _perhaps_alone(experiment: Experiment, trial: Trial, alone: Sequence[int]) -> dict[str, Any]:
    """A set that repairs the run, of which one member may do so by itself, is no set."""
    sentence = (
        f"Undetermined: steps {_named(experiment, trial.steps)} corrected together repair the run, but whether "
        f"{_named(experiment, alone)} would do alone is not decided."
    )
    roles = dict.fromkeys(trial.steps, "may not be needed")
    return {
        "verdict": "undetermined", "sentence": sentence, "roles": roles, "decides": _decides(experiment, alone),
    }  # fmt: skip


def _needed(experiment: Experiment, steps: Sequence[int], step: int) -> bool:
    """Whether the set without this step surely does not repair the run."""
    rest = {other for other in steps if other != step}
    if experiment.left_out.get((frozenset(steps), step)) == "excluded":
        return True
    if any(rest <= set(t.steps) for t in experiment.trials if t.finding == "excluded" and t.steps):
        return True
    return rest <= {u.step for u in experiment.untested if u.reason == "ruled out together"}


def _only_ahead(ahead: Sequence[int]) -> dict[str, Any]:
    step = ahead[0]
    return {
        "verdict": "undetermined",
        "sentence": (
            f"Undetermined: only corrections that run ahead of their step's job repair the run (step {step} states the "
            "outcome before it was come to), which does not say that the step was at fault."
        ),
        "roles": dict.fromkeys(ahead, "ahead of its job"),
        "decides": f"a correction of step {step} that does that step's own job alone",
    }


def _no_flip(experiment: Experiment, tried: Sequence[Trial]) -> str:
    steps = sorted({step for t in tried for step in t.steps})
    shown = ", ".join(map(str, steps[:12])) + (" …" if len(steps) > 12 else "")
    many = f"steps {shown}" if len(steps) > 1 else f"step {shown}"
    together = any(len(t.steps) > 1 for t in tried)
    how = ", alone or together," if together else ""
    return f"No flip: no correction that was tried ({many}){how} turns this failure into a success."


def _undecided(experiment: Experiment, open_steps: Sequence[int]) -> dict[str, Any]:
    failed = [u for u in experiment.untested if u.reason == "failed"]
    tried = [t for t in experiment.trials if t.error is None]
    if failed and not tried and len(failed) == len(open_steps):
        return {"verdict": "not replayable", "sentence": f"Not replayable: {failed[0].detail.splitlines()[0]}"}
    count = len(open_steps)
    sentence = (
        f"Undetermined: {count} {'step' if count == 1 else 'steps'} could not be decided; no other flips the outcome."
    )
    return {"verdict": "undetermined", "sentence": sentence, "decides": _decides(experiment, open_steps)}


def _decides(experiment: Experiment, open_steps: Sequence[int]) -> str:
    """The one thing that would decide the first of these steps."""
    step = open_steps[0]
    untested = next((u for u in experiment.untested if u.step == step and not u.innocent), None)
    trial = next((t for t in experiment.trials if step in t.steps and t.finding == "undecided"), None)
    if (untested and untested.reason == "budget") or (trial and _out_of_budget(trial)):
        return "a larger budget; the audit goes on where it ended"
    if untested and untested.reason == "leaked answer":
        return f"a correction of step {step} by somebody who does not see the expected answer"
    if trial is None:
        return f"a correction of step {step}: {untested.detail.splitlines()[0] if untested else 'none was tried'}"
    if trial.note and "can decide nothing" in trial.note:
        return (
            "a team that is drawn anew for every seed (a temperature above 0, no caching gateway), a corrector that "
            "can reword, or a person's word that it is deterministic"
        )
    if trial.error:
        return f"that step {step} can be drawn to the end: {trial.error.splitlines()[0]}"
    low, high = trial.interval
    return f"more draws of step {step}, whose effect lies between {low:+.2f} and {high:+.2f} (setting `repeats`)"


def _out_of_budget(trial: Trial) -> bool:
    return (trial.error or "").startswith("the budget of ")
