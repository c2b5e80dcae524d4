"""The options that several commands share, and the `Settings` they come down to."""

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from butfor.cache.errors import ButforError

if TYPE_CHECKING:
    from butfor.counterfactual.settings import Settings

Log = Annotated[Path, typer.Argument(help="A run (run.json), a log of any supported format, or a packed case.")]
Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="-- CMD …", help="The program that made the run, to be run again."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON (its schemas: docs/schema).")]
Cache = Annotated[
    Path | None, typer.Option("--cache", envvar="BUTFOR_CACHE", help="The folder in which answers are kept.")
]
Search = Annotated[str | None, typer.Option("--search", help="earliest, ranked, bisect, or exhaustive.")]
Model = Annotated[str | None, typer.Option(help="provider:model that plays the agents (openai:…, ollama:…).")]
Corrector = Annotated[str | None, typer.Option(help="provider:model that proposes corrections; default: --model.")]
Judge = Annotated[
    str | None,
    typer.Option(
        help="exact, contains, pattern:REGEX, llm, or module:function; of a program also output:REGEX, status, "
        "file:PATH:REGEX, pytest:NODE."
    ),
]
Repeats = Annotated[int | None, typer.Option(help="Draws of each arm, at most.")]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", help="Live calls, at most.")]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", help="NAME=JSON, added to every call of a model; may be repeated."),
]
Proxied = Annotated[
    bool | None,
    typer.Option("--proxy", help="The program is not Python: its calls come through a loopback server."),
]
TimeLimit = Annotated[float | None, typer.Option(help="Seconds that one run of a program may take.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask anything live.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]

_SETTINGS: Mapping[str, Any] = {
    "model": Model,
    "corrector": Corrector,
    "judge": Judge,
    "judge_model": Annotated[str | None, typer.Option(help="provider:model that judges with llm; default: --model.")],
    "expected": Annotated[str | None, typer.Option(help="The expected answer, in place of the log's.")],
    "tools": Annotated[
        str | None,
        typer.Option(
            help="A tool called as it was not recorded: fail, model (a model plays it), sandbox (its code runs); of a "
            "program: replay (an error), run (for real), ask."
        ),
    ],
    "schedule": Annotated[
        str | None,
        typer.Option(help="Who acts next after a change: recorded, or model (the team's selector)."),
    ],
    "search": Search,
    "repeats": Repeats,
    "confidence": Annotated[float | None, typer.Option(help="That no innocent step is blamed, between 0.5 and 1.")],
    "effect": Annotated[float | None, typer.Option(help="The effect a verdict has to exceed, between 0 and 1.")],
    "controls": Annotated[
        bool | None, typer.Option("--controls/--no-controls", help="Run the controls of a blamed step.")
    ],
    "per_agent": Annotated[
        bool | None, typer.Option("--per-agent", help="Add each agent's share of the blame (more calls).")
    ],
    "calls": MaxCalls,
    "tokens": Annotated[int | None, typer.Option("--max-total-tokens", help="Tokens of live calls, at most.")],
    "dollars": Annotated[float | None, typer.Option("--max-cost", help="Dollars, at most; needs --price.")],
    "seconds": Annotated[float | None, typer.Option("--max-time", help="Seconds after which no live call is begun.")],
    "prices": Annotated[
        list[str] | None,
        typer.Option("--price", help="MODEL=IN/OUT, dollars per million tokens; may be repeated."),
    ],
    "params": Params,
    "jobs": Annotated[int | None, typer.Option(help="Runs drawn side by side.")],
    "timeout": Annotated[float | None, typer.Option(help="Seconds to wait for one live answer.")],
    "time_limit": TimeLimit,
    "proxy": Proxied,
}
"""The options of an audit, by the settings they set."""


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of an audit; it gets their values as further keywords, for `chosen`."""
    own = inspect.signature(command)
    kept = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _SETTINGS.items()
    ]
    command.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    command.__annotations__.update(_SETTINGS)
    return command


def chosen(packed: "Settings | None" = None, **given: Any) -> "Settings":
    """The settings: what was given on the command line, else what the case was packed with, else the defaults.

    A packed judge or search that would import a module has to be given again: a case is a file from somebody else.

    Raises:
        ButforError: a value is not allowed; the message names the option.
    """
    from pydantic import ValidationError

    from butfor.counterfactual.settings import Settings
    from butfor.replay.cast import RunTools
    from butfor.replay.trace import first_problem

    for kind, value in (("judge", packed and packed.judge), ("search", packed and packed.search)):
        if value and imports(value) and given.get(kind) != value:
            raise ButforError(
                f"the case was audited with the {kind} {value}, which is code; pass --{kind} {value} if you trust it"
            )
    fields = (packed or Settings()).model_dump()
    for group, names in (
        ("rule", ("repeats", "confidence", "effect")),
        ("budget", ("calls", "tokens", "dollars", "seconds")),
    ):
        fields[group] |= {name: given.pop(name) for name in names if given.get(name) is not None}
        for name in names:
            given.pop(name, None)
    for name, values, read in (
        ("params", given.pop("params", None), _json),
        ("prices", given.pop("prices", None), _price),
        ("models", given.pop("models", None), str),
    ):
        fields[name] |= {key: read(value) for key, value in (_pair(name, text) for text in values or ())}
    if given.get("tools") in get_args(RunTools):
        given["run_tools"] = given.pop("tools")
    fields |= {name: value for name, value in given.items() if value is not None}
    try:
        settings = Settings.model_validate(fields)
    except ValidationError as error:
        raise ButforError(f"an option is not allowed: {first_problem(error)}") from None
    priced = [model for model in (settings.model, settings.corrector, *settings.models.values()) if model]
    missing = next((model for model in priced if model not in settings.prices), None)
    if settings.budget.dollars is not None and missing:
        raise ButforError(f"--max-cost needs a price; give --price {missing}=IN/OUT (dollars per million tokens)")
    return settings


def imports(name: str) -> bool:
    """Whether a name stands for code to import (`module:object`)."""
    return ":" in name and not name.startswith(("pattern:", "output:", "file:", "pytest:"))


def pairs(option: str, values: list[str] | None) -> dict[str, str]:
    """AGENT=… options as a mapping.

    Raises:
        ButforError: one is not of that form.
    """
    return dict(_pair(option, text) for text in values or ())


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ButforError(f"--{option.removesuffix('s')} {text!r} is not of the form NAME=VALUE")
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
