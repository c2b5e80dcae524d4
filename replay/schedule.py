"""Who acts next in a changed run: the team's own selector, played by a model."""

import json
import re
from collections.abc import Sequence

from butfor.cache.call import Call, Message
from butfor.cache.provider import Provider

from .hearing import heard
from .trace import Kind, Step, Trace

SELECTOR = "selector"
"""The name under which the choice of a speaker is asked; a cast may give it a model of its own."""

_CHOOSE = (
    "A team of agents works on a task by conversation. You choose who speaks next and say nothing else. "
    "Anyone may speak; code in a message is run by the tool. The members:\n{members}\n"
    "Reply with one name of: {names}."
)
_SATISFIED = ("is_request_satisfied", "answer")
_NEXT = ("next_speaker", "answer")


def next_speaker(trace: Trace, steps: Sequence[Step], provider: Provider) -> Step | None:
    """The next step to play, its output still empty; `None` where the run is over.

    A group chat asks the selector. An orchestrator writes a ledger; the ledger names who is addressed, the
    addressee acts, and the orchestrator writes the next ledger; a satisfied ledger is followed by the final
    answer.
    """
    if trace.team.selector == "chat":
        return _planned(trace, steps, _chosen(trace, steps, provider), None)
    return _orchestrated(trace, steps)


def _chosen(trace: Trace, steps: Sequence[Step], provider: Provider) -> str:
    members = [agent for agent in trace.agents if agent.kind in ("llm", "tool")]
    lines = "\n".join(f"{a.name}: {(a.description or a.system_prompt or 'a tool')[:300]}" for a in members)
    names = [agent.name for agent in members]
    system = Message(role="system", content=_CHOOSE.format(members=lines, names=", ".join(names)))
    heard_by_all = [s for s in steps if s.audience is None]
    said = tuple(Message(role="user", content=f"{s.agent}:\n{s.output}") for s in heard_by_all)
    call = Call(model="recorded", messages=(system, *said), agent=SELECTOR)
    return _named(provider.complete(call).text, names) or _after(trace, steps, names)


def _named(text: str, names: Sequence[str]) -> str | None:
    found = {name: match.start() for name in names if (match := re.search(rf"\b{re.escape(name)}\b", text))}
    return min(found, key=lambda name: found[name]) if found else None


def _after(trace: Trace, steps: Sequence[Step], names: Sequence[str]) -> str:
    """Where the model names nobody: whoever the recorded run had next, or the next in the team's order."""
    if len(steps) < len(trace.steps) and trace.steps[len(steps)].agent in names:
        return trace.steps[len(steps)].agent
    return names[(names.index(steps[-1].agent) + 1) % len(names)] if steps[-1].agent in names else names[0]


def _orchestrated(trace: Trace, steps: Sequence[Step]) -> Step | None:
    leader = next((step.agent for step in trace.steps if step.audience is not None), trace.steps[-1].agent)
    last = next(step for step in reversed(steps) if step.kind != "control")
    if last.agent != leader or last.kind == "human":
        return _planned(trace, steps, leader, ())
    if last.audience is None:
        return None
    if last.audience:
        return _planned(trace, steps, last.audience[0], None)
    ledger = _ledger(last.output)
    if _at(ledger, _SATISFIED) is True:
        return _planned(trace, steps, leader, None)
    named = _at(ledger, _NEXT)
    addressee = named if isinstance(named, str) and named in {a.name for a in trace.agents} else None
    return _planned(trace, steps, leader, (addressee or _next_addressee(trace, steps, leader),))


def _next_addressee(trace: Trace, steps: Sequence[Step], leader: str) -> str:
    """Where a ledger cannot be read: the addressee of the next recorded instruction, or of the last."""
    addressed = [step for step in trace.steps if step.audience and step.agent == leader]
    later = [step for step in addressed if step.index >= len(steps)] or addressed[-1:]
    if later and later[0].audience:
        return later[0].audience[0]
    return next(a.name for a in trace.agents if a.name != leader and a.kind != "human")


def _ledger(text: str) -> object:
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None


def _at(ledger: object, path: Sequence[str]) -> object:
    for key in path:
        ledger = ledger.get(key) if isinstance(ledger, dict) else None
    return ledger


def _planned(trace: Trace, steps: Sequence[Step], agent: str, audience: tuple[str, ...] | None) -> Step:
    kind: Kind = trace.agent(agent).kind
    continues, reads = heard(steps, agent, kind)
    return Step(
        index=len(steps),
        agent=agent,
        kind=kind,
        output="",
        audience=audience,
        continues=continues,
        reads=reads,
    )
