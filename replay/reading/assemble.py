"""A `Trace` from the steps that an importer found."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic import ValidationError

from butfor.cache.errors import LogFormatError
from butfor.replay.trace import Agent, Fidelity, Kind, Outcome, Read, Source, Step, Team, Trace, first_problem

from .edges import linked

UNKNOWN_MODEL = "recorded"
"""The model of a call whose log does not name it."""


def assemble(
    steps: Sequence[Step],
    *,
    format: str,  # noqa: A002
    name: str,
    task: str | None = None,
    agents: Iterable[Agent] = (),
    team: Team | None = None,
    expected: str | None = None,
    outcome: Outcome | None = None,
    responses: Mapping[str, int] | None = None,
    known: Mapping[int, Iterable[Read]] | None = None,
) -> Trace:
    """The trace of these steps: numbered, linked, with the agents that act in them.

    `agents` says what the log knows of an agent besides its steps; prompts and models come from the recorded
    calls. Without a `task`, it is the first thing that a person says. `responses` and `known` are those of
    `linked`. The fidelity is `messages` where every model's input was recorded, else `transcript`.

    Raises:
        LogFormatError: there are no steps, or they contradict each other.
    """
    if not steps:
        raise LogFormatError(f"{name}: nobody acts in it: no model call, tool call or message; is the log complete?")
    numbered = [step.model_copy(update={"index": index}) for index, step in enumerate(steps)]
    try:
        return Trace(
            task=_first_said(numbered) if task is None else task,
            expected=expected,
            agents=_agents(numbered, {agent.name: agent for agent in agents}),
            team=team or Team(),
            steps=linked(numbered, responses=responses, known=known),
            outcome=outcome,
            fidelity=_fidelity(numbered),
            source=Source(format=format, name=name),
        )
    except ValidationError as error:
        raise LogFormatError(f"{name}: {first_problem(error)}") from None


def _agents(steps: Sequence[Step], known: Mapping[str, Agent]) -> tuple[Agent, ...]:
    found: dict[str, Agent] = {}
    for step in steps:
        kind: Kind = "llm" if step.kind == "control" else step.kind
        agent = found.get(step.agent) or known.get(step.agent) or Agent(name=step.agent, kind=kind)
        if kind == "llm":
            agent = agent.model_copy(update={"kind": kind, **_told(agent, step)})
        found[step.agent] = agent
    return tuple(found.values())


def _told(agent: Agent, step: Step) -> dict[str, str | None]:
    """What a recorded call tells of the agent that makes it, where nothing told it before."""
    if step.call is None:
        return {}
    system = next((m.text for m in step.call.messages if m.role == "system"), None)
    return {
        "system_prompt": system if agent.system_prompt is None else agent.system_prompt,
        "model": agent.model or (None if step.call.model == UNKNOWN_MODEL else step.call.model),
    }


def _first_said(steps: Sequence[Step]) -> str:
    for step in steps:
        if step.kind == "human":
            return step.output
        for message in step.call.messages if step.call and step.kind == "llm" else ():
            if message.role == "user":
                return message.text
    return ""


def _fidelity(steps: Sequence[Step]) -> Fidelity:
    asked = [step.call is not None for step in steps if step.kind == "llm"]
    return "messages" if asked and all(asked) else "transcript"
