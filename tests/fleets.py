"""Recorded runs of one small team, many of them, with a culprit that is known; and the team as a model."""

import random
import re
from pathlib import Path

from butfor.cache.call import Call
from butfor.cache.scripted import Scripted
from butfor.replay.trace import Agent, Read, Source, Step, Trace

_COUNT = re.compile(r"there are (\d+)")
_EXPECTED = re.compile(r"count of task (\d+)")


def run(number: int, culprit: str | None) -> Trace:
    """A run in which the culprit is off by one: the counter, the writer, or nobody."""
    right = number * 3
    counted = right + (culprit == "Counter")
    written = counted + (culprit == "Writer")
    said = (
        ("Planner", "Count, then write."),
        ("Counter", f"I count: there are {counted} stones."),
        ("Writer", f"FINAL ANSWER: {written}"),
    )
    steps = tuple(
        Step(index=n, agent=agent, output=text, reads=tuple(Read(i, "broadcast") for i in range(n)))
        for n, (agent, text) in enumerate(said)
    )
    return Trace(
        task=f"Tell the count of task {number}.",
        expected=str(right),
        agents=tuple(Agent(name=name) for name, _ in said),
        steps=steps,
        fidelity="transcript",
        source=Source(format="made", name=f"run-{number:03}"),
    )


def team(call: Call) -> str:
    """The team: planner and writer do their work; the counter errs in four of five draws unless told to count twice."""
    text = "\n".join(message.text for message in call.messages)
    found = _EXPECTED.search(text)
    right = int(found[1]) * 3 if found else 0
    if call.agent == "corrector":
        return _corrected(text, right)
    if call.agent == "Planner":
        return "Count, then write."
    if call.agent == "Counter":
        draw = random.Random(f"{call.params.get('seed')}/{text}").random()
        wrong = "count twice" not in text and ("be quick" in text or draw < 0.8)
        return f"I count: there are {right + wrong} stones."
    counts = _COUNT.findall(text)
    word = random.Random(f"{call.params.get('seed')}/word").randrange(10_000)
    return f"Note {word}.\nFINAL ANSWER: {counts[-1] if counts else 0}"


def _corrected(text: str, right: int) -> str:
    reviewed = text.rpartition("<message>")[2]
    counts = _COUNT.findall(text)
    if "I count" in reviewed:
        right_text = f"I count: there are {right} stones."
    elif "FINAL ANSWER" in reviewed and counts:
        right_text = f"FINAL ANSWER: {counts[-1]}"
    else:
        return "NOTHING TO CORRECT"
    return "NOTHING TO CORRECT" if right_text in reviewed else right_text


TEAM = Scripted(team)
"""The team as the command line names it: `fleets:TEAM`."""


def folder(path: Path, *culprits: str | None) -> Path:
    """A folder with a run for each culprit."""
    path.mkdir(parents=True, exist_ok=True)
    for number, culprit in enumerate(culprits, 1):
        (path / f"run-{number:03}.json").write_text(run(number, culprit).to_json())
    return path
