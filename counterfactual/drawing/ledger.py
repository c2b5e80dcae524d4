"""What live questions were asked and answered: `Ledger`, which tells whether repeats are draws at all."""

import json
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from butfor.cache.call import Call, Completion
from butfor.cache.provider import Provider

Player = str
"""Who answers, as far as an experiment can tell: the model's name, its parameters, and who plays it."""


@runtime_checkable
class Casts(Protocol):
    """A provider that knows who plays an agent, and with which parameters."""

    def sent(self, call: Call, /) -> Call:
        """The question as whoever plays the agent gets it."""
        ...


class Asked(NamedTuple):
    """One question to a model as an agent."""

    step: int | None
    """The recorded step that it acts out, where the executor knows."""
    agent: str | None
    text: str
    """The answer."""


class Ledger:
    """Every live question with the different answers that repeats of a run got to it.

    A model that honours seeds gives, sooner or later, two answers to one question; where it never did, its repeats
    may be one and the same draw: at temperature 0, behind a caching gateway, with an ignored seed.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[Player, bytes], set[bytes]] = {}
        self._varied: set[Player] = set()
        self._asked: dict[Player, int] = {}
        self._cold: set[str] = set()
        self._lock = threading.Lock()

    def note(self, player: Player, call: Call, completion: Completion) -> None:
        """Keep one question and its answer."""
        said = completion.message._digest
        with self._lock:
            answers = self._answers.setdefault((player, call.content_key), set())
            answers.add(said)
            self._asked[player] = self._asked.get(player, 0) + 1
            if len(answers) > 1:
                self._varied.add(player)
            if call.params.get("temperature") == 0:
                self._cold.add(call.agent or call.model)

    def varied(self, players: frozenset[Player]) -> bool:
        """Whether one of these has given two answers to one question."""
        with self._lock:
            return not self._varied.isdisjoint(players)

    @property
    def cold(self) -> tuple[str, ...]:
        """The agents that were asked at temperature 0."""
        with self._lock:
            return tuple(sorted(self._cold))


class Noted:
    """A provider whose questions are entered in a ledger; one instance serves one run.

    `check` is called before every question, so that a run can be given up between two.
    """

    def __init__(self, live: Provider, ledger: Ledger, *, check: Callable[[], None], playing: str = "") -> None:
        self._live = live
        self._ledger = ledger
        self._check = check
        self._playing = playing
        self._lock = threading.Lock()
        self.calls = 0
        self.tokens = 0
        self.players: frozenset[Player] = frozenset()
        self.asked: list[Asked] = []

    def complete(self, call: Call) -> Completion:
        """Ask, and note what came back.

        Raises:
            CallError: the question could not be answered, or the run was given up.
        """
        self._check()
        completion = self._live.complete(call)
        if call.model.startswith("tool:") and completion.origin != "simulated":
            return completion
        sent = self._live.sent(call) if isinstance(self._live, Casts) and not call.model.startswith("tool:") else call
        player = _player(sent, self._playing)
        self._ledger.note(player, sent, completion)
        usage = completion.usage
        with self._lock:
            self.calls += 1
            self.tokens += usage.input_tokens + usage.output_tokens if usage else 0
            self.players |= {player}
            if not call.model.startswith("tool:"):
                self.asked.append(Asked(call.step, call.agent, completion.text))
        return completion


def _player(call: Call, playing: str) -> Player:
    params = {name: value for name, value in call.params.items() if name != "seed"}
    model = "tool" if call.model.startswith("tool:") else call.model
    return f"{playing}|{model}|{json.dumps(params, sort_keys=True, default=str)}"
