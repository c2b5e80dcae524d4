"""Both arms of one intervention: `Trial`, and what it shows."""

from typing import Literal

from butfor.cache.call import Frozen

from .intervention import Intervention

Finding = Literal["flips", "excluded", "undecided"]
"""What a trial shows: its effect is above the threshold; it is convincingly not; or it was cut short."""


class Arm(Frozen):
    """The draws of one arm."""

    successes: int = 0
    draws: int = 0
    answers: tuple[str, ...] = ()
    """Final answers, one per draw."""


class Trial(Frozen):
    """One change of a run, held against the run as it was."""

    interventions: tuple[Intervention, ...]
    treated: Arm
    """The changed steps answer anew."""
    control: Arm
    """The changed steps answer as recorded; everything they reach is drawn again in both arms."""
    effect: float
    """P(success | changed) - P(success | recorded), estimated; in [-1, 1]."""
    interval: tuple[float, float]
    """Of the effect, at the audit's confidence; valid however the number of draws was chosen."""
    finding: Finding
    error: str | None = None
    """Why it was cut short."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps changed, in order; empty for a swap."""
        return tuple(sorted(i.step for i in self.interventions if i.step is not None))


class Untested(Frozen):
    """A step that was not tried, and why."""

    step: int
    agent: str
    reason: Literal[
        "nothing to correct",
        "not reached",
        "ruled out together",
        "leaked answer",
        "failed",
        "budget",
        "later than the verdict",
    ]
    detail: str = ""

    @property
    def innocent(self) -> bool:
        """Whether the reason speaks for the step: nothing seemed wrong, or no change of it can matter."""
        return self.reason in ("nothing to correct", "not reached", "ruled out together")
