"""The options that several commands share; each is spelled as the setting of the library that it gives."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from butfor.cache.errors import ButforError

if TYPE_CHECKING:
    from butfor.counterfactual.settings import Settings

MODELS, TRIALS, SPENDING, PROGRAM, OUTPUT = "Who answers", "What is tried", "What it may cost", "The program", "Output"
"""The panels of `--help`."""

Log = Annotated[Path, typer.Argument(help="A run (run.json), a log of any supported format, or a packed case.")]
Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="-- CMD …", help="The program that made the run, to be run again."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (its schemas: docs/schema).", rich_help_panel=OUTPUT)]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.", rich_help_panel=OUTPUT)]
Cache = Annotated[
    str | None,
    typer.Option(
        "--cache",
        envvar="BUTFOR_CACHE",
        help="Where answers are kept: a folder, or a URL. Default: the user's cache folder.",
        show_default=False,
        rich_help_panel=SPENDING,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask anything live.", rich_help_panel=SPENDING)]


def _option(kind: Any, panel: str, help: str, *names: str) -> Any:  # noqa: A002
    return Annotated[kind, typer.Option(*names, help=help, rich_help_panel=panel, show_default=False)]


Search = _option(str | None, TRIALS, "screen, earliest, ranked, bisect, exhaustive, module:function. Default: screen.")
Model = _option(str | None, MODELS, "provider:model that plays the agents (openai:…, ollama:…, anthropic:…).")
Corrector = _option(str | None, MODELS, "provider:model that proposes corrections. Default: --model.")
Judge = _option(
    str | None,
    TRIALS,
    "exact, contains, pattern:REGEX, llm, or module:function; of a program also output:REGEX, status, "
    "file:PATH:REGEX, pytest:NODE. Default: exact.",
)
Expected = _option(str | None, TRIALS, "The expected answer, in place of the log's.")
Repeats = _option(int | None, TRIALS, "Draws of each arm, at most. Default: 30.")
MaxCalls = _option(int | None, SPENDING, "Live calls, at most.")
Params = _option(list[str] | None, MODELS, "NAME=JSON, added to every call of a model; may be repeated.", "--param")
Proxied = _option(
    bool | None, PROGRAM, "The program is not Python: its calls come through a loopback server.", "--proxy"
)
TimeLimit = _option(float | None, PROGRAM, "Seconds that one run of a program may take. Default: 600.")

Reach = _option(
    list[str] | None, PROGRAM, "HOST:PORT of this machine that an offline run may use all the same; may be repeated."
)
Hold = _option(
    bool,
    PROGRAM,
    "Hold the world: clock, random numbers, files, what was typed, and the order of answers. Default: on.",
    "--hold/--no-hold",
)
Ignore = _option(
    list[str] | None,
    PROGRAM,
    "REGEX of what differs by itself; may be repeated, and is kept in the run.",
)

_RUNS: Mapping[str, Any] = {
    "model": Model,
    "judge": Judge,
    "judge_model": _option(str | None, MODELS, "provider:model that judges with llm. Default: --model."),
    "expected": Expected,
    "params": Params,
    "tools": _option(
        str | None,
        TRIALS,
        "A tool called as it was not recorded: fail, model (a model plays it), sandbox (its code runs); of a "
        "program: replay (an error), run (for real), ask. Default: model; of a program, replay.",
    ),
    "schedule": _option(
        str | None,
        TRIALS,
        "Who acts next after a change: recorded, or model (the team's selector). Default: recorded.",
    ),
    "repeats": Repeats,
    "deterministic": _option(
        bool | None,
        TRIALS,
        "The team gives one answer to a question: one draw an arm. Default: off.",
        "--deterministic",
    ),
    "max_calls": MaxCalls,
    "max_total_tokens": _option(int | None, SPENDING, "Tokens of live calls, at most."),
    "max_cost": _option(float | None, SPENDING, "Dollars, at most; needs --price."),
    "max_time": _option(float | None, SPENDING, "Seconds after which no live call is begun."),
    "prices": _option(
        list[str] | None, SPENDING, "MODEL=IN/OUT, dollars per million tokens; may be repeated.", "--price"
    ),
    "jobs": _option(int | None, SPENDING, "Runs drawn side by side. Default: 4."),
    "timeout": _option(float | None, SPENDING, "Seconds to wait for one live answer. Default: 120."),
    "time_limit": TimeLimit,
    "proxy": Proxied,
    "reach": Reach,
    "hold": _option(bool | None, PROGRAM, "Hold the world of a program's run. Default: on.", "--hold/--no-hold"),
}
"""The options of whatever runs something again, by the settings they give."""

_AUDITS: Mapping[str, Any] = {
    "players": _option(
        list[str] | None, MODELS, "A provider:model that confirms a verdict too; may be repeated.", "--player"
    ),
    "corrector": Corrector,
    "proposer": _option(str | None, MODELS, "module:function that proposes corrections, in place of a model."),
    "search": Search,
    "executor": _option(str | None, PROGRAM, "module:object that carries runs out, in place of the simulator."),
    "confidence": _option(
        float | None, TRIALS, "That no innocent step is blamed, between 0.5 and 1. Default: 0.95."
    ),
    "effect": _option(float | None, TRIALS, "The effect a verdict has to exceed, between 0 and 1. Default: 0.1."),
    "controls": _option(
        bool | None, TRIALS, "Run the controls of a blamed step. Default: on.", "--controls/--no-controls"
    ),
    "per_agent": _option(
        bool | None, TRIALS, "Add each agent's share of the blame (more calls). Default: off.",
        "--per-agent/--no-per-agent",
    ),
}  # fmt: skip
"""The options of an audit besides."""

RUN_SETTINGS: Mapping[str, Any] = _RUNS
AUDIT_SETTINGS: Mapping[str, Any] = {**_RUNS, **_AUDITS}
PLAN_SETTINGS: Mapping[str, Any] = {
    name: option
    for name, option in AUDIT_SETTINGS.items()
    if name in ("model", "corrector", "repeats", "confidence", "effect", "prices")
}

_OPTIONS = {"params": "--param", "prices": "--price", "models": "--model-of", "players": "--player"}
"""Settings whose option is spelled otherwise."""


def with_settings(settings: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of these settings; it gets their values as further keywords, for `chosen`."""

    def given(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command)
        kept = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in settings.items()
        ]
        command.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
        command.__annotations__.update(settings)
        return command

    return given


