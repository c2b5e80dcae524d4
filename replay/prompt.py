"""What an agent is asked in a simulated run: its prompt, rebuilt from what the log says it read."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from butfor.cache.call import Call, Message

from .trace import Agent, Step, Trace, context

_DEFAULT_SYSTEM = "You are {name}, a member of a team of agents that works on a task together."
_CUE = "You are {name}. Write your next message to the team."
_CUE_TO = "You are {name}. Write your next message, to {audience} only."
_CUE_PRIVATE = "You are {name}. Write down your next private thought (plan, facts, or ledger); nobody else reads it."


def prompt(trace: Trace, steps: Sequence[Step], plan: Step) -> Call:
    """The call that a step makes when the run so far is `steps`.

    An agent sees its system prompt, the task (where no message it read holds it), what it read with the
    speakers' names, its own messages as its own, and a closing cue in the form of the recorded step. A tool
    sees the message that calls it. A step whose call was recorded sees that call, with what its inputs say
    now in place of what they said then.
    """
    if plan.call is not None:
        return _as_recorded(trace, steps, plan)
    read = context((*steps, plan), plan.index)
    if plan.kind == "tool":
        texts = tuple(Message(role="user", content=steps[i].output) for i in read)
        return Call(model=f"tool:{plan.agent}", messages=texts, agent=plan.agent, step=_place(trace, plan))
    agent = trace.agent(plan.agent)
    heard = tuple(_said(steps[i].output) if steps[i].agent == agent.name else _heard(steps[i]) for i in read)
    told = any(trace.task in steps[i].output for i in read)
    task = () if told else (_task(trace.task),)
    return Call(
        model=agent.model or "recorded",
        messages=(_system(agent), *task, *heard, _cue(agent.name, plan.audience)),
        agent=agent.name,
        step=_place(trace, plan),
    )


def system_prompt(agent: Agent) -> str:
    """The agent's recorded system prompt, or one sentence that says who it is."""
    if agent.system_prompt:
        return agent.system_prompt
    base = _DEFAULT_SYSTEM.format(name=agent.name)
    return f"{base} {agent.description}" if agent.description else base


def _place(trace: Trace, plan: Step) -> int | None:
    """The recorded step that is acted out again; none where a free schedule has somebody else act there."""
    there = trace.steps[plan.index].agent if plan.index < len(trace.steps) else None
    return plan.index if there == plan.agent else None


def _as_recorded(trace: Trace, steps: Sequence[Step], plan: Step) -> Call:
    assert plan.call is not None  # noqa: S101
    changed = {
        trace.steps[i].output: steps[i].output
        for i in context(trace.steps, plan.index)
        if i < len(steps) and steps[i].output != trace.steps[i].output and trace.steps[i].output
    }
    if not changed:
        return plan.call.model_copy(update={"agent": plan.agent, "step": _place(trace, plan)})
    whole = re.compile("|".join(map(_whole, sorted(changed, key=len, reverse=True))))
    messages = tuple(_replaced(message, whole, changed) for message in plan.call.messages)
    return plan.call.model_copy(update={"messages": messages, "agent": plan.agent, "step": _place(trace, plan)})


def _whole(text: str) -> str:
    """A pattern for the text where it stands by itself: an answer of 4 is not in 14."""
    before, after = r"(?<!\w)" if text[0].isalnum() else "", r"(?!\w)" if text[-1].isalnum() else ""
    return f"{before}{re.escape(text)}{after}"


def _replaced(message: Message, whole: re.Pattern[str], changed: Mapping[str, str]) -> Message:
    text = whole.sub(lambda match: changed[match[0]], message.text)
    return message if text == message.text else message.model_copy(update={"content": text})


# The same text by the same speaker is one Message object, so that histories share their digests.


def _system(agent: Agent) -> Message:
    return _message("system", system_prompt(agent))


def _task(task: str) -> Message:
    return _message("user", f"The task:\n{task}")


def _said(text: str) -> Message:
    return _message("assistant", text)


def _heard(step: Step) -> Message:
    return _message("user", f"{step.agent}:\n{step.output}")


def _cue(name: str, audience: tuple[str, ...] | None) -> Message:
    if audience is None:
        return _message("user", _CUE.format(name=name))
    if not audience:
        return _message("user", _CUE_PRIVATE.format(name=name))
    return _message("user", _CUE_TO.format(name=name, audience=", ".join(audience)))


@lru_cache(maxsize=16_384)
def _message(role: str, content: str) -> Message:
    return Message.model_validate({"role": role, "content": content})
