"""Both arms of one intervention: `Trial`, every draw of them, and what they show."""

from typing import Literal

from pydantic import Field

from butfor.cache.call import Frozen, Message, Origin

from .intervention import Intervention

Finding = Literal["flips", "excluded", "undecided"]
"""What a trial shows: its effect is above the threshold; it is convincingly not large; or neither is clear."""


class Played(Frozen):
    """One step of one draw."""

    index: int
    """Its place in the draw, from 0; a step of the recording may stand elsewhere, or be missing."""
    agent: str
    origin: Origin
    """`live` for every answer that was drawn, also where it had been stored: a resumed audit shows the same."""
    output: str | None = None
    """What it said; `None` where that is word for word what was recorded at this place."""


class Draw(Frozen):
    """One run of one arm, as it went from the change on."""

    sample: int
    """The repeat's number, part of every key of its answers; the arms and the screen have ranges of their own."""
    success: bool
    answer: str | None = None
    """The final answer as the judge saw it, cut at 500 characters."""
    judgements: tuple[bool, ...] = ()
    """What the judge said when it was asked again about this answer; `success` is the majority of all."""
    calls: int = 0
    """Answers that the draw took from a model, stored or live."""
    tokens: int = 0
    """Of these answers, input and output, as far as they were reported."""
    kept: int = 0
    """Steps at the start that are as recorded; `steps` begins behind them."""
    steps: tuple[Played, ...] = ()
    """From the first step on that is not as recorded; empty where the draw repeats another."""
    repeats: int | None = None
    """The sample of the earlier draw of this arm that it equals byte for byte from the change on."""
    wording: int = 0
    """Which wording of the changed text it has: 0 as proposed or recorded, else the n-th rewording."""
    counted: bool = True
    """Whether it counts as a draw; a repeat does not where the model gives one answer to one question."""


class Arm(Frozen):
    """The draws of one arm."""

    successes: int = 0
    """Among the draws that count."""
    draws: int = 0
    """That count."""
    answers: tuple[str, ...] = ()
    """Final answers, one per draw that counts."""
    distinct: int = 0
    """How many different continuations there were among all runs of the arm."""
    repeated: int = 0
    """Runs that were byte for byte an earlier one of the arm, from the change on."""
    runs: tuple[Draw, ...] = ()
    """Every run of the arm, in the order of its samples, those that do not count too."""


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
    """Of the effect, at the trial's share of the audit's error; valid however the number of draws was chosen."""
    finding: Finding
    error: str | None = None
    """Why it was cut short."""
    share: float = 1.0
    """The part of the audit's chance of a false blame that this trial may use up, in (0, 1]."""
    deterministic: bool = False
    """Whether one draw an arm was taken for the whole truth, on a person's word."""
    note: str = ""
    """What is to be known about its draws: that an arm repeats itself, that the text was varied, or neither."""

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


class Proposal(Frozen):
    """One question to the corrector and its reply: the proof of what it saw."""

    step: int
    purpose: Literal["correct", "once more", "reword"]
    """`correct`: how should the step have gone; `once more`: its own job only; `reword`: the same in other words."""
    model: str
    prompt: tuple[Message, ...]
    """Every message it was shown."""
    reply: str
    blind: bool = True
    """Whether the expected answer, the judgement and the label were kept from it."""
    after: tuple[int, ...] = Field(default=())
    """The steps that were corrected already in the run it was shown."""
