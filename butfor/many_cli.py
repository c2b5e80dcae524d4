"""The commands for many runs: `audit`, `try` and `mcp`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .console import out, print_json

if TYPE_CHECKING:
    from butfor.counterfactual.fleet.fleet import Fleet

Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUNS …", help="Folders, patterns such as 'logs/*.json', or files, also with many runs."),
]
Program = Annotated[
    str | None,
    typer.Option(help="The command that made the runs, in one string, to be run again.", rich_help_panel=o.PROGRAM),
]
_TRYING = ("confidence", *o.RUN_SETTINGS)


@o.with_settings(o.AUDIT_SETTINGS)
def audit(
    runs: Runs,
    program: Program = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Write audit.json, audit.csv and index.html here.", rich_help_panel=o.OUTPUT
        ),
    ] = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    **given: Any,
) -> None:
    """Audit many runs with one cache and one budget: who is to blame how often, and what to fix first."""
    import shlex

    from butfor.counterfactual.audit import open_store
    from butfor.counterfactual.fleet.auditing import audited
    from butfor.counterfactual.fleet.runs import named_runs

    from .render.fleet import as_terminal

    settings = o.chosen(None, **given)
    found = audited(
        tuple(named_runs(runs)),
        settings,
        open_store(cache),
        offline=offline,
        program=shlex.split(program or ""),
    )
    if output is not None:
        _write(found, output)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(as_terminal(found))
    raise typer.Exit(0 if found.complete else 3)


@o.with_settings({k: v for k, v in {**o.RUN_SETTINGS, **o.AUDIT_SETTINGS}.items() if k in _TRYING})
def try_(
    runs: Runs,
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="AGENT=TEXT or AGENT=@FILE, told to the agent besides; each is a candidate."),
    ] = None,
    swap: Annotated[list[str] | None, typer.Option(help="AGENT=provider:model; each is a candidate.")] = None,
    at_least: Annotated[float, typer.Option(help="By how much more often failures have to succeed.")] = 0.1,
    at_most: Annotated[float, typer.Option(help="By how much less often successes may succeed.")] = 0.1,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    **given: Any,
) -> None:
    """Try a fix on stored failures and successes, in both arms: PASS, FAIL or INCONCLUSIVE."""
    from butfor.counterfactual.audit import open_store
    from butfor.counterfactual.audit import swap as swapped
    from butfor.counterfactual.fleet.comparing import compared
    from butfor.counterfactual.fleet.runs import named_runs
    from butfor.counterfactual.intervention import instruct

    told = [instruct(agent, text) for text in candidate or () for agent, text in o.pairs("candidate", [text]).items()]
    played = [swapped(agent, model) for text in swap or () for agent, model in o.pairs("swap", [text]).items()]
    found = compared(
        tuple(named_runs(runs)),
        [*told, *played],
        o.chosen(None, **given),
        open_store(cache),
        at_least=at_least,
        at_most=at_most,
        offline=offline,
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        for tried in found.candidates:
            print(f"{tried.candidate}: {tried.sentence}")
            print("".join(f"  not tried: {left.run}: {left.reason}\n" for left in tried.left), end="")
        print(f"{found.cost.live_calls:,} live calls")
    raise typer.Exit({"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[found.answer])


@o.with_settings(o.AUDIT_SETTINGS)
def mcp(cache: o.Cache = None, **given: Any) -> None:
    """Serve coding agents over MCP on stdio; without a --max-… option nothing is asked live."""
    from .mcp_server import server

    server(o.chosen(None, **given), cache=cache).run()


def _write(found: "Fleet", folder: Path) -> None:
    from butfor.replay.output import write

    from .render.fleet import as_csv, as_page

    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "audit.json", found.model_dump_json(indent=1) + "\n")
    write(folder / "audit.csv", as_csv(found))
    write(folder / "index.html", as_page(found))


COMMANDS = {"many": (audit, try_, mcp)}
"""The commands, by the group of `--help` in which they stand."""
