import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.reading.fields import Field


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_a_time_is_read_whatever_it_counts(unit: int) -> None:
    assert Field({"at": 1_700_000_000 * unit}, "a log").time("at") == 1_700_000_000.0


@pytest.mark.parametrize("value", [10**21, True, []])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(LogFormatError, match="at is"):
        Field({"at": value}, "a log").time("at")
