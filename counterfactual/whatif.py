"""One change, run once or often: what `butfor whatif` does and shows."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.text import Text

from butfor.cache.call import Frozen
from butfor.cache.errors import ButforError
from butfor.render.report import beside, cost_line
from butfor.replay.text import excerpt
from butfor.replay.trace import Outcome, Trace

from .audit import Audit
from .intervention import Intervention, steps_changed, treated
from .trial import Trial
from .verdict import Cost, Said, continuation


class WhatIf(Frozen):
    """A changed run beside the recorded one."""

    changes: tuple[Intervention, ...]
    recorded: Outcome | None
    """How the recorded run was judged; `None` where there is nothing to judge by."""
    changed: Outcome | None
    """How the changed run was judged."""
    trial: Trial | None
    """Both arms, where more than one draw was asked for."""
    run: Trace
    """The changed run; of the first draw, where there were several."""
    continuation: tuple[Said, ...]
    cost: Cost
    executor: Literal["simulator", "program"] = "simulator"


def changes(
    trace: Trace,
    *,
    step: int | None,
    output: str | None,
    remove: bool,
    resample: bool,
    swaps: Mapping[str, str],
    instructions: Mapping[str, str],
) -> tuple[Intervention, ...]:
    """The interventions that the options of `butfor whatif` name.

    Raises:
        ButforError: they do not fit together, or name a step or an agent that the run does not have.
    """
    ways = [output is not None, remove, resample]
    if (step is None) == any(ways) or sum(ways) > 1:
        raise ButforError(
            "--step needs exactly one of --output, --remove and --resample, and each of them needs --step"
        )
    if step is None and not swaps and not instructions:
        raise ButforError(
            "nothing to change; give --step N with --output, --remove or --resample, --swap AGENT=MODEL, or "
            "--instruct AGENT=TEXT"
        )
    if step is not None and not 0 <= step < len(trace.steps):
        raise ButforError(f"there is no step {step}; the run has steps 0 to {len(trace.steps) - 1}")
    for option, agents in (("--swap", swaps), ("--instruct", instructions)):
        _acting(trace, option, agents)
    found = [Intervention(kind="swap", agent=agent, model=model) for agent, model in swaps.items()]
    found += [Intervention(kind="instruct", agent=agent, output=text) for agent, text in instructions.items()]
    if step is not None:
        if trace.steps[step].kind not in ("llm", "tool"):
            raise ButforError(
                f"step {step} is by {trace.steps[step].agent}, and no answer to a call; it cannot be changed"
            )
        found.append(_at(step, output, remove))
    return tuple(found)


def whatif(session: Audit, trace: Trace, changed: tuple[Intervention, ...], *, repeats: int) -> WhatIf:
    """Run the change: once, or `repeats` times in both arms."""
    experiment = session.experiment(trace, sham=True)
    models = {i.agent: i.model for i in changed if i.agent and i.model}
    first = experiment.draw(treated(trace, changed), 0, models)
    trial = experiment.trial(*changed) if repeats > 1 else None
    start = min((s for i in changed for s in steps_changed(trace, i)), default=0)
    return WhatIf(
        changes=changed,
        recorded=experiment.outcome,
        changed=first.outcome,
        trial=trial,
        run=first.trace,
        continuation=continuation(trace.steps, first.trace.steps, start),
        cost=session.cost(),
        executor=session.executor,
    )


def as_terminal(found: WhatIf) -> RenderableType:
    """The outcome in a sentence, then the two runs side by side, then the cost."""
    named = ", ".join(i.describe() if i.step is None else f"step {i.step} {_PAST[i.kind]}" for i in found.changes)
    lines = [Text(f"  With {named}: {_outcome(found)}", style="bold")]
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


def _acting(trace: Trace, option: str, agents: Iterable[str]) -> None:
    acting = dict.fromkeys(step.agent for step in trace.steps if step.kind == "llm")
    for agent in agents:
        if agent not in acting:
            raise ButforError(f"{option}: no agent {agent!r} acts in the run; these do: {', '.join(acting)}")


def _at(step: int, output: str | None, remove: bool) -> Intervention:
    if output is None:
        return Intervention(kind="remove" if remove else "resample", step=step)
    if output.startswith("@"):
        try:
            output = Path(output[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ButforError(f"--output {output}: {error}") from None
    return Intervention(kind="given", step=step, output=output)
