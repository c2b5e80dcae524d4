"""What both arms of a change draw: `Sides`, with every text in other words where that is asked for."""

from butfor.counterfactual.intervention import Intervention, control, treated
from butfor.counterfactual.proposer import Proposer, Rewords
from butfor.replay.replayed import Edits
from butfor.replay.trace import Trace

from .arms import Growing, Side


class Sides:
    """Builds arms that are not drawn yet, and remembers every rewording."""

    def __init__(self, trace: Trace, proposer: Proposer) -> None:
        self._trace = trace
        self._proposer = proposer
        self._reworded: dict[tuple[int, str, int], str | None] = {}

    def of(self, interventions: tuple[Intervention, ...], first: int, beside: int) -> tuple[Growing, Growing]:
        """The treated arm from the sample `first` on, and the control arm from `beside` on.

        The control arm draws every step that the treated arm asked anew too: a short answer, or what code makes of
        one, leaves no read edge, and the control would be held to the recording where the treated arm is free.
        """
        kept = tuple(
            i if i.step is None else Intervention(kind="given", step=i.step, output=self._trace.steps[i.step].output)
            for i in interventions
        )

        def change(n: int) -> Edits | None:
            worded = self._worded(interventions, n)
            return None if worded is None else treated(self._trace, worded)

        def keep(n: int) -> Edits | None:
            worded = self._worded(kept, n)
            if worded is None:
                return None
            edits = control(self._trace, interventions)
            answers = {**edits.answers, **{i.step: i.output or "" for i in worded if i.step is not None}}
            return Edits(answers=answers, redraw=(edits.redraw | hidden()) - answers.keys())

        fixed: list[frozenset[int]] = []

        def hidden() -> frozenset[int]:
            if not fixed:
                fixed.append(frozenset().union(*(run.asked for run in changed.runs)))
            return fixed[0]

        changed = Growing(Side(change, first))
        return changed, Growing(Side(keep, beside))

    def reword(self, step: int, text: str, n: int) -> str | None:
        """What a step says, in other words for the n-th time; `None` where nobody can reword it, or not any more.

        Raises:
            ButforError: the corrector could not be asked.
        """
        key = (step, text, n)
        if key not in self._reworded:
            able = self._proposer if isinstance(self._proposer, Rewords) else None
            self._reworded[key] = able.reword(self._trace.blind(), step, text, n) if able is not None else None
        return self._reworded[key]

    def _worded(self, interventions: tuple[Intervention, ...], n: int) -> tuple[Intervention, ...] | None:
        """The changes with every text worded for the n-th time."""
        if not n:
            return interventions
        worded = []
        for i in interventions:
            if i.kind not in ("correct", "given") or i.step is None or not i.output:
                return None
            other = self.reword(i.step, i.output, n)
            if other is None:
                return None
            worded.append(i.model_copy(update={"output": other}))
        return tuple(worded)
