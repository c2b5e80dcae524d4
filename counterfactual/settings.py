"""What a person may choose about an audit: `Settings`, the same for the library, every command and a packed case."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict, get_args

from pydantic import AfterValidator, Field, JsonValue, ValidationError

from butfor.cache.call import Frozen
from butfor.cache.connect import shown_model
from butfor.cache.errors import ButforError
from butfor.cache.provider import Budget, Price
from butfor.replay.cast import RunTools, ToolPolicy
from butfor.replay.simulator import Schedule
from butfor.replay.trace import first_problem

from .rule import Rule

Named = Annotated[str, AfterValidator(shown_model)]
"""The name of who answers; user info and query of its address are for connecting alone, and are kept nowhere."""


class Settings(Frozen):
    """Everything that decides what an audit asks and how it reads the answers."""

    model: Named | None = None
    """`provider:model` that plays the agents."""
    models: Mapping[str, Named] = Field(default_factory=dict)
    """`provider:model` per agent, where it is another."""
    players: tuple[Named, ...] = ()
    """`provider:model`s under which the confirmation of a verdict is run too."""
    corrector: Named | None = None
    """`provider:model` that proposes corrections; the agents' model where none is named."""
    proposer: str | None = None
    """`module:function` that proposes corrections, in place of a corrector."""
    judge: str | None = None
    """`exact`, `contains`, `pattern:REGEX`, `llm`, or `module:function`; of a program's run also `output:REGEX`,
    `status`, `file:PATH:REGEX` and `pytest:NODE`. `None` is what the run was recorded to be judged by, else `exact`."""
    judge_model: Named | None = None
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
    reach: tuple[str, ...] = ()
    """Addresses of this machine, `HOST:PORT`, that an offline run of a program may use all the same."""
    hold: bool = True
    """Whether a program's run finds the world in which it was recorded: clock, random numbers, files, input."""
    schedule: Schedule = "recorded"
    params: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Added to every call of a model: `temperature`, `max_tokens` …"""
    search: str = "screen"
    executor: str | None = None
    """`module:object` that carries runs out, in place of the simulator or the program."""
    rule: Rule = Rule()
    partial: bool = False
    """Whether a run may be blamed whose recording lacks calls."""
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


class Choices(TypedDict, total=False):
    """Every setting by the keyword that a library user writes; the command line's options are spelled the same."""

    models: Mapping[str, str]
    judge_model: str | None
    expected: str | None
    tools: Literal["fail", "model", "sandbox", "replay", "run", "ask"]
    time_limit: float
    proxy: bool
    reach: Sequence[str]
    hold: bool
    schedule: Schedule
    params: Mapping[str, JsonValue]
    repeats: int
    deterministic: bool
    players: Sequence[str]
    confidence: float
    effect: float
    partial: bool
    controls: bool
    per_agent: bool
    max_calls: int | None
    max_total_tokens: int | None
    max_cost: float | None
    max_time: float | None
    prices: Mapping[str, Price | tuple[float, float]]
    jobs: int
    timeout: float


_GROUPED: Mapping[str, tuple[str, str]] = {
    "repeats": ("rule", "repeats"),
    "deterministic": ("rule", "deterministic"),
    "confidence": ("rule", "confidence"),
    "effect": ("rule", "effect"),
    "max_calls": ("budget", "calls"),
    "max_total_tokens": ("budget", "tokens"),
    "max_cost": ("budget", "dollars"),
    "max_time": ("budget", "seconds"),
}
"""Where in `Settings` a choice stands that is not at its top."""

CHOICES = tuple(name for name in (*Settings.model_fields, *_GROUPED) if name not in ("rule", "budget", "run_tools"))
"""The keywords, of the library and of the command line."""


def chosen(packed: Settings | None = None, **choices: Any) -> Settings:
    """The settings: what is chosen here, else what a case was packed with, else the defaults; `None` chooses nothing.

    Raises:
        ButforError: a value is not allowed, or there is no such setting; the message names it.
    """
    unknown = next((name for name in choices if name not in CHOICES), None)
    if unknown:
        raise ButforError(f"there is no setting {unknown!r}; there are {', '.join(sorted(CHOICES))}")
    fields = (packed or Settings()).model_dump()
    for name, value in choices.items():
        if value is None:
            continue
        group, key = _GROUPED.get(name, (None, name))
        if name == "tools" and value in get_args(RunTools):
            key = "run_tools"
        if group:
            fields[group][key] = value
        elif isinstance(fields[key], dict):
            fields[key] |= {k: _price(v) if name == "prices" else v for k, v in value.items()}
        else:
            fields[key] = value
    try:
        settings = Settings.model_validate(fields)
    except ValidationError as error:
        raise ButforError(f"a setting is not allowed: {_named(first_problem(error))}") from None
    priced = [model for model in (settings.model, settings.corrector, *settings.models.values()) if model]
    missing = next((model for model in priced if model not in settings.prices), None)
    if settings.budget.dollars is not None and missing:
        raise ButforError(f"max_cost= needs a price; give prices={missing}=IN/OUT (dollars per million tokens)")
    return settings


def _price(value: object) -> object:
    return {"input": value[0], "output": value[1]} if isinstance(value, tuple) else value


def _named(problem: str) -> str:
    """A field's problem under the keyword that sets it."""
    where, colon, what = problem.partition(": ")
    keyword = next((name for name, path in _GROUPED.items() if ".".join(path) == where), where)
    return f"{keyword}=: {what}" if colon else problem
