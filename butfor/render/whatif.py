"""A what-if on a terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from butfor.counterfactual.whatif import WhatIf
from butfor.replay.text import excerpt

from .report import beside, cost_line


def as_terminal(found: WhatIf) -> RenderableType:
    """The outcome in a sentence, then the two runs side by side, then the cost."""
    lines = [Text(f"  {sentence(found)}", style="bold")]
    if found.trial:
        low, high = found.trial.interval
        lines.append(
            Text(
                f"  changed {found.trial.treated.successes}/{found.trial.treated.draws} succeed, as recorded "
                f"{found.trial.control.successes}/{found.trial.control.draws}: effect {found.trial.effect:+.2f} "
                f"({low:+.2f} … {high:+.2f})"
            )
        )
        if found.trial.error:
            lines.append(Text(f"  cut short: {excerpt(found.trial.error)}"))
    lines.append(Text(f"  {_CLAIMS[found.executor]}"))
    return Group(
        *lines,
        Text(""),
        beside(found.continuation, other="changed"),
        Text(""),
        Text(f"  cost  {cost_line(found.cost)}"),
    )


def sentence(found: WhatIf) -> str:
    """What was changed, and how the run ends with it."""
    named = ", ".join(i.describe() if i.step is None else f"step {i.step} {_PAST[i.kind]}" for i in found.changes)
    return f"With {named}: {_outcome(found)}"


_CLAIMS = {
    "simulator": "simulated: agents and tools were played by models, unless marked recorded",
    "program": "real: the program itself ran again with this changed",
}
_PAST = {
    "given": "given",
    "remove": "removed",
    "resample": "asked again",
    "correct": "corrected",
    "swap": "swapped",
}


def _outcome(found: WhatIf) -> str:
    if found.changed is None:
        return "the run goes on as below (there is no expected answer to judge it by)."
    answer = f"it answers {excerpt(found.changed.answer or '', limit=80)!r}"
    if found.recorded is None or found.recorded.success == found.changed.success:
        return f"the run still {'succeeds' if found.changed.success else 'fails'}; {answer}."
    return f"the run {'succeeds' if found.changed.success else 'fails'}; {answer}."
