"""Regular expressions of people and of files, which may be made never to end: `Pattern` stops them."""

import warnings
from typing import NamedTuple

import regex

from butfor.cache.errors import ButforError

from .text import excerpt

_LIMIT_SECONDS = 2.0
_LONGEST = 2000
"""Characters of an expression."""


class Pattern(NamedTuple):
    """A compiled expression whose every use ends within two seconds."""

    spelled: str
    compiled: "regex.Pattern[str]"

    def search(self, text: str) -> str | None:
        """The first match; `None` where there is none.

        Raises:
            ButforError: it took too long.
        """
        try:
            found = self.compiled.search(text, timeout=_LIMIT_SECONDS)
        except TimeoutError:
            raise self._endless(text) from None
        return found[0] if found else None

    def replaced(self, text: str, by: str) -> str:
        """The text with every match replaced.

        Raises:
            ButforError: it took too long.
        """
        try:
            return self.compiled.sub(lambda _: by, text, timeout=_LIMIT_SECONDS)
        except TimeoutError:
            raise self._endless(text) from None

    def _endless(self, text: str) -> ButforError:
        return ButforError(
            f"the pattern {excerpt(self.spelled)} took longer than {_LIMIT_SECONDS:g} s on a text of {len(text)} "
            "characters; write one without nested repeats"
        )


def pattern_of(text: str) -> Pattern:
    """The expression that a text spells.

    Raises:
        ValueError: it spells none; the message says why.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of set operations that a later version may read
            return Pattern(text, regex.compile(text))
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
