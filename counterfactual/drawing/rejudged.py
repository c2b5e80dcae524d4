"""A judge that is a model, asked again: one judgement of one answer is one draw, however often the answer came."""

from collections.abc import Sequence

from butfor.counterfactual.judge import Judge, JudgesAgain

from .arms import Growing
from .runs import Runs

_AGAIN = 4
"""Further judgements of one answer, at most; the majority of all five counts."""


def rejudged(judge: Judge, runs: Runs, arms: tuple[Growing, Growing]) -> tuple[Growing, Growing]:
    """Both arms with their answers judged again, independently: every success of the treated arm, and every answer
    that stands for several draws.

    Raises:
        ButforError: the judge could not be asked.
    """
    if not isinstance(judge, JudgesAgain):
        return arms
    verdicts: dict[str, tuple[bool, ...]] = {}
    for arm, every in ((arms[0], True), (arms[1], False)):
        answers = [draw.answer or "" for draw in arm.draws]
        for draw in arm.draws:
            answer = draw.answer or ""
            if answer not in verdicts and (answers.count(answer) > 1 or (every and draw.success)):
                verdicts[answer] = _asked(judge, runs, answer, draw.success)
    for arm in arms:
        arm.draws = [
            draw.model_copy(
                update={
                    "judgements": verdicts[draw.answer or ""],
                    "success": _majority(draw.success, verdicts[draw.answer or ""]),
                }
            )
            if (draw.answer or "") in verdicts
            else draw
            for draw in arm.draws
        ]
    return arms


def _asked(judge: JudgesAgain, runs: Runs, answer: str, first: bool) -> tuple[bool, ...]:
    trace = runs.judged(answer)
    said: list[bool] = []
    while trace is not None and len(said) < _AGAIN and not _settled(first, said):
        said.append(judge.again(trace, len(said) + 1).success)
    return tuple(said)


def _settled(first: bool, said: Sequence[bool]) -> bool:
    """Whether the further judgements cannot change the majority of five any more."""
    for_it = sum((first, *said))
    return for_it > (_AGAIN + 1) // 2 or len(said) + 1 - for_it > (_AGAIN + 1) // 2


def _majority(first: bool, said: Sequence[bool]) -> bool:
    return 2 * sum((first, *said)) > len(said) + 1
