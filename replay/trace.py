"""The recorded run: `Trace`, made of `Step`s, and its file format."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator

from butfor.cache.apis.reply import Reply
from butfor.cache.call import Call, Frozen, Origin, TokenLogprob, ToolCall, Usage
from butfor.cache.errors import LogFormatError
from butfor.cache.plugin import resolve

from .world import World

if TYPE_CHECKING:
    import networkx as nx

Fidelity = Literal["wire", "messages", "transcript"]
"""What the log holds: full requests, the messages each step was given, or outputs only."""

Kind = Literal["llm", "tool", "human", "control"]
"""Who acts: a model as an agent, a tool, a person, or the framework itself (who is next, why it ended)."""

Basis = Literal["call", "tool call", "response id", "verbatim", "addressee", "broadcast", "order"]
"""What says that one step read another: its recorded input, an id or a text in it, or the team's rules."""

SCHEMA_VERSION: Literal[1] = 1


class Agent(Frozen):
    """A member of the team."""

    name: str
    kind: Kind = "llm"
    system_prompt: str | None = None
    description: str | None = None
    """What the team is told about the agent."""
    model: str | None = None
    """`provider:model` or the provider's own name for it, where the log tells."""


class Team(Frozen):
    """How the team decides who acts next, and when it stops."""

    selector: Literal["fixed", "chat", "orchestrator"] = "fixed"
    """`fixed`: the program's order; `chat`: a model picks who speaks; `orchestrator`: an agent's ledger."""
    stop_word: str | None = None
    """The run ends with a message that holds it."""


class Read(NamedTuple):
    """One step that another one read, and what says so."""

    step: int
    basis: Basis


class Step(Frozen):
    """One action of one agent."""

    index: int = Field(ge=0)
    """0-based position in the trace."""
    agent: str
    kind: Kind = "llm"
    output: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools the agent asked for in this action."""
    audience: tuple[str, ...] | None = None
    """Who hears it: `None` everybody, `()` nobody but the agent itself (a thought), else the addressees."""
    continues: int | None = None
    """The step whose context this one carries on from: everything that one read, and its own output."""
    reads: tuple[Read, ...] = ()
    """The steps that entered this one's input and are not reached through `continues`, in order."""
    call: Call | None = None
    """The question as recorded; `None` in a transcript, where it is rebuilt from what the step read."""
    reply: Reply | None = None
    """What came back over the wire, where a program made the run; for a tool its result, as JSON."""
    composite: bool = False
    """A tool inside which a model was asked: a replay of the program runs it again."""
    usage: Usage | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    error: str | None = None
    """What the framework or the tool reported as an error."""
    started: float | None = None
    """Seconds since the epoch."""
    ended: float | None = None
    """Seconds since the epoch."""
    origin: Origin = "recorded"


class Outcome(Frozen):
    """How a run ended, as a judge sees it."""

    success: bool
    answer: str | None = None
    """The final answer that was judged."""
    explanation: str = ""


class Culprit(Frozen):
    """The decisive error as a person or a scenario's author labelled it; no method may read it."""

    agent: str
    step: int
    reason: str = ""


class Source(Frozen):
    """Where a trace came from."""

    format: str
    name: str = ""
    """The file's name, without its folder."""


class Ended(Frozen):
    """How a program ended that made the run, and what it left."""

    status: int
    """Exit status; the negative number of the signal where one ended it."""
    output: str = ""
    """What it printed on standard output."""
    files: Mapping[str, str] = Field(default_factory=dict)
    """The text of files that a judge reads, by their path in the working directory."""
    tests: Mapping[str, bool] = Field(default_factory=dict)
    """Whether the pytest nodes passed that a judge reads."""
    partial: bool = False
    """Whether the recording was cut short, so that there may have been more calls."""


