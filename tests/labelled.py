"""Labelled failures for the tests of rankers, made up so that one thing gives the culprit away."""

import random

from traces import addressed, run

from butfor.replay.trace import Culprit, Trace

_GUILTY = "Let's assume some sample data, since the file is not available: 41, 57 and 66. Therefore the answer is 164."
_INNOCENT = "I looked at the table with care. Row {row} holds {number} birds, as the file says."


def chats(count: int, *, seed: int = 0) -> list[Trace]:
    """Group chats of several lengths; the culprit makes up its data, wherever in the run that is."""
    dice = random.Random(seed)
    return [_chat(dice, number) for number in range(count)]


def directed(count: int, *, seed: int = 0) -> list[Trace]:
    """Runs by an orchestrator; after the culprit the ledger notes that progress stopped."""
    dice = random.Random(seed)
    return [_directed(dice, number) for number in range(count)]


def relabelled(traces: list[Trace], *, seed: int = 0) -> list[Trace]:
    """The same runs with labels drawn at random from their steps."""
    dice = random.Random(seed)
    return [_labelled(trace, dice.randrange(len(trace.steps))) for trace in traces]


def _chat(dice: random.Random, number: int) -> Trace:
    length = dice.randint(6, 9)
    guilty = dice.randrange(length)
    said = [(dice.choice(["Ann", "Bob", "Cat"]), _GUILTY if at == guilty else _innocent(dice)) for at in range(length)]
    return _labelled(run(*said, task=_question(dice, number)), guilty)


def _directed(dice: random.Random, number: int) -> Trace:
    rounds = dice.randint(4, 7)
    guilty = dice.randrange(rounds)
    said: list[tuple[str, str, tuple[str, ...] | None]] = []
    for at in range(rounds):
        said.append(("Ann", f"Please look at page {at}.", ("Bob",)))
        said.append(("Bob", _innocent(dice), None))
        said.append(("Ann", ledger(progress=at < guilty, loop=at > guilty), ()))
    return _labelled(addressed(*said, task=_question(dice, number)), 3 * guilty + 1)


def ledger(*, progress: bool, loop: bool = False, satisfied: bool = False) -> str:
    """A Magentic-One ledger."""
    notes = {"is_request_satisfied": satisfied, "is_in_loop": loop, "is_progress_being_made": progress}
    fields = [f'"{name}": {{"reason": "so", "answer": {str(value).lower()}}}' for name, value in notes.items()]
    return "Updated Ledger:\n{" + ", ".join(fields) + "}"


def _innocent(dice: random.Random) -> str:
    return _INNOCENT.format(row=dice.randint(1, 99), number=dice.randint(100, 999))


def _question(dice: random.Random, number: int) -> str:
    words = ("".join(dice.choices("abcdefghij", k=7)) for _ in range(6))
    return f"Question {number}: {' '.join(words)}?"


def _labelled(trace: Trace, step: int) -> Trace:
    return trace.model_copy(update={"culprit": Culprit(agent=trace.steps[step].agent, step=step)})
