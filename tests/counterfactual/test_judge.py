"""Judges: the same answer is recognised in every spelling, another answer in none."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from traces import run

from butfor.cache.errors import ExperimentError
from butfor.cache.scripted import Scripted
from butfor.counterfactual.judge import (
    JUDGES,
    contains,
    exact,
    llm,
    mentions,
    normalise,
    pattern,
    same_answer,
    stated_answer,
)
from butfor.replay.trace import Trace


def ending(text: str, expected: str | None = "34") -> Trace:
    return run(("Ann", "The task is hard."), ("Bob", text), expected=expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("34", "34"),
        ("34.0", "34"),
        (" 34. ", "34"),
        ("+34", "34"),
        ("3.4e1", "34"),
        ("1,234,567", "1234567"),
        ("−5", "-5"),
        (".5", "0.5"),
        ("0.50", ".5"),
        ("34 euros", "34"),
        ("34", "34 euros"),
        ("34 Euros", "34 €"),
        ("€34", "34 euros"),
        ("$1,000", "1000 dollars"),
        ("5 %", "5 percent"),
        ("12 kilometres", "12km"),
        ("about 12 km", "12 km"),
        ("The Beatles", "beatles"),
        ("yes!", "Yes"),
        ("Nosferatu, the Vampyre", "Nosferatu the Vampyre"),
        ("“orange”, white", "orange white"),
        ("STRASSE", "straße"),
        ("a  b\n c", "B C"),
    ],
)
def test_the_same_answer_in_another_spelling(given: str, expected: str) -> None:
    assert same_answer(given, expected)
    assert same_answer(expected, given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("34", "35"),
        ("34", "-34"),
        ("3.4", "34"),
        ("34 euros", "34 dollars"),
        ("34 km", "34 miles"),
        ("34 %", "34 euros"),
        ("34 of 50", "34"),
        ("34 or 35", "34"),
        ("1,23", "123"),
        ("white", "orange white"),
        ("Nosferatu", "Nosferatu the Vampyre"),
        ("", "34"),
        ("", ""),
        ("!", "?"),
        ("3" * 5000, "34"),
    ],
)
def test_another_answer(given: str, expected: str) -> None:
    assert not same_answer(given, expected)
    assert not same_answer(expected, given)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["", " euros", " km", "%", " boxes"]))
def test_a_whole_number_in_every_grouping(number: int, unit: str) -> None:
    spellings = [f"{number}", f"{number:,}", f"{number}.0", f" {number}. "]
    assert len({normalise(spelling) for spelling in spellings}) == 1
    assert all(same_answer(f"{spelling.strip(' .')}{unit}", f"{number}{unit}") for spelling in spellings[:3])
    assert not same_answer(f"{number + 1:,}{unit}", f"{number}{unit}")


@given(st.text(max_size=60))
def test_any_text_is_normalised_and_is_the_same_as_itself(text: str) -> None:
    plain = normalise(text)
    assert plain == plain.casefold()
    assert "  " not in plain
    assert same_answer(text, text) == bool(plain)


@given(st.text(max_size=40), st.text(max_size=40))
def test_sameness_has_no_direction(one: str, other: str) -> None:
    assert same_answer(one, other) == same_answer(other, one)


@given(st.text("abc ", min_size=1, max_size=20), st.sampled_from(["{}", " {}!", "The {}.", "({})", "'{}'"]))
def test_case_and_punctuation_do_not_matter(text: str, frame: str) -> None:
    assume(normalise(text))
    assert same_answer(frame.format(text.upper()), text)


@given(st.text("0123456789.,-+eE ", max_size=400))
def test_no_number_is_too_odd(text: str) -> None:
    same_answer(text, "34")
    stated_answer(text, number=True)
    mentions(text, "34")


@pytest.mark.parametrize(
    ("text", "answer", "found"),
    [
        ("The sum is 34, I think", "34", True),
        ("34", "34", True),
        ("The sum is 134", "34", False),
        ("The sum is 34.5", "34", False),
        ("between 1,234 and 2", "1234", True),
        ("It was The Beatles.", "beatles", True),
        ("It was beatlemania.", "beatles", False),
        ("anything", "", False),
    ],
)
def test_mentioning(text: str, answer: str, found: bool) -> None:
    assert mentions(text, answer) == found


@pytest.mark.parametrize(
    "text",
    [
        "34",
        "FINAL ANSWER: 34 euros",
        "So it is done.\nFINAL ANSWER: 34\nGoodbye.",
        "The cost is **34** euros for 12 boxes.",
        "With 12 boxes:\n\\boxed{34}",
        "We have 12 boxes.\nThe answer is 34.",
        "The answer is: 34",
        "We have 12 boxes of 30 jars.\nThat makes 34",
    ],
)
def test_exact_finds_the_stated_answer(text: str) -> None:
    assert exact(ending(text)).success


@pytest.mark.parametrize(
    "text",
    [
        "35",
        "FINAL ANSWER: 35 (not 34)",
        "34 boxes make **35**.",
        "From 34 follows:\nThe answer is 35",
        "34 at first,\nthen 35",
        "1" * 10_000,
        "",
    ],
)
def test_exact_finds_no_other(text: str) -> None:
    assert not exact(ending(text)).success


def test_exact_says_what_it_read_and_what_it_expected() -> None:
    outcome = exact(ending("So.\nFINAL ANSWER: 35 euros"))
    assert (outcome.answer, outcome.explanation) == ("35 euros", "expected '34'")


def test_contains() -> None:
    assert contains(ending("It is, all in all, 34 euros or so.")).success
    assert not contains(ending("It is 340 euros.")).success


def test_pattern() -> None:
    judge = pattern(r"3[45]\b")
    assert judge(ending("It is 35.", expected=None)).success
    assert not judge(ending("It is 350.", expected=None)).success
    with pytest.raises(ExperimentError, match="not a regular expression"):
        pattern("(")


@pytest.mark.parametrize("judge", JUDGES.values(), ids=JUDGES.keys())
@pytest.mark.parametrize("expected", [None, "", "  "])
def test_without_an_expected_answer_there_is_no_judgement(judge: object, expected: str | None) -> None:
    assert callable(judge)
    with pytest.raises(ExperimentError, match="give --expected TEXT"):
        judge(ending("34", expected))


@pytest.mark.parametrize(
    ("reply", "success"),
    [("CORRECT: both say 34.", True), ("INCORRECT, 35 is not 34.", False), ("yes", True), ("No.", False)],
)
def test_a_model_as_judge(reply: str, success: bool) -> None:
    live = Scripted([reply])
    assert llm(live, "openai:a")(ending("It is 34.")).success is success
    question = live.calls[0]
    assert (question.model, question.agent) == ("openai:a", "judge")
    assert "34" in question.messages[-1].text
    assert "It is 34." in question.messages[-1].text


def test_a_model_that_does_not_judge_is_an_error() -> None:
    with pytest.raises(ExperimentError, match="neither CORRECT nor INCORRECT"):
        llm(Scripted(["Perhaps."]), "openai:a")(ending("It is 34."))
