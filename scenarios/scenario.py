"""A failing run with a known cause, runnable without a model: `Scenario`, and the provider that plays its
team.

The players are functions that compute from what they read, so that a change of one message really reaches the
messages after it. Each has a right behaviour too, which plays the corrector: it sees what the agent read, as
any corrector does, and says what the agent should have said.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from butfor.cache.call import Call, Message
from butfor.cache.errors import ModelUnavailable, ProviderError
from butfor.cache.provider import Provider
from butfor.cache.scripted import Scripted
from butfor.replay.hearing import heard
from butfor.replay.simulator import Simulator
from butfor.replay.trace import Agent, Culprit, Kind, Source, Step, Team, Trace

_SPOKEN = re.compile(r"(?P<speaker>[\w ]+):\n(?P<text>.*)", re.DOTALL)
_REVIEW = re.compile(r"The message of (?P<agent>.+?) to review:\n<message>\n(?P<output>.*)\n</message>", re.DOTALL)
_REWORD = re.compile(
    r"The message of .+? to put in other words, version (?P<n>\d+):\n<message>\n(?P<output>.*)\n</message>", re.DOTALL
)
_NUMBER = r"[^\d\n-]{0,40}?(-?\d+(?:\.\d+)?)"


@dataclass(frozen=True)
class View:
    """What a player has read."""

    said: Sequence[tuple[str, str]]
    """(speaker, text), oldest first; the task's speaker is `task`."""
    chance: random.Random
    """Seeded by the call, so that the n-th draw is the same on every machine."""

    def text(self, speaker: str) -> str:
        """The speaker's last message, or nothing."""
        return next((text for who, text in reversed(self.said) if who == speaker), "")

    def number(self, label: str, speaker: str | None = None) -> float | None:
        """The number after a label: in a speaker's last message, or in the last message that has it."""
        texts = [self.text(speaker)] if speaker else [text for _, text in reversed(self.said)]
        found = (re.search(re.escape(label) + _NUMBER, text, re.IGNORECASE) for text in texts)
        return next((float(match[1]) for match in found if match), None)


Behaviour = Callable[[View], str]


@dataclass(frozen=True)
class Player:
    """A member of a scenario's team."""

    name: str
    act: Behaviour
    """What it does in the run."""
    right: Behaviour | None = None
    """What it should do; `None` where it does it."""
    kind: Kind = "llm"
    prompt: str = ""


@dataclass(frozen=True)
class Turn:
    """One place in the schedule."""

    player: str
    to: tuple[str, ...] | None = None
    """Who hears it; `None` everybody."""
    act: Behaviour | None = None
    """What the player does in this place, where it is not what it always does."""
    right: Behaviour | None = None


