"""Runs for the tests: small ones written by hand, random ones, and a model whose every answer is new."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from butfor.cache.call import Call
from butfor.cache.scripted import Scripted
from butfor.replay.hearing import heard
from butfor.replay.trace import Agent, Kind, Read, Source, Step, Team, Trace

NAMES = ("Ann", "Bob", "Cat", "Tool", "User", "Runtime")
KINDS: dict[str, Kind] = {"Tool": "tool", "User": "human", "Runtime": "control"}
WORDS = st.sampled_from(["yes", "no", "4", "14", "", "end  ", "a\x85b", "DONE", "The sum is 4.", "naïve\n\n"])


def trace_of(steps: Sequence[Step], **fields: Any) -> Trace:
    """A run of these steps by the agents that act in them."""
    kinds = {step.agent: step.kind for step in steps}
    filled: dict[str, Any] = {
        "task": "What is 2 + 2?",
        "agents": tuple(Agent(name=name, kind=kind) for name, kind in kinds.items()),
        "fidelity": "transcript",
        "source": Source(format="test", name="run.json"),
        "steps": tuple(steps),
    }
    return Trace(**(filled | fields))


def run(*said: tuple[str, str], **fields: Any) -> Trace:
    """A group chat: (speaker, text), everybody hears everything; `Tool` is a tool, `User` a person."""
    return addressed(*((who, text, None) for who, text in said), **fields)


def addressed(*said: tuple[str, str, tuple[str, ...] | None], **fields: Any) -> Trace:
    """A conversation: (speaker, text, who hears it)."""
    steps: list[Step] = []
    for who, text, audience in said:
        kind = KINDS.get(who, "llm")
        continues, reads = heard(steps, who, kind)
        steps.append(
            Step(
                index=len(steps),
                agent=who,
                kind=kind,
                output=text,
                audience=audience,
                continues=continues,
                reads=reads,
            )
        )
    return trace_of(steps, **fields)


def inventive() -> Scripted:
    """A model that says something new, and always the same, to every question."""
    return Scripted(lambda call: f"new {call.content_key.hex()[:12]}")


def told(call: Call) -> str:
    """Everything that a call says, in one text."""
    return "\n".join(message.text for message in call.messages)


@st.composite
def conversations(draw: st.DrawFn, *, most: int = 9) -> Trace:
    """Runs in which everybody hears what is meant for them, as in a log of what was said."""
    audiences = st.none() | st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
    said = draw(st.lists(st.tuples(st.sampled_from(NAMES), WORDS, audiences), min_size=1, max_size=most))
    return addressed(*said)


@st.composite
def graphs(draw: st.DrawFn, *, most: int = 9) -> Trace:
    """Runs in which any step reads, or carries on from, any steps before it."""
    steps: list[Step] = []
    for index in range(draw(st.integers(1, most))):
        agent = draw(st.sampled_from(NAMES))
        before = st.integers(0, index - 1)
        read = draw(st.lists(before, max_size=3, unique=True)) if index else []
        steps.append(
            Step(
                index=index,
                agent=agent,
                kind=KINDS.get(agent, "llm"),
                output=draw(WORDS),
                reads=tuple(Read(other, "order") for other in sorted(read)),
                continues=draw(st.none() | before) if index else None,
            )
        )
    team = Team(stop_word=draw(st.none() | st.just("DONE")))
    return trace_of(steps, team=team)
