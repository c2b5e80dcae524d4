"""The controls of a verdict as sentences, the light that all of them make, and what the corrector was shown."""

import shlex

from butfor.counterfactual.controls import Control
from butfor.counterfactual.verdict import Verdict

from .model import Asked, Check, Colour

_MOST_CHARACTERS = 20_000
_MOST_ASKED = 40


def colour_of(found: Verdict) -> tuple[Colour, str]:
    """Green where the verdict stands and every control that it needs ran and held; the words say what else."""
    failed = [_named(c) for c in found.controls if c.passed is False]
    missing = [_named(c) for c in found.controls if c.passed is None and c.kind != "resample"]
    if failed:
        return "red", f"A control contradicts the verdict: {', '.join(failed)}."
    if found.verdict not in ("blamed", "set"):
        return "amber" if found.verdict == "undetermined" else "grey", f"The audit ends with: {found.verdict}."
    if not found.controls:
        return "amber", "The verdict was not controlled."
    weak = [f"not run: {', '.join(missing)}"] if missing else []
    weak += [f"{len(found.caveats)} caveat{'s' * (len(found.caveats) > 1)}"] if found.caveats else []
    if weak:
        return "amber", f"Every control that ran holds; {'; '.join(weak)}."
    return "green", "Every control ran and holds."


def checks(found: Verdict, name: str) -> tuple[Check, ...]:
    """A sentence a control, then the caveats and the warnings."""
    shown = [_check(c, found, name) for c in found.controls]
    shown += [Check(colour="amber", mark="!", says=f"Caveat: {text}.") for text in found.caveats]
    shown += [Check(colour="amber", mark="!", says=f"Mind: {text}.") for text in found.warnings]
    shown += [
        Check(colour="green" if verdict == found.verdict else "amber", mark="·", says=f"Played by {model}: {verdict}.")
        for model, verdict in found.players.items()
    ]
    return tuple(shown)


def asked(found: Verdict) -> tuple[tuple[Asked, ...], str]:
    """What the corrector was asked, the blamed steps first, and whether it was blind every time."""
    blamed = found.members or (() if found.step is None else (found.step,))
    order = sorted(found.proposals, key=lambda p: (p.step not in blamed, p.step))
    shown = tuple(
        Asked(
            title=f"step {p.step}, {_PURPOSES[p.purpose]}, asked of {p.model}",
            blind=p.blind,
            prompt=tuple((m.role, m.text[:_MOST_CHARACTERS]) for m in p.prompt),
            reply=p.reply[:_MOST_CHARACTERS],
        )
        for p in order[:_MOST_ASKED]
    )
    if not found.proposals:
        return (), ""
    seeing = [p.step for p in found.proposals if not p.blind]
    if seeing:
        return shown, f"NOT blind at step {', '.join(map(str, seeing))}: it saw the expected answer or the label."
    more = f" The first {_MOST_ASKED} are here, all are in the JSON." if len(order) > _MOST_ASKED else ""
    return shown, (
        f"Blind in all {len(found.proposals)} questions: the expected answer, the judgement and the label were kept "
        f"from it. Every word it was shown is below.{more}"
    )


_PURPOSES = {"correct": "to be corrected", "once more": "its own job once more", "reword": "in other words"}


def _named(control: Control) -> str:
    return {"elsewhere": f"the same text at step {control.step}", "placebo": "other words, same content"}.get(
        control.kind, control.kind
    )


def _check(control: Control, found: Verdict, name: str) -> Check:
    drawn = control.arm and control.arm.draws
    counts = f"{control.arm.successes} of {control.arm.draws}" if control.arm and drawn else ""
    file, model = shlex.quote(name), shlex.quote(found.model or "provider:model")
    command = f"butfor check {file}" if control.kind == "no-op" else ""
    if control.kind == "resample":
        again = f"butfor whatif {file} --step {control.step} --resample --repeats 10 --model {model}"
        said = f"Another draw of step {control.step} repairs {counts} runs." if counts else "Another draw: not run."
        said += " This is information: bad luck, or inability?"
        return Check(colour="grey", mark="·", says=said, command=again)
    if control.passed is None:
        return Check(colour="amber", mark="–", says=f"{_TITLES[control.kind]}: {control.detail or 'not run'}.")
    told = {
        "no-op": ("the recorded answer given again changes nothing", "the recorded answer given again changed the run"),
        "placebo": (
            f"the recorded answer in other words repairs {counts} runs",
            f"the recorded answer in other words repairs {counts} runs too",
        ),
        "elsewhere": (
            f"the same text at step {control.step} repairs {counts} runs",
            f"the same text at step {control.step} repairs {counts} runs too",
        ),
    }[control.kind]
    says = f"{_TITLES[control.kind]}: {told[0 if control.passed else 1]}."
    return Check(
        colour="green" if control.passed else "red",
        mark="✓" if control.passed else "✗",
        says=says if control.passed else f"{says} That contradicts the verdict.",
        command=command,
    )


_TITLES = {"no-op": "No-op", "placebo": "Placebo", "elsewhere": "Elsewhere", "resample": "Another draw"}
