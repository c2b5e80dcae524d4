"""A correction that gives the expected answer away is refused, in whatever words; one that does not is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butfor.cache.errors import LeakedAnswer
from butfor.counterfactual.intervention import Intervention
from butfor.counterfactual.leak import gives_away, refuse_leak
from butfor.scenarios import scenario


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So it is 34.", "34"),
        ("So it is thirty-four.", "34"),
        ("That makes one thousand eight hundred and six euros", "1806"),
        ("exactly 1,806 euros", "1806 EUR"),
        ("about 0.28571 of them", "0.29"),
        ("It was Shannon, Claude.", "Claude Shannon"),
        ("the ANSWER is: St. Petersburg!", "st petersburg"),
        ("two million", "2,000,000"),
        ("17 km away", "17 kilometres"),
        ("about twelve percent", "12%"),
    ],
)
def test_an_answer_in_other_words_is_seen(text: str, answer: str) -> None:
    assert gives_away(text, answer)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("4. Count the rows\n5. Report", "4"),
        ("It is 340 or 134.", "34"),
        ("thirty boxes and four jars", "34"),
        ("Claude wrote it; much later somebody called Shannon came by", "Claude Shannon"),
        ("nothing at all", "nobody"),
        ("35", "34"),
        ("three hundred", "3"),
    ],
)
def test_what_merely_looks_like_it_is_not(text: str, answer: str) -> None:
    assert not gives_away(text, answer)


@given(st.integers(0, 999_999))
def test_a_number_written_out_gives_itself_away(number: int) -> None:
    assert gives_away(f"I say {_in_words(number)}, then", str(number))
    assert not gives_away(f"I say {_in_words(number)}, then", str(number + 1))


def test_a_step_may_say_what_it_had_read() -> None:
    trace = scenario("relay").record().model_copy(update={"expected": "30 jars"})
    refuse_leak(trace, Intervention(kind="correct", step=1, output="There are 30 jars."))


def test_a_leak_is_refused_unless_a_person_gave_it() -> None:
    trace = scenario("relay").record()
    leak = "The freight costs thirty-four euros."
    with pytest.raises(LeakedAnswer, match="step 1"):
        refuse_leak(trace, Intervention(kind="correct", step=1, output=leak))
    refuse_leak(trace, Intervention(kind="given", step=1, output=leak))


_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _in_words(number: int) -> str:
    if number < 20:
        return _ONES[number]
    for size, name in ((1_000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" and {_in_words(number % size)}" if number % size else ""
            return f"{_in_words(number // size)} {name}{rest}"
    rest = f"-{_ONES[number % 10]}" if number % 10 else ""
    return _TENS[number // 10 - 2] + rest
