"""What replaying costs, measured in one run: `python -m butfor.scenarios.speed`.

Times are medians over many calls, in microseconds, beside diskcache's bare `get` of the same answer in the same run.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from butfor.cache.call import Call, Message
from butfor.cache.disk import DiskStore
from butfor.cache.provider import Cached, Offline
from butfor.cache.scripted import Scripted
from butfor.replay.graph import conversation_graph
from butfor.replay.hearing import heard
from butfor.replay.replayed import Edits, Recorded, Recording, Replayed
from butfor.replay.trace import Agent, Source, Step, Trace

from .store import key_lines, rival_lines, store_lines

_ROUNDS = 2_000
_MESSAGE_CHARACTERS = 2_048


class Timing(NamedTuple):
    """One measured operation."""

    name: str
    microseconds: float
    ratio: float
    """To diskcache's bare `get` of a 2 KB answer."""


def replay_timings(folder: Path) -> list[Timing]:
    """A stored answer fetched bare, and replayed calls with their keys: short, and after 183 KB of history."""
    store = DiskStore(folder)
    short, long = _history(1), _history(90)
    rows: list[tuple[str, float]] = [("diskcache get, bare, 2 KB", _bare(folder))]
    for name, messages in (("2 KB prompt", short), ("2 KB after 183 KB of history", long)):
        rows.append((f"replayed from the store, {name}", _stored(store, messages)))
    for name, messages in (("2 KB prompt", short), ("2 KB after 183 KB of history", long)):
        rows.append((f"replayed from the recording, {name}", _recorded(messages)))
    return [Timing(name, time_, time_ / rows[0][1]) for name, time_ in rows]


def graph_seconds(steps: int) -> float:
    """The time to build the conversation graph of a chat in which everybody hears everything, in seconds."""
    trace = _chat(steps)
    started = time.perf_counter()
    conversation_graph(trace)
    return time.perf_counter() - started


def resident_megabytes() -> float:
    """The largest memory the process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _history(messages: int) -> tuple[Message, ...]:
    said = [Message(role="user", content=f"{i} ".ljust(_MESSAGE_CHARACTERS, "x")) for i in range(messages)]
    return (Message(role="system", content="You are a careful agent."), *said)


def _bare(folder: Path) -> float:
    import diskcache

    cache = diskcache.Cache(str(folder / "bare"), eviction_policy="none", cull_limit=0, statistics=0)
    cache.set("answer", "y" * _MESSAGE_CHARACTERS)
    return _median(lambda: cache.get("answer"))


def _stored(store: DiskStore, messages: Sequence[Message]) -> float:
    said = Scripted(lambda call: "y" * _MESSAGE_CHARACTERS)
    Cached(said, store).complete(_call(messages))
    return _median(lambda: Cached(Offline(), store).complete(_call(messages)))


def _recorded(messages: Sequence[Message]) -> float:
    answer = Scripted(["y" * _MESSAGE_CHARACTERS]).complete(_call(messages))
    recording = Recording([Recorded(0, _call(messages), answer)])
    return _median(lambda: Replayed(recording, Edits(), live=Offline()).complete(_call(messages)))


def _call(messages: Sequence[Message]) -> Call:
    return Call(model="openai:m", messages=tuple(messages), params={"temperature": 0.5})


def _median(operation: Callable[[], object]) -> float:
    operation()
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter_ns()
        operation()
        times.append(time.perf_counter_ns() - started)
    return statistics.median(times) / 1_000


def _chat(length: int) -> Trace:
    names = ("Planner", "Worker", "Checker", "Writer")
    steps: list[Step] = []
    for index in range(length):
        agent = names[index % len(names)]
        continues, reads = heard(steps, agent, "llm")
        steps.append(Step(index=index, agent=agent, output=f"message {index}", continues=continues, reads=reads))
    return Trace(
        task="talk",
        agents=tuple(Agent(name=name) for name in names),
        steps=tuple(steps),
        fidelity="transcript",
        source=Source(format="benchmark"),
    )


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as folder:
        for line in (*key_lines(), *store_lines(Path(folder) / "grown"), *rival_lines(Path(folder) / "rivals")):
            print(line)
        for timing in replay_timings(Path(folder) / "replay"):
            print(f"{timing.name:58} {timing.microseconds:8.1f} µs  {timing.ratio:5.2f} × bare get")
    for steps in (1_000, 10_000):
        print(f"{f'conversation graph of {steps} steps, all hear all':58} {graph_seconds(steps):8.3f} s")
    print(f"{'resident memory, at most':58} {resident_megabytes():8.0f} MB")


if __name__ == "__main__":
    main()