class Trace(Frozen):
    """A run: who said what, in which order, after reading what."""

    version: Literal[1] = SCHEMA_VERSION
    task: str
    expected: str | None = None
    """The expected final answer; only judges see it."""
    judge: str | None = None
    """What the run is to be judged by, where whoever recorded it said so; see `Settings.judge`."""
    agents: tuple[Agent, ...]
    team: Team = Team()
    steps: tuple[Step, ...] = Field(min_length=1)
    outcome: Outcome | None = None
    culprit: Culprit | None = None
    fidelity: Fidelity
    source: Source
    ended: Ended | None = None
    """How the program ended, where one made the run."""
    world: World | None = None
    """What the program found around it, where one made the run."""

    @model_validator(mode="after")
    def _consistent(self) -> "Trace":
        names = [agent.name for agent in self.agents]
        if len(set(names)) < len(names):
            raise ValueError("two agents have the same name")
        for position, step in enumerate(self.steps):
            _check_step(position, step, set(names))
        if self.culprit and not 0 <= self.culprit.step < len(self.steps):
            raise ValueError(
                f"the label names step {self.culprit.step}, and the run has steps 0 to {len(self.steps) - 1}"
            )
        return self

    @cached_property
    def _agents(self) -> dict[str, Agent]:
        return {agent.name: agent for agent in self.agents}

    def agent(self, name: str) -> Agent:
        """The member of the team with this name.

        Raises:
            KeyError: nobody has it.
        """
        return self._agents[name]

    def context(self, index: int) -> tuple[int, ...]:
        """Every step that was in the input of one step, in order."""
        return context(self.steps, index)

    def __repr__(self) -> str:
        acting = len({step.agent for step in self.steps})
        return f"<Trace {self.source.name or 'run'}: {len(self.steps)} steps of {acting} agents, {self.fidelity}>"

    def _repr_html_(self) -> str:
        """The run's page, in a notebook."""
        shown: str = resolve("renderer", "notebook")(None, self)
        return shown

    def blind(self) -> "Trace":
        """The same run without the expected answer, the judgement and the label: what a method may see."""
        return self.model_copy(update={"expected": None, "judge": None, "outcome": None, "culprit": None})

    @cached_property
    def graph(self) -> "nx.DiGraph[int]":
        """Who read what, as networkx has it: a node a step, an edge from a step to each step that read it."""
        from .graph import conversation_graph

        return conversation_graph(self)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the native file: 64 hexadecimal digits."""
        return sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The native file format; the same trace gives the same bytes."""
        fields = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({"version": self.version, **fields}, ensure_ascii=False, indent=1) + "\n"


def context(steps: Sequence[Step], index: int) -> tuple[int, ...]:
    """Every step that was in the input of one step, in order; `steps` may be a run that is still going on."""
    found: list[int] = []
    at: int | None = index
    while at is not None:
        step = steps[at]
        found.extend(read.step for read in reversed(step.reads))
        at = step.continues
        if at is not None:
            found.append(at)
    return tuple(sorted(set(found)))


def read_trace(text: str, *, name: str = "run.json") -> Trace:
    """The trace in a native file's text.

    Raises:
        LogFormatError: the text is no trace; the message names the field.
    """
    try:
        return Trace.model_validate_json(text)
    except ValidationError as error:
        raise LogFormatError(f"{name}: {first_problem(error)}") from None


def first_problem(error: ValidationError) -> str:
    """The first field that is wrong, and why, in one line."""
    first = error.errors(include_url=False)[0]
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"]).lstrip(".")
    return f"{where}: {first['msg']}" if where else first["msg"]


_MARKER = re.compile(r"final answer\b\s*(?:is\b)?\s*:?\s*", re.IGNORECASE)


def final_answer(trace: Trace) -> str:
    """The text of the run's final answer.

    The last message by an agent or a tool that says anything besides the stop word; where it holds "FINAL
    ANSWER", the line after the last one.
    """
    step = answering_step(trace)
    if step is None:
        return ""
    text = _said(trace, trace.steps[step])
    parts = _MARKER.split(text)
    marked = parts[-1].strip().partition("\n")[0] if len(parts) > 1 else ""
    return marked.strip() or text.strip()


def answering_step(trace: Trace) -> int | None:
    """The step that holds the final answer; `None` where nobody said anything."""
    answering = (s for s in reversed(trace.steps) if s.kind in ("llm", "tool") and _said(trace, s).strip(" \n.*`"))
    return next((step.index for step in answering), None)


def _said(trace: Trace, step: Step) -> str:
    return step.output.replace(trace.team.stop_word, "") if trace.team.stop_word else step.output


def _check_step(position: int, step: Step, names: set[str]) -> None:
    if step.index != position:
        raise ValueError(f"step {position} says that it is step {step.index}")
    if step.agent not in names:
        raise ValueError(f"step {position} is by {step.agent!r}, who is not among the agents")
    earlier = [read.step for read in step.reads] + ([] if step.continues is None else [step.continues])
    if any(not 0 <= other < position for other in earlier):
        raise ValueError(f"step {position} reads a step that is not before it")
