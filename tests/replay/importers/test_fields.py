"""Fields of a log: what is not as expected is an error with the place, the value and what was expected."""

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.reading.fields import Field, parse_json, parse_records

LOG = Field({"a": [{"b": 5, "t": "2026-01-31T12:00:00+01:00", "n": None, "s": '{"x": [1]}'}]}, "run.json")


def test_values_are_found_by_their_path() -> None:
    item = LOG.need("a").items()[0]
    assert item.where == "run.json: a[0]"
    assert item.need("b").integer() == 5
    assert item.time("t") == 1769857200.0
    assert item.get("n") is None
    assert item.maybe_text("gone") is None
    assert item.need("s").parsed().need("x").json() == [1]
    assert LOG.dig("a", "b") is None


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        (lambda f: f.need("gone", "a list"), r"run\.json: a\[0\]\.gone is missing \(expected a list\)"),
        (lambda f: f.text("b"), r"run\.json: a\[0\]\.b is the number 5 \(expected text\)"),
        (lambda f: f.text("n"), r"a\[0\]\.n is missing"),
        (lambda f: f.listed("b"), r"a\[0\]\.b is the number 5 \(expected a list\)"),
        (lambda f: f.need("b").get("c"), r"a\[0\]\.b is the number 5 \(expected an object\)"),
        (lambda f: f.maybe_integer("t"), r"a\[0\]\.t is the text '2026-.*' \(expected a number\)"),
        (lambda f: f.time("s"), r"a\[0\]\.s is the text .* \(expected a time as in"),
        (lambda f: Field(1.5, "x").integer(), r"x is the number 1\.5 \(expected a whole number\)"),
        (lambda f: Field(10**400, "x").number(), r"x is a huge number \(expected a number below"),
        (lambda f: Field(True, "x").number(), r"x is true \(expected a number\)"),
    ],
)
def test_what_is_wrong_is_named(read, problem: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LogFormatError, match=problem):
        read(LOG.need("a").items()[0])


def test_deep_values_are_refused_before_anything_walks_them() -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(LogFormatError, match="nested more than 100 deep"):
        Field(deep, "x").json()


def test_times() -> None:
    def read(value: object) -> float | None:
        return Field({"t": value}, "x").time("t")

    assert read("2026-01-31T11:00:00Z") == read("2026-01-31T12:00:00+01:00") == read("2026-01-31T11:00:00")
    assert read("2026-01-31T11:00:00.123456789Z") == pytest.approx(1769857200.123456)
    assert read(1769857200) == 1769857200.0
    assert read(None) is None


def test_records_one_after_another_on_lines_or_not() -> None:
    text = '{"a": 1}\n\n{\n "a": 2\n}\n{"a": "x"}'
    records = parse_records(text, name="a.jsonl")
    assert [record.need("a").value for record in records] == [1, 2, "x"]
    assert records[2].need("a").where == "a.jsonl: line 6: a"
    listed = parse_records('[{"a": 1}, {"a": "x"}]', name="a.json")
    assert listed[1].need("a").where == "a.json: [1].a"
    with pytest.raises(LogFormatError, match=r"a\.jsonl: line 2, column 2"):
        parse_records('{"a": 1}\n{a: 2}', name="a.jsonl")


def test_a_lone_surrogate_is_refused_and_a_pair_is_read() -> None:
    assert parse_json(r'["\ud83d\ude00", "\\ud800"]', name="a") == ["😀", "\\ud800"]
    with pytest.raises(LogFormatError, match=r"half a character \(\\ud800\)"):
        parse_json(r'{"\ud800": 1}', name="a")
