"""A provider without a model: a list of answers, or a Python function."""

import threading
from collections.abc import Callable, Iterable

from .call import Call, Completion, answer
from .errors import UnexpectedCall


class Scripted:
    """Answers calls from a script.

    A function is asked every time; a list is used up in order, and asking it too much or, on `close`, too
    little is an error.
    """

    def __init__(self, script: Callable[[Call], Completion | str] | Iterable[Completion | str]) -> None:
        self._function = script if callable(script) else None
        self._answers = [] if callable(script) else list(script)
        self._lock = threading.Lock()
        self.calls: list[Call] = []

    def complete(self, call: Call) -> Completion:
        """The script's next answer.

        Raises:
            UnexpectedCall: the list is used up.
        """
        with self._lock:
            self.calls.append(call)
            asked = len(self.calls)
        if self._function:
            given = self._function(call)
        elif asked <= len(self._answers):
            given = self._answers[asked - 1]
        else:
            raise UnexpectedCall(f"the script holds {len(self._answers)} answers, and was asked a {asked}th time")
        return answer(given) if isinstance(given, str) else given

    def close(self) -> None:
        """Check that the list was used up.

        Raises:
            UnexpectedCall: answers were left over.
        """
        if len(self.calls) < len(self._answers):
            raise UnexpectedCall(f"the script holds {len(self._answers)} answers, and was asked {len(self.calls)}")
