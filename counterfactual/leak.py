"""Does a correction do its step's own job? What gives the answer away, and what runs ahead, in whatever words."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from fractions import Fraction

from butfor.cache.errors import LeakedAnswer
from butfor.replay.trace import Trace, answering_step, final_answer

from .intervention import Intervention
from .judge import NUMBER, mentions, normalise, number_value

_MUCH_THE_SAME = 0.5
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-Z][\w'’-]*[A-Za-z]\b", re.MULTILINE)
_VALUE = re.compile(rf"{NUMBER.pattern}|\b[A-Z][\w'’-]*[A-Za-z]\b")
_LIST_MARKER = re.compile(r"^\s*(?:[-*#>]\s*)*(?:step\s*)?\d+[.):]\s", re.MULTILINE | re.IGNORECASE)
_UNITS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_WORD = re.compile(r"[a-z]+")


def refuse_leak(trace: Trace, intervention: Intervention) -> None:
    """Stop a correction by somebody who saw the expected answer, where it gives that answer away.

    Raises:
        LeakedAnswer: the correction holds the expected answer; the task, the step's own output and all that it
            had read do not.
    """
    if intervention.step is not None and trace.expected and states_newly(trace, intervention, trace.expected):
        raise LeakedAnswer(
            f"the correction of step {intervention.step} holds the expected answer, which nothing before it does, and "
            "whoever wrote it saw that answer; it would show that the answer helps, not that the step was at fault"
        )


def states_newly(trace: Trace, intervention: Intervention, answer: str) -> bool:
    """Whether a correction states an answer that neither the task nor anything known at its step states."""
    if intervention.kind != "correct" or intervention.step is None or not answer.strip():
        return False
    known = [trace.steps[i].output for i in (*trace.context(intervention.step), intervention.step)]
    if any(gives_away(text, answer) for text in (trace.task, *known)):
        return False
    return gives_away(intervention.output or "", answer)


def ahead_of_its_job(trace: Trace, intervention: Intervention, answer: str) -> bool:
    """Whether a correction states the outcome although the recorded step had not come to it.

    It is in place where the recorded step stated a value in that role, which the correction replaces: the run's own
    answer, or a value of its own making that later steps use, in a message that is otherwise much the same.
    """
    if intervention.step is None or not states_newly(trace, intervention, answer):
        return False
    recorded, corrected = trace.steps[intervention.step], intervention.output or ""
    if intervention.step == answering_step(trace):
        return False
    own_answer = final_answer(trace)
    if own_answer and gives_away(recorded.output, own_answer) and not gives_away(corrected, own_answer):
        return False
    return not _replaces_a_value(trace, recorded.index, corrected)


def _replaces_a_value(trace: Trace, step: int, corrected: str) -> bool:
    """Whether a value that a step brought in, and that later steps use, gave way in a message much the same."""
    recorded = trace.steps[step].output
    known = facts(" ".join([trace.task, *(trace.steps[i].output for i in trace.context(step))]))
    later = facts(" ".join(other.output for other in trace.steps[step + 1 :]))
    gone = ((facts(recorded) - known) & later) - facts(corrected)
    if not gone:
        return False
    first, second = (_VALUE.sub("_", _LIST_MARKER.sub("", text)).split() for text in (recorded, corrected))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _MUCH_THE_SAME


def facts(text: str) -> frozenset[str]:
    """The numbers and the names in a text; a word in capitals at the start of a sentence is a name only elsewhere."""
    numbers = {str(value) for value in numbers_in(_LIST_MARKER.sub("", text))}
    return frozenset(numbers | {word.casefold() for word in _NAME.findall(text)})


def same_facts(text: str, other: str) -> bool:
    """Whether two texts hold the same numbers, and the second one all the names of the first."""
    first, second = ({str(value) for value in numbers_in(_LIST_MARKER.sub("", each))} for each in (text, other))
    words = set(normalise(other).split())
    names = {word for name in _NAME.findall(text) for word in normalise(name).split()}
    return first == second and names <= words


def gives_away(text: str, answer: str) -> bool:
    """Whether a text holds an answer, also in other words.

    A number may be written out, have another unit, or be more precise than the answer; the words of a name may
    stand in another order, close together. The numbers of a list are no answers.
    """
    plain = _LIST_MARKER.sub("", text)
    if mentions(plain, answer):
        return True
    value = number_value(answer.strip().rstrip(".%")) or number_value(_first_number(answer))
    if value is not None:
        return any(_rounds_to(number, value, answer) for number in numbers_in(plain))
    return _holds_words(normalise(plain).split(), normalise(answer).split())


def _first_number(answer: str) -> str:
    """The number in an answer that is little else than a number and its unit."""
    numbers = NUMBER.findall(answer)
    return numbers[0] if len(numbers) == 1 and len(normalise(answer).split()) <= 3 else ""


def _rounds_to(number: Fraction, value: Fraction, answer: str) -> bool:
    digits = len(match[1]) if (match := re.search(r"\.(\d+)", answer)) else 0
    return number == value or (number.denominator != 1 and round(number, digits) == value)


def numbers_in(text: str) -> Iterator[Fraction]:
    """Every number in a text, in digits or in English words."""
    for match in NUMBER.finditer(text):
        value = number_value(match[0])
        if value is not None:
            yield value
    yield from _written_out(text)


def _written_out(text: str) -> Iterator[Fraction]:
    total, current, open_ = 0, 0, False
    for word in [*_WORD.findall(text.casefold()), ""]:
        if word in _UNITS or word in _TENS:
            current += _UNITS.get(word, 0) + _TENS.get(word, 0)
            open_ = True
        elif open_ and word == "hundred":
            current *= 100
        elif open_ and word in _SCALES:
            total, current = total + current * _SCALES[word], 0
        elif not (open_ and word == "and"):
            if open_:
                yield Fraction(total + current)
            total, current, open_ = 0, 0, False


def _holds_words(words: list[str], wanted: list[str]) -> bool:
    """Whether all the words of a name stand close together, in any order."""
    if len(wanted) < 2:
        return False
    window = len(wanted) + 1
    return any(set(wanted) <= set(words[start : start + window]) for start in range(len(words)))
