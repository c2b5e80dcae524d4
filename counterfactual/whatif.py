"""One change, run once or often: `whatif`, and the interventions that names and texts come down to."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import PrivateAttr

from butfor.cache.call import Frozen
from butfor.cache.errors import ButforError
from butfor.cache.plugin import resolve
from butfor.replay.trace import Outcome, Trace

from .audit import Audit, can_judge
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
    """Both arms, where more than one draw was asked for and there is a judge."""
    run: Trace
    """The changed run; of the first draw, where there were several."""
    continuation: tuple[Said, ...]
    cost: Cost
    executor: Literal["simulator", "program"] = "simulator"

    _recorded: Trace | None = PrivateAttr(default=None)

    def __repr__(self) -> str:
        told = {None: "not judged", True: "repaired", False: "not repaired"}[self.repaired]
        return f"<WhatIf: {', '.join(i.describe() for i in self.changes)}; {told}>"

    def _repr_html_(self) -> str | None:
        """The changed run as a page, in a notebook, where the recorded one is known."""
        return resolve("renderer", "notebook")(self, self._recorded) if self._recorded else None

    @property
    def repaired(self) -> bool | None:
        """Whether the change turned a failure into a success; `None` where there is nothing to judge by."""
        if self.recorded is None or self.changed is None:
            return None
        return self.changed.success and not self.recorded.success


def changes(
    trace: Trace,
    *,
    step: int | None = None,
    output: str | None = None,
    remove: bool = False,
    resample: bool = False,
    swap: Mapping[str, str] | None = None,
    instruct: Mapping[str, str] | None = None,
) -> tuple[Intervention, ...]:
    """The interventions that these settings name, checked against the run.

    Raises:
        ButforError: they do not fit together, or name a step or an agent that the run does not have.
    """
    ways = [output is not None, remove, resample]
    if (step is None) == any(ways) or sum(ways) > 1:
        raise ButforError("step= needs exactly one of output=, remove= and resample=, and each of them needs step=")
    found = [Intervention(kind="swap", agent=agent, model=model) for agent, model in (swap or {}).items()]
    found += [Intervention(kind="instruct", agent=agent, output=text) for agent, text in (instruct or {}).items()]
    if step is not None and step < 0:
        raise _no_step(trace, step)
    if step is not None and output is not None:
        found.append(Intervention(kind="given", step=step, output=output))
    elif step is not None:
        found.append(Intervention(kind="remove" if remove else "resample", step=step))
    if not found:
        raise ButforError(
            "nothing to change; give step=N with output=, remove= or resample=, or swap=AGENT=MODEL, or "
            "instruct=AGENT=TEXT"
        )
    return fitting(trace, found)


def fitting(trace: Trace, interventions: Sequence[Intervention]) -> tuple[Intervention, ...]:
    """The interventions, where the run has the steps and the agents that they change.

    Raises:
        ButforError: it has not.
    """
    acting = dict.fromkeys(step.agent for step in trace.steps if step.kind == "llm")
    for change in interventions:
        if change.step is None:
            if change.agent not in acting:
                raise ButforError(
                    f"{change.kind}=: no agent {change.agent!r} acts in the run; these do: {', '.join(acting)}"
                )
        elif not 0 <= change.step < len(trace.steps):
            raise _no_step(trace, change.step)
        elif trace.steps[change.step].kind not in ("llm", "tool"):
            raise ButforError(
                f"step {change.step} is by {trace.steps[change.step].agent}, and no answer to a call; it cannot be "
                "changed"
            )
    if not interventions:
        raise ButforError("nothing to change; give at least one intervention, such as butfor.remove(3)")
    return tuple(interventions)


def whatif(audit: Audit, trace: Trace, changed: Sequence[Intervention], *, repeats: int = 1) -> WhatIf:
    """Run a change: once, or `repeats` times in both arms; a run that cannot be judged is only looked at.

    Raises:
        ButforError: the run has no such step or agent, or the changed run could not be finished.
    """
    changed = fitting(trace, changed)
    judged = can_judge(audit.settings, audit.parts, trace)
    if repeats > 1 and not judged:
        raise ButforError(
            f"{trace.source.name or 'the run'} has no expected answer to count successes by; give expected=TEXT or "
            "judge=, or leave repeats= out and look at one changed run"
        )
    experiment = audit.experiment(trace, sham=True, judged=judged)
    models = {i.agent: i.model for i in changed if i.agent and i.model}
    first = experiment.draw(treated(trace, changed), 0, models)
    trial = experiment.trial(*changed) if repeats > 1 else None
    start = min((s for i in changed for s in steps_changed(trace, i)), default=0)
    found = WhatIf(
        changes=tuple(changed),
        recorded=experiment.outcome if judged else None,
        changed=first.outcome if judged else None,
        trial=trial,
        run=first.trace,
        continuation=continuation(trace.steps, first.trace.steps, start),
        cost=audit.cost(),
        executor=audit.executor,
    )
    found._recorded = trace
    return found


def _no_step(trace: Trace, step: int) -> ButforError:
    return ButforError(f"there is no step {step}; the run has steps 0 to {len(trace.steps) - 1}")
