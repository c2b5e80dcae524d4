"""An arm grown draw by draw: `Arms`, which counts as draws what are draws."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from butfor.cache.errors import ButforError
from butfor.counterfactual.evidence.evalue import Counts
from butfor.counterfactual.trial import Arm, Draw
from butfor.replay.replayed import Edits

from .ledger import Player
from .runs import Run

Variant = Callable[[int], Edits | None]
"""The edits of an arm whose text is worded for the n-th time; 0 as it is, `None` where there is no other wording."""

Drawn = Callable[[Edits, int], Run]
"""One run with these edits as the n-th repeat."""


class Side(NamedTuple):
    """What an arm draws, and from which sample on."""

    variant: Variant
    first: int


class Growing:
    """One arm while it is drawn.

    A run that equals an earlier one byte for byte counts as a draw of its own only if whoever was asked in it is known
    to give two answers to one question, or if nothing was asked in it: then nothing was left to chance.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.runs: list[Run] = []
        self.draws: list[Draw] = []
        self.worded = 0
        self.exhausted = False
        self._seen: dict[bytes, int] = {}

    @property
    def counts(self) -> Counts:
        """Of the draws that count."""
        counted = [draw for draw in self.draws if draw.counted]
        return Counts(sum(draw.success for draw in counted), len(counted))

    def add(self, run: Run, wording: int, honest: Callable[[frozenset[Player]], bool]) -> None:
        """Enter one run; `honest` says whether repeats of these players are draws of their own."""
        earlier = self._seen.get(run.signature)
        counted = earlier is None or not run.players or honest(run.players)
        changes: dict[str, object] = {"wording": wording, "counted": counted, "repeats": earlier}
        if earlier is not None:
            changes["steps"] = ()
        else:
            self._seen[run.signature] = run.draw.sample
        self.runs.append(run)
        self.draws.append(run.draw.model_copy(update=changes))

    def arm(self) -> Arm:
        """The arm as it is now."""
        counts = self.counts
        return Arm(
            successes=counts.successes,
            draws=counts.draws,
            answers=tuple(draw.answer or "" for draw in self.draws if draw.counted),
            distinct=len(self._seen),
            repeated=len(self.draws) - len(self._seen),
            runs=tuple(self.draws),
        )


class Arms:
    """Grows arms side by side, and varies their text where a model gives one answer to one question."""

    def __init__(
        self,
        drawn: Drawn,
        *,
        parallel: Callable[[Sequence[Callable[[], object]]], None],
        honest: Callable[[frozenset[Player]], bool],
        repeating: Callable[[], bool],
        fatal: tuple[type[ButforError], ...],
    ) -> None:
        self._drawn = drawn
        self._parallel = parallel
        self._honest = honest
        self._repeating = repeating
        self._fatal = fatal

    def grow(self, arms: Sequence[tuple[Growing, int]]) -> str | None:
        """Draw each arm until so many more draws of it count; the reason why not, where it could not be done."""
        goals = [(arm, arm.counts.draws + more) for arm, more in arms if more]
        try:
            while True:
                wanted = [job for arm, goal in goals for job in self._wanted(arm, goal - arm.counts.draws)]
                if not wanted:
                    return None
                error = self._draw(wanted)
                if error is not None:
                    return error
        except ButforError as error:  # of a rewording, or of a look at whether repeats are draws
            if isinstance(error, self._fatal):
                raise
            return str(error)

    def _wanted(self, arm: Growing, missing: int) -> list[tuple[Growing, int, int, Edits]]:
        """The next runs of an arm: the same text with new samples, or, where that repeats itself, another wording."""
        if missing <= 0 or arm.exhausted:
            return []
        repeating = self._repeating() or any(not draw.counted for draw in arm.draws)
        jobs = []
        for n in range(missing):
            if repeating and len(arm.draws) + n:
                arm.worded += 1
            edits = arm.side.variant(arm.worded)
            if edits is None:
                arm.exhausted = True
                break
            jobs.append((arm, arm.worded, arm.side.first + len(arm.draws) + n, edits))
        return jobs

    def _draw(self, wanted: Sequence[tuple[Growing, int, int, Edits]]) -> str | None:
        results: dict[int, Run | str] = {}

        def one(place: int, edits: Edits, sample: int) -> None:
            try:
                results[place] = self._drawn(edits, sample)
            except ButforError as error:
                if isinstance(error, self._fatal):
                    raise
                results[place] = str(error)

        self._parallel([partial(one, n, edits, sample) for n, (_, _, sample, edits) in enumerate(wanted)])
        for place, (arm, wording, _, _) in enumerate(wanted):
            result = results[place]
            if isinstance(result, str):
                return result
            arm.add(result, wording, self._honest)
        return None
