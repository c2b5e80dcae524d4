"""Regular expressions that somebody else may have written: `Pattern`, which gives up after two seconds."""

from functools import cache

from butfor.cache.errors import ExperimentError

_SECONDS = 2.0


class Pattern:
    """A regular expression in Python's spelling, with a time limit on every use.

    Raises:
        ExperimentError: it is no regular expression; the message names the setting in which it stood.
    """

    def __init__(self, text: str, *, setting: str) -> None:
        import regex

        self._text = text
        self._setting = setting
        try:
            self._compiled = regex.compile(text)
        except (regex.error, RecursionError, OverflowError) as error:
            raise ExperimentError(f"{setting}{text[:200]} is not a regular expression: {error}") from None

    def search(self, text: str) -> str | None:
        """What matches first in a text; `None` where nothing does.

        Raises:
            ExperimentError: it took longer than two seconds.
        """
        try:
            found = self._compiled.search(text, timeout=_SECONDS)
        except TimeoutError:
            raise self._slow() from None
        return None if found is None else str(found[0])

    def replaced(self, text: str, by: str) -> str:
        """The text with everything that matches replaced.

        Raises:
            ExperimentError: it took longer than two seconds.
        """
        try:
            return str(self._compiled.sub(by, text, timeout=_SECONDS))
        except TimeoutError:
            raise self._slow() from None

    def _slow(self) -> ExperimentError:
        return ExperimentError(
            f"{self._setting}{self._text[:200]} takes longer than {_SECONDS:g} s on one text; give a simpler pattern"
        )


@cache
def pattern(text: str, *, setting: str) -> Pattern:
    """A pattern; equal texts give one.

    Raises:
        ExperimentError: it is no regular expression.
    """
    return Pattern(text, setting=setting)