def chosen(packed: "Settings | None" = None, **given: Any) -> "Settings":
    """The settings: what was given on the command line, else what the case was packed with, else the defaults.

    Raises:
        ButforError: a value is not allowed; the message names the option.
    """
    from butfor.counterfactual.settings import chosen as settled

    from .library import trusting

    for name, read in (("params", _json), ("prices", _price), ("models", str)):
        if given.get(name) is not None:
            option = _OPTIONS[name].removeprefix("--")
            given[name] = {key: read(value) for key, value in (_pair(option, text) for text in given[name])}
    return settled(trusting(packed, given), **given)


def as_options(message: str) -> str:
    """A message in which settings are named by keyword (`max_calls=`), with the options in their place."""
    from butfor.counterfactual.settings import CHOICES

    asked = (
        *CHOICES, "step", "output", "remove", "resample", "swap", "instruct", "method", "format", "offline", "store",
        "certificate", "trained", "player",
    )  # fmt: skip
    names = "|".join(sorted(asked, key=len, reverse=True))

    def spelled(match: "re.Match[str]") -> str:
        option = {"store": "--cache", **_OPTIONS}.get(match[1], f"--{match[1].replace('_', '-')}")
        return option if match[2] is None else f"{option} "

    return re.sub(rf"(?<![\w-])({names})=((?=[\w\"'.]))?", spelled, message)


def text_of(option: str, value: str | None) -> str | None:
    """An option's text; `@FILE` is what the file holds.

    Raises:
        ButforError: the file cannot be read.
    """
    if value is None or not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ButforError(f"--{option} {value}: {error}") from None


def pairs(option: str, values: list[str] | None) -> dict[str, str]:
    """AGENT=… options as a mapping; `AGENT=@FILE` is what the file holds.

    Raises:
        ButforError: one is not of that form.
    """
    found = (_pair(option, text) for text in values or ())
    return {name: text_of(option, value) or "" for name, value in found}


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ButforError(f"--{option} {text!r} is not of the form NAME=VALUE")
    return name, value


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _price(text: str) -> dict[str, float]:
    cost_in, slash, cost_out = text.partition("/")
    try:
        return {"input": float(cost_in), "output": float(cost_out if slash else cost_in)}
    except ValueError:
        raise ButforError(f"--price …={text!r} is not of the form IN/OUT (dollars per million tokens)") from None
