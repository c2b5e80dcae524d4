"""Whether repeats are draws at all: `Seeds`, which looks before it counts."""

from collections.abc import Sequence

from butfor.cache.errors import BudgetExceeded, ButforError, ExperimentError
from butfor.replay.replayed import Edits

from .arms import Growing
from .ledger import Player
from .runs import Runs

_CHECKS = 3
_CHECKED_STEPS = 8


class Seeds:
    """Tells players that give two answers to one question from those that repeat themselves.

    `first` is the first sample that its own looks may use; `short` says that the executor can carry out the beginning
    of a run alone.
    """

    def __init__(
        self, runs: Runs, candidates: Sequence[int], *, length: int, first: int, short: bool,
        deterministic: bool, fatal: tuple[type[ButforError], ...],
    ) -> None:  # fmt: skip
        self._runs = runs
        self._candidates = frozenset(candidates)
        self._length = length
        self._first = first
        self._short = short
        self._deterministic = deterministic
        self._fatal = fatal
        self._one_answer: set[frozenset[Player]] = set()
        self._checked = False

    @property
    def repeating(self) -> bool:
        """Whether somebody was found to repeat himself, and nobody gave a word for it."""
        return bool(self._one_answer) and not self._deterministic

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the draws poorer than they look."""
        found = []
        if self._deterministic:
            found.append(
                "one draw an arm: that the team gives one answer to one question is a person's word"
                + (", and a repeat bore it out" if self._checked else "")
            )
        if self._runs.ledger.cold:
            found.append(f"asked at temperature 0: {', '.join(self._runs.ledger.cold)}; repeats may be one draw")
        if self.repeating:
            found.append("repeats with different seeds got one answer; such repeats count as one draw")
        return tuple(found)

    def honest(self, players: frozenset[Player]) -> bool:
        """Whether repeats of these players are draws of their own: one of them gave two answers to one question.

        Where none did so far, the run is drawn again from its start, to see.

        Raises:
            BudgetExceeded: it could not be seen; what is not known yet is not held to be one answer.
        """
        if self._deterministic or self._runs.ledger.varied(players):
            return True
        if players in self._one_answer:
            return False
        again = Edits(redraw=self._candidates)
        for n in range(_CHECKS):
            try:
                if self._short:
                    self._runs.beginning(again, self._first + n, min(_CHECKED_STEPS, self._length))
                else:
                    self._runs.run(again, self._first + n)
            except ButforError as error:
                if isinstance(error, (*self._fatal, BudgetExceeded)):
                    raise
                break
            if self._runs.ledger.varied(players):
                return True
        self._one_answer.add(players)
        return False

    def check_word(self, arms: Sequence[Growing]) -> None:
        """In a deterministic audit: that a repeat of one question gets the same answer, once an audit.

        Raises:
            ExperimentError: it does not.
        """
        if not self._deterministic:
            return
        players = frozenset[Player]().union(*(run.players for arm in arms for run in arm.runs))
        if players and not self._checked:
            last = Edits(redraw=frozenset([max(self._candidates)]))
            for n in range(2):
                self._runs.run(last, self._first + n)
            self._checked = True
        if self._runs.ledger.varied(players):
            raise ExperimentError(
                "the team was said to be deterministic, and one question got two answers; audit it without that word"
            )
