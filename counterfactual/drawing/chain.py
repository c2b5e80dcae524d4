"""Corrections of several steps, each proposed on the run as it goes with the ones before: `Chain`."""

from collections.abc import Callable, Sequence

from butfor.counterfactual.intervention import Intervention, treated
from butfor.replay.graph import descendants
from butfor.replay.replayed import Edits
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Trace

from .matching import matched
from .runs import Runs

Propose = Callable[[Trace, int], tuple[Intervention, ...]]
"""The corrections of a step of a branch, by its place there."""


class Chain:
    """Corrects steps one after the other.

    A step is found in the branch by its agent and role; one that is not there any more has nothing to correct.
    """

    def __init__(self, trace: Trace, runs: Runs, executor: object, propose: Propose, *, sample: int) -> None:
        self._trace = trace
        self._runs = runs
        self._short = isinstance(executor, Simulator)
        self._propose = propose
        self._sample = sample
        self.failing: int | None = None
        """The step for which the last proposal failed."""
        self._known: dict[tuple[tuple[int, ...], bool], tuple[Intervention, ...]] = {}

    def corrections(
        self, steps: Sequence[int], own: Callable[[int], tuple[Intervention, ...]], *, fresh: bool
    ) -> tuple[Intervention, ...]:
        """The correction of each step that has one; `own` gives those on the recording.

        `fresh` lets a step that the earlier corrections reach speak anew before it is corrected; otherwise its
        recorded message is corrected in its new surroundings, which asks for less.

        Raises:
            ButforError: a step could not be corrected, or a branch could not be drawn.
        """
        chosen: tuple[Intervention, ...] = ()
        ordered = tuple(sorted(steps))
        for place, step in enumerate(ordered, start=1):
            known = self._known.get((ordered[:place], fresh))
            if known is None:
                proposed = self._next(chosen, step, fresh=fresh) if chosen else own(step)
                known = (*chosen, proposed[0]) if proposed else chosen
                self._known[ordered[:place], fresh] = known
            chosen = known
        return chosen

    def _next(self, chosen: tuple[Intervention, ...], step: int, *, fresh: bool) -> tuple[Intervention, ...]:
        edits = treated(self._trace, chosen)
        if not fresh and step in descendants(self._trace, [i.step for i in chosen if i.step is not None]):
            again = {**edits.answers, step: self._trace.steps[step].output}
            edits = Edits(answers=again, redraw=edits.redraw - {step})
        branch = self._branch(edits, step)
        place = matched(self._trace, branch).get(step)
        if place is None:
            return ()
        self.failing = step
        proposed = self._propose(branch, place)
        self.failing = None
        return tuple(i.model_copy(update={"step": step}) for i in proposed)

    def _branch(self, edits: Edits, step: int) -> Trace:
        if self._short:
            return self._runs.beginning(edits, self._sample, step + 1)
        return self._runs.trace(edits, self._sample)
