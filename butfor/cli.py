"""The commands; each reads its input, calls what does the work, and prints."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from butfor.cache.errors import ButforError

from . import audit_cli, look_cli, many_cli, rank_cli
from . import options as o
from .cache_cli import app as cache_app
from .console import out, print_json

if TYPE_CHECKING:
    from butfor.replay.trace import Trace

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="But for this step, would the run have failed? Replay a failed multi-agent run with one answer changed.",
)

_GROUPS = {
    "see": "See a run",
    "reproduce": "Reproduce it",
    "change": "Change it",
    "blame": "Blame a step",
    "look": "Look at it",
    "many": "Many runs",
    "upkeep": "Upkeep",
}
"""The groups of `--help`, in the order in which a person meets them."""


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Print the version where it is asked for."""
    if show:
        from . import __version__

        print(f"butfor {__version__}")
        raise typer.Exit


def import_(
    log: o.Log,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write the run.")] = None,
    format: Annotated[str | None, typer.Option(help="The log's format, where it is not recognised.")] = None,  # noqa: A002
) -> None:
    """Read a log of any supported format and write it as a run."""
    from butfor.replay.importers import import_log
    from butfor.replay.output import write
    from butfor.replay.summary import account

    trace = import_log(log, format=format)
    if output is None:
        sys.stdout.write(trace.to_json())
        return
    write(output, trace.to_json(), read=log)
    print(f"{output}: {len(trace.steps)} steps of {len(trace.agents)} agents, {trace.fidelity}, from {log.name}")
    print(account(trace))


def record(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the run.")],
    command: o.Command = None,
    judge: o.Judge = None,
    expected: o.Expected = None,
    time_limit: o.TimeLimit = None,
    proxy: o.Proxied = None,
    hold: o.Hold = True,
    ignore: o.Ignore = None,
) -> None:
    """Run a program unmodified and record every call it makes to a model."""
    from butfor.counterfactual.audit import leavings
    from butfor.replay.program.recorder import record_to

    from . import programs

    trace = record_to(
        output,
        command or (),
        timeout=time_limit,
        leavings=leavings(judge or ""),
        proxy=bool(proxy),
        expected=expected,
        judge=judge,
        hold=hold,
        ignore=ignore or (),
    )
    print(programs.summary(trace, output), file=sys.stderr)


def check(
    log: o.Log,
    command: o.Command = None,
    time_limit: o.TimeLimit = None,
    proxy: o.Proxied = None,
    reach: o.Reach = None,
    hold: o.Hold = True,
    ignore: o.Ignore = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Run it twice, and print what to --ignore.", rich_help_panel=o.PROGRAM)
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Replay a run offline with no edits: every call must hit, and the run must come out byte for byte."""
    from butfor.counterfactual.case import opened
    from butfor.replay.program.check import check as run_again
    from butfor.replay.program.check import check_log

    trace = opened(log).trace
    if learn:
        _learn(trace, log, command or (), time_limit or 600.0, bool(proxy), reach or ())
    if command:
        options = {"reach": reach or (), "hold": hold, "ignore": ignore or ()}
        found = run_again(trace, command, timeout=time_limit or 600.0, proxy=bool(proxy), **options)
    else:
        found = check_log(trace)
    if as_json:
        print_json(found.as_json())
    else:
        print(found.sentence(log.name))
    raise typer.Exit(0 if found.same else 1)


def _learn(
    trace: "Trace", log: Path, command: Sequence[str], timeout: float, proxy: bool, reach: Sequence[str]
) -> None:
    import shlex

    from butfor.replay.program.learn import learn

    if not command:
        raise ButforError("learning runs the program again; give it after --: butfor check run.json --learn -- CMD")
    found = learn(trace, command, timeout=timeout, proxy=proxy, reach=reach)
    if not found:
        print(f"{log.name}: every call is recognised as it is; there is nothing to ignore")
        raise typer.Exit
    print(f"{log.name}: recognised with these; put them into the run when you record it, or give them to check:")
    print("\n".join(f"  --ignore {shlex.quote(pattern)}" for pattern in found))
    raise typer.Exit


def bench(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Scenarios; a folder of labelled logs; or who-and-when FOLDER|hf, to score --method."),
    ] = None,
    method: rank_cli.Method = "learned",
    show_expected: rank_cli.ShowExpected = False,
    search: o.Search = None,
    model: o.Model = None,
    corrector: o.Corrector = None,
    judge: o.Judge = None,
    repeats: o.Repeats = None,
    max_calls: o.MaxCalls = None,
    param: o.Params = None,
    cache: o.Cache = None,
    as_json: o.Json = False,
) -> None:
    """Score blame against known causes: over the scenarios, or over a folder of labelled logs."""
    from butfor.counterfactual.audit import open_store
    from butfor.scenarios import bench as b

    from .render.bench import as_terminal

    settings = o.chosen(
        model=model,
        corrector=corrector,
        judge=judge,
        search=search,
        repeats=repeats,
        max_calls=max_calls,
        params=param,
    )
    if what and what[0] == "who-and-when":
        where = what[1] if len(what) == 2 else "hf"
        rank_cli.benchmark(where, method, settings, cache=cache, show_expected=show_expected, as_json=as_json)
        return
    folder = Path(what[0]) if what and len(what) == 1 and Path(what[0]).is_dir() else None
    rows = b.over_logs(folder, settings, open_store(cache)) if folder else b.over_scenarios(what or (), settings)
    if as_json:
        print_json(b.as_json(rows))
    else:
        out().print(as_terminal(rows))
    raise typer.Exit(0 if all(row.right for row in rows) else 1)


def demo(
    name: Annotated[str, typer.Argument(help="The scenario to play.")] = "parallel", as_json: o.Json = False
) -> None:
    """Audit an embedded failing run of several agents: no key, no network."""
    from . import demo as d

    trace, found = d.demo(name)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(d.as_terminal(name, trace, found))


_OURS = {"see": (import_,), "reproduce": (record, check), "many": (bench,), "upkeep": (demo,)}

for _group, _panel in _GROUPS.items():
    _theirs = (cli.COMMANDS.get(_group, ()) for cli in (look_cli, audit_cli, rank_cli, many_cli))
    for _command in (*_OURS.get(_group, ()), *(command for commands in _theirs for command in commands)):
        app.command(_command.__name__.rstrip("_"), rich_help_panel=_panel)(_command)
app.add_typer(cache_app, name="cache", rich_help_panel=_GROUPS["upkeep"])
