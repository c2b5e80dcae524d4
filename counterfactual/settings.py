"""What a person may choose about an audit: `Settings`, the same for every command and inside a packed case."""

from collections.abc import Mapping

from pydantic import Field, JsonValue

from butfor.cache.call import Frozen
from butfor.cache.provider import Budget, Price
from butfor.replay.cast import RunTools, ToolPolicy
from butfor.replay.simulator import Schedule

from .rule import Rule


class Settings(Frozen):
    """Everything that decides what an audit asks and how it reads the answers."""

    model: str | None = None
    """`provider:model` that plays the agents."""
    models: Mapping[str, str] = Field(default_factory=dict)
    """`provider:model` per agent, where it is another."""
    corrector: str | None = None
    """`provider:model` that proposes corrections; the agents' model where none is named."""
    judge: str = "exact"
    """`exact`, `contains`, `pattern:REGEX`, `llm`, or `module:function`; of a program's run also `output:REGEX`,
    `status`, `file:PATH:REGEX` and `pytest:NODE`."""
    judge_model: str | None = None
    """`provider:model` that judges with `llm`; the agents' model where none is named."""
    expected: str | None = None
    """The expected answer, in place of the log's."""
    tools: ToolPolicy = "model"
    run_tools: RunTools = "replay"
    """The same for a program's own tools."""
    time_limit: float = Field(default=600.0, gt=0)
    """Seconds that one run of a program may take."""
    proxy: bool = False
    """Whether a program's calls come through a loopback server, because it is not Python."""
    schedule: Schedule = "recorded"
    params: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Added to every call of a model: `temperature`, `max_tokens` …"""
    search: str = "earliest"
    rule: Rule = Rule()
    controls: bool = True
    per_agent: bool = False
    """Whether each agent's share of the blame is computed too."""
    budget: Budget = Budget()
    prices: Mapping[str, Price] = Field(default_factory=dict)
    """Dollars per million tokens, by `provider:model`."""
    jobs: int = Field(default=4, ge=1, le=256)
    """Runs drawn side by side."""
    timeout: float = Field(default=120.0, gt=0)
    """Seconds to wait for one live answer."""
