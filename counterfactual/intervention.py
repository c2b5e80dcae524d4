"""What is changed in a run: `Intervention`, and the edits it comes down to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field, PrivateAttr

from butfor.cache.call import Frozen
from butfor.cache.errors import ExperimentError
from butfor.cache.provider import Provider
from butfor.replay.graph import descendants
from butfor.replay.replayed import Edits
from butfor.replay.trace import Trace

REMOVED = "[no output]"
"""What a removed step says: a neutral marker, because an empty message makes teams ask again."""

InterventionKind = Literal["correct", "remove", "given", "resample", "swap", "instruct"]

_OF_AN_AGENT = ("swap", "instruct")


class Intervention(Frozen):
    """One change of a recorded run."""

    kind: InterventionKind
    """`correct`: what a model proposes; `given`: what a person wrote; `remove`; `resample`: the same agent
    asked again; `swap`: an agent played by another model in all its steps; `instruct`: an agent told something
    besides, in all its steps."""
    step: int | None = Field(default=None, ge=0)
    """0-based; `None` for a change of an agent."""
    output: str | None = None
    """The new output, for `correct` and `given`; what the agent is told, for `instruct`."""
    agent: str | None = None
    """Whom a swap replaces, or who is told something."""
    model: str | None = None
    """The `provider:model` a swap puts in the agent's place."""

    _providers: Mapping[str, Provider] = PrivateAttr(default_factory=dict)

    @property
    def providers(self) -> Mapping[str, Provider]:
        """The object that a swap was given, by the name under which its answers are stored."""
        return self._providers

    def describe(self) -> str:
        """The change in a few words."""
        if self.kind == "swap":
            return f"swap {self.agent}={self.model}"
        return f"instruct {self.agent}" if self.kind == "instruct" else self.kind


def steps_changed(trace: Trace, intervention: Intervention) -> tuple[int, ...]:
    """The recorded steps that an intervention acts on directly."""
    if intervention.kind in _OF_AN_AGENT:
        return tuple(s.index for s in trace.steps if s.agent == intervention.agent and s.kind == "llm")
    return () if intervention.step is None else (intervention.step,)


def treated(trace: Trace, interventions: Iterable[Intervention]) -> Edits:
    """The edits of the treated arm: the changed steps answer anew, and all they reach is drawn again."""
    every = tuple(interventions)
    answers = {i.step: _new_output(i) for i in every if i.step is not None and i.kind != "resample"}
    changed = [step for i in every for step in steps_changed(trace, i)]
    again = frozenset(step for step in changed if step not in answers)
    told = {i.agent: i.output for i in every if i.kind == "instruct" and i.agent and i.output}
    redraw = (again | _drawn_again(trace, changed)) - answers.keys()
    return Edits(answers=answers, redraw=redraw, instructions=told)


def control(trace: Trace, interventions: Iterable[Intervention]) -> Edits:
    """The edits of the control arm: the changed steps answer as recorded, and everything they reach is drawn
    again.

    A swap has no recorded answer of the same model to hold against, so its control draws the agent's steps
    again too, by the model that plays everybody else.
    """
    every = tuple(interventions)
    changed = [step for i in every for step in steps_changed(trace, i)]
    swapped = frozenset(step for i in every if i.kind in _OF_AN_AGENT for step in steps_changed(trace, i))
    kept = {step: trace.steps[step].output for step in changed if step not in swapped}
    return Edits(answers=kept, redraw=(swapped | _drawn_again(trace, changed)) - kept.keys())


def _drawn_again(trace: Trace, changed: Sequence[int]) -> frozenset[int]:
    """What a change reaches and a model says; a tool keeps its recorded result for an unchanged call."""
    return frozenset(step for step in descendants(trace, changed) if trace.steps[step].kind == "llm")


def _new_output(intervention: Intervention) -> str:
    return REMOVED if intervention.kind == "remove" else intervention.output or ""


def correct(step: int, output: str) -> Intervention:
    """A step answers with this correction."""
    return _at(step, "correct", output)


def given(step: int, output: str) -> Intervention:
    """A step answers with what a person wrote."""
    return _at(step, "given", output)


def remove(step: int) -> Intervention:
    """A step says nothing."""
    return _at(step, "remove")


def resample(step: int) -> Intervention:
    """A step's agent is asked again."""
    return _at(step, "resample")


def instruct(agent: str, instruction: str) -> Intervention:
    """An agent is told something besides, in all its steps."""
    return Intervention(kind="instruct", agent=agent, output=instruction)


def _at(step: int, kind: InterventionKind, output: str | None = None) -> Intervention:
    if step < 0:
        raise ExperimentError(f"there is no step {step}; steps are counted from 0")
    return Intervention(kind=kind, step=step, output=output)
