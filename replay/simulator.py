"""Carries a run out again from its log alone: each agent is asked with its system prompt and what it read."""

from collections.abc import Iterator
from typing import Literal

from butfor.cache.call import Call, Completion, Message, answer
from butfor.cache.provider import Provider

from .prompt import prompt
from .replayed import Recorded, Recording
from .schedule import next_speaker
from .trace import Step, Trace

Schedule = Literal["recorded", "model"]
"""Who acts next after a change: as recorded, or whoever the team's own selector, played by a model, names."""

_SPARE_STEPS = 10


class Simulator:
    """The executor that needs no program: it follows the log's schedule and asks for every answer.

    With `schedule="model"`, a team that has a selector (a group chat, an orchestrator) chooses its speakers
    anew from the first changed step on, for at most ten steps more than were recorded.
    """

    def __init__(self, *, schedule: Schedule = "recorded") -> None:
        self._schedule = schedule

    def recording(self, trace: Trace) -> Recording:
        """The calls that the simulated agents make when every answer is the recorded one."""
        recorded: list[Recorded] = []
        for step in trace.steps:
            if step.kind in ("llm", "tool"):
                call = prompt(trace, trace.steps[: step.index], step)
                recorded.append(Recorded(step.index, call, _completion(step)))
        return Recording(recorded)

    def run(self, trace: Trace, provider: Provider) -> Trace:
        """The run again, step by step; it ends with its schedule, or as a changed step says the stop word."""
        steps: list[Step] = []
        for plan in self._plans(trace, steps, provider):
            steps.append(_played(trace, steps, plan, provider))
            if _stops(trace, steps[-1]):
                break
        if tuple(steps) == trace.steps:
            return trace
        return trace.model_copy(update={"steps": tuple(steps), "outcome": None})

    def _plans(self, trace: Trace, steps: list[Step], provider: Provider) -> Iterator[Step]:
        free = self._schedule == "model" and trace.team.selector != "fixed"
        for plan in trace.steps:
            yield plan
            if free and steps[-1].output != plan.output:
                break
        else:
            return
        while len(steps) < len(trace.steps) + _SPARE_STEPS:
            plan_or_end = next_speaker(trace, steps, provider)
            if plan_or_end is None:
                return
            yield plan_or_end


def _played(trace: Trace, steps: list[Step], plan: Step, provider: Provider) -> Step:
    if plan.kind in ("human", "control"):
        return plan
    call = prompt(trace, steps, plan)
    completion = provider.complete(call)
    if completion.origin == "recorded" and completion.text == plan.output:
        return plan
    return plan.model_copy(
        update={
            "output": completion.text,
            "call": plan.call and plan.call.model_copy(update={"messages": call.messages}),
            "tool_calls": completion.message.tool_calls,
            "usage": completion.usage,
            "logprobs": completion.logprobs,
            "error": None,
            "started": None,
            "ended": None,
            "origin": completion.origin,
        }
    )


def _completion(step: Step) -> Completion:
    if not step.tool_calls:
        return answer(step.output, origin="recorded")
    message = Message(role="assistant", content=step.output, tool_calls=step.tool_calls)
    return Completion(message=message, origin="recorded")


def _stops(trace: Trace, step: Step) -> bool:
    """Whether a changed step says the stop word, and not where the recorded run heard it and went on."""
    stop = trace.team.stop_word
    if stop is None or step.origin == "recorded" or stop not in step.output:
        return False
    return not any(stop in ignored.output for ignored in trace.steps[:-1] if ignored.index == step.index)


def asked(trace: Trace, index: int) -> Call:
    """The call that one step of the recorded run made."""
    return prompt(trace, trace.steps[:index], trace.steps[index])
