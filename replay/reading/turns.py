"""Turns of agents with tools: what each says, which tools it calls, and what they bring back to it."""

from collections.abc import Iterable, Mapping, Sequence

from butfor.cache.call import ToolCall, Usage
from butfor.replay.trace import Agent, Outcome, Read, Step, Trace

from .assemble import assemble
from .messages import question_to_tool


class Turns:
    """The steps of one or several agents that each keep a conversation of their own.

    What an agent says stays with it, what a tool brings back goes to the agent that called it, and what a
    person says to the agent that is named. An agent that a tool started reads the call, and the tool's
    result reads the last thing that it said.
    """

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._agents: dict[str, Agent] = {}
        self._asked: dict[str, tuple[ToolCall, int]] = {}
        self._started: dict[str, str] = {}
        """By agent: the id of the call that started it."""
        self._last: dict[str, int] = {}
        """By agent: its last step."""
        self._inside: dict[str, str] = {}
        """By the id of a call: the last agent that it started."""
        self._known: dict[int, list[Read]] = {}

    def know(self, agent: Agent) -> None:
        """Note what the log tells of an agent besides its steps."""
        self._agents[agent.name] = agent

    def start(self, agent: str, *, call: str) -> None:
        """Note that the tool call with this id started an agent."""
        self._started[agent] = call
        self._inside[call] = agent

    def say(
        self,
        agent: str,
        output: str,
        *,
        calls: Sequence[ToolCall] = (),
        usage: Usage | None = None,
        error: str | None = None,
        started: float | None = None,
    ) -> None:
        """Add what a model answered."""
        index = len(self._steps)
        if agent in self._started and agent not in self._last:
            asked = self._asked.get(self._started[agent])
            if asked is not None:
                self._known[index] = [Read(asked[1], "tool call")]
        self._asked.update({call.id: (call, index) for call in calls if call.id})
        self._add(Step(index=0, agent=agent, output=output, tool_calls=tuple(calls), audience=(), usage=usage,
                       error=error, started=started))  # fmt: skip

    def hear(self, agent: str, output: str, *, started: float | None = None, speaker: str = "user") -> None:
        """Add what a person said to an agent."""
        self._add(Step(index=0, agent=speaker, kind="human", output=output, audience=(agent,), started=started))

    def note(self, output: str, *, error: str | None = None, started: float | None = None) -> None:
        """Add what the program itself reported."""
        step = Step(index=0, agent="program", kind="control", output=output, audience=(), error=error)
        self._add(step.model_copy(update={"started": started}))

    def result(
        self,
        agent: str,
        output: str,
        *,
        call: str = "",
        tool: str | None = None,
        error: str | None = None,
        ended: float | None = None,
    ) -> None:
        """Add what a tool brought back to an agent; `call` is the id of the call that it answers."""
        asked = self._asked.get(call)
        last = self._last.get(self._inside.get(call, "")) if call else None
        if last is not None:
            said = self._steps[last].output.strip()
            relayed = bool(said) and said in output
            self._known[len(self._steps)] = [Read(last, "verbatim" if relayed else "order")]
        elif asked is None and self._steps and self._steps[-1].agent == agent:
            self._known[len(self._steps)] = [Read(len(self._steps) - 1, "order")]
        self._add(
            Step(
                index=0,
                agent=asked[0].name if asked else tool or "tool",
                kind="tool",
                output=output,
                audience=(agent,),
                call=question_to_tool(asked[0]) if asked else None,
                error=error,
                ended=ended,
            )
        )

    def __len__(self) -> int:
        return len(self._steps)

    def trace(
        self,
        *,
        format: str,  # noqa: A002
        name: str,
        task: str | None = None,
        expected: str | None = None,
        outcome: Outcome | None = None,
        agents: Iterable[Agent] = (),
    ) -> Trace:
        """The trace of these turns.

        Raises:
            LogFormatError: there are none, or they contradict each other.
        """
        known: Mapping[int, list[Read]] = self._known
        together = {**self._agents, **{agent.name: agent for agent in agents}}
        return assemble(self._steps, format=format, name=name, task=task, agents=together.values(),
                        expected=expected, outcome=outcome, known=known)  # fmt: skip

    def _add(self, step: Step) -> None:
        if step.kind == "llm":
            self._last[step.agent] = len(self._steps)
        self._steps.append(step)