@dataclass(frozen=True)
class Scenario:
    """A team, its schedule, and what is wrong with it."""

    name: str
    task: str
    expected: str
    players: Sequence[Player]
    turns: Sequence[Turn]
    why: str
    """What went wrong, for a person."""
    verdict: str = "blamed"
    """What an audit must find."""
    culprits: tuple[int, ...] = ()
    """The step to blame, or the steps of the set; none for a run that is nobody's fault."""
    recorded_seed: int = 0
    """The draw that was recorded."""
    _by_name: dict[str, Player] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update({player.name: player for player in self.players})

    def record(self) -> Trace:
        """The failing run, carried out now."""
        drawn = Simulator().run(self._plan(), Scripted(lambda call: self._answer(call, self.recorded_seed)))
        steps = tuple(step.model_copy(update={"origin": "recorded"}) for step in drawn.steps)
        return drawn.model_copy(update={"steps": steps})

    def provider(self) -> Scripted:
        """The team as a model: it answers for agents and tools, and for the corrector of their messages."""
        return Scripted(lambda call: self._answer(call, call.params.get("seed")))

    def _plan(self) -> Trace:
        steps: list[Step] = []
        for turn in self.turns:
            kind = self._by_name[turn.player].kind
            continues, reads = heard(steps, turn.player, kind)
            steps.append(
                Step(
                    index=len(steps),
                    agent=turn.player,
                    kind=kind,
                    output="",
                    audience=turn.to,
                    continues=continues,
                    reads=reads,
                    origin="live",
                )
            )
        label = self.culprits[0] if len(self.culprits) == 1 else None
        return Trace(
            task=self.task,
            expected=self.expected,
            agents=tuple(Agent(name=p.name, kind=p.kind, system_prompt=p.prompt or None) for p in self.players),
            team=Team(),
            steps=tuple(steps),
            culprit=None if label is None else Culprit(agent=steps[label].agent, step=label, reason=self.why),
            fidelity="transcript",
            source=Source(format="scenario", name=self.name),
        )

    def _answer(self, call: Call, seed: object) -> str:
        if call.agent == "corrector":
            return self._corrected(call, seed)
        turn = self._turn(call.agent, call.step)
        player = self._player(call.agent)
        return (turn.act or player.act)(_view(call.messages, call.agent, seed))

    def _corrected(self, call: Call, seed: object) -> str:
        reword = _REWORD.fullmatch(call.messages[-1].text)
        if reword is not None:
            return _in_other_words(reword["output"], int(reword["n"]))
        review = _REVIEW.fullmatch(call.messages[-1].text)
        if review is None:
            raise ProviderError(f"scripted:{self.name} plays a corrector only for butfor's own question")
        player = self._player(review["agent"])
        view = _view(call.messages[:-1], player.name, seed)
        turn = self._turn(player.name, call.step)
        right = turn.right or player.right or turn.act or player.act
        corrected = right(view)
        return "NOTHING TO CORRECT" if corrected == review["output"] else corrected

    def _player(self, name: str | None) -> Player:
        if name not in self._by_name:
            raise ProviderError(f"scripted:{self.name} has no player {name!r}; it has {', '.join(self._by_name)}")
        return self._by_name[name]

    def _turn(self, player: str | None, step: int | None) -> Turn:
        if step is not None and step < len(self.turns) and self.turns[step].player == player:
            return self.turns[step]
        return next((turn for turn in self.turns if turn.player == player), Turn(player or ""))


def _in_other_words(text: str, n: int) -> str:
    """The text with another closing, before its last line where that states the final answer."""
    closing = f"{' '.join(_CLOSINGS[int(digit)] for digit in str(n))}."
    head, mark, tail = text.rpartition("FINAL ANSWER")
    return f"{closing}\n{mark}{tail}" if mark and not head.strip() else f"{text}\n{closing}"


_CLOSINGS = (
    "so it is", "so it stands", "thus far", "as said", "so much for that", "that is that", "to be clear", "in short",
    "in brief", "as it were",
)  # fmt: skip


def _view(messages: Sequence[Message], agent: str | None, seed: object) -> View:
    said = [_spoken(message, agent or "") for message in messages if message.role != "system"]
    return View(said, random.Random(f"{seed}/{agent}"))


def _spoken(message: Message, agent: str) -> tuple[str, str]:
    if message.role == "assistant":
        return agent, message.text
    match = _SPOKEN.fullmatch(message.text)
    if match is None:
        return "", message.text
    return ("task" if match["speaker"] == "The task" else match["speaker"]), match["text"]


@cache
def scenarios() -> Mapping[str, Scenario]:
    """Every scenario by name, in the order of the benchmark."""
    from . import flaky, masked, nobody, oddity, orchestrator, overdetermined, parallel, relay, repaired, tools

    modules = (relay, parallel, orchestrator, tools, repaired, masked, overdetermined, oddity, flaky, nobody)
    return {module.SCENARIO.name: module.SCENARIO for module in modules}


def scripted(name: str, *, timeout: float) -> Provider:
    """The provider of `scripted:NAME`, which plays the scenario's team; it answers at once, whatever the timeout.

    Raises:
        ModelUnavailable: there is no such scenario.
    """
    del timeout
    if name not in scenarios():
        raise ModelUnavailable(f"no scenario is called {name!r}; there are {', '.join(scenarios())}")
    return scenarios()[name].provider()
