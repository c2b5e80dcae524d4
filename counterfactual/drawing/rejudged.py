"""A judge that may err, asked again: one judgement of one answer is one draw, however often the answer came."""

from collections.abc import Sequence

from butfor.counterfactual.judge import Judge, JudgesAgain
from butfor.counterfactual.trial import Draw
from butfor.replay.trace import Trace

from .arms import Growing
from .runs import Runs

_AGAIN = 4
"""Further judgements of one answer, at most; the majority of all five counts."""

_Word = tuple[str, bool]
"""An answer, and what was said of it first."""


def rejudged(judge: Judge, runs: Runs, arms: tuple[Growing, Growing]) -> tuple[Growing, Growing]:
    """Both arms with their answers judged again, independently: every success of the treated arm, and every answer
    that stands for several draws.

    A judge that cannot be asked in another way is asked the same again, which tells one that guesses.

    Raises:
        ButforError: the judge could not be asked.
    """
    words: dict[_Word, tuple[bool, ...]] = {}
    for arm, every in ((arms[0], True), (arms[1], False)):
        answers = [draw.answer for draw in arm.draws]
        for draw in arm.draws:
            word = _word(draw)
            if word not in words and (answers.count(draw.answer) > 1 or (every and draw.success)):
                words[word] = _asked(judge, runs.judged(*word), draw.success)
    for arm in arms:
        arm.draws = [_settled_draw(draw, words.get(_word(draw), ())) for draw in arm.draws]
    return arms


def _word(draw: Draw) -> _Word:
    return draw.answer or "", draw.success


def _settled_draw(draw: Draw, said: Sequence[bool]) -> Draw:
    if not said:
        return draw
    return draw.model_copy(update={"judgements": tuple(said), "success": _majority(draw.success, said)})


def _asked(judge: Judge, trace: Trace | None, first: bool) -> tuple[bool, ...]:
    said: list[bool] = []
    while trace is not None and len(said) < _AGAIN and not _settled(first, said):
        again = judge.again(trace, len(said) + 1) if isinstance(judge, JudgesAgain) else judge(trace)
        said.append(again.success)
    return tuple(said)


def _settled(first: bool, said: Sequence[bool]) -> bool:
    """Whether the further judgements cannot change the majority of five any more."""
    for_it = sum((first, *said))
    return for_it > (_AGAIN + 1) // 2 or len(said) + 1 - for_it > (_AGAIN + 1) // 2


def _majority(first: bool, said: Sequence[bool]) -> bool:
    return 2 * sum((first, *said)) > len(said) + 1
