"""Does a proposed correction simply give the expected answer away? `refuse_leak`, in whatever words."""

import re
from collections.abc import Iterator
from fractions import Fraction

from butfor.cache.errors import LeakedAnswer
from butfor.replay.trace import Trace

from .intervention import Intervention
from .judge import NUMBER, mentions, normalise, number_value

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
    """Stop a proposed correction that gives the expected answer away.

    Raises:
        LeakedAnswer: the correction holds the expected answer; the task, the step's own output and all that it
            had read do not.
    """
    if intervention.kind != "correct" or intervention.step is None or not trace.expected:
        return
    known = [trace.steps[i].output for i in (*trace.context(intervention.step), intervention.step)]
    if any(gives_away(text, trace.expected) for text in (trace.task, *known)):
        return
    if gives_away(intervention.output or "", trace.expected):
        raise LeakedAnswer(
            f"the correction of step {intervention.step} holds the expected answer, which nothing before it does; it "
            "would show that the answer helps, not that the step was at fault"
        )


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
