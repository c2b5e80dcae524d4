"""The commands; each reads its input, calls what does the work, and prints."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import audit_cli, rank_cli
from . import options as o
from .cache_cli import app as cache_app
from .opened import open_store, opened, out, print_json, write

if TYPE_CHECKING:
    from butfor.counterfactual.settings import Settings
    from butfor.replay.trace import Trace

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="But for this step, would the run have failed? Replay a failed multi-agent run with one answer changed.",
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Print the version where it is asked for."""
    if show:
        from . import __version__

        print(f"butfor {__version__}")
        raise typer.Exit


@app.command("import")
def import_(
    log: o.Log,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to write the run.")] = None,
    format: Annotated[str | None, typer.Option(help="The log's format, where it is not recognised.")] = None,  # noqa: A002
) -> None:
    """Read a log of any supported format and write it as a run."""
    from butfor.replay.importers import import_log

    trace = import_log(log, format=format)
    if output is None:
        sys.stdout.write(trace.to_json())
        return
    write(output, trace.to_json(), read=log)
    print(f"{output}: {len(trace.steps)} steps of {len(trace.agents)} agents, {trace.fidelity}, from {log.name}")


@app.command()
def show(log: o.Log, as_json: o.Json = False) -> None:
    """Show the steps of a run: who spoke, who read what, where it ended."""
    from butfor.replay.summary import as_terminal, summary

    trace = opened(log).trace
    if as_json:
        print_json(summary(trace).model_dump(mode="json"))
    else:
        out().print(as_terminal(trace))


@app.command()
def record(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the run.")],
    command: o.Command = None,
    judge: o.Judge = None,
    time_limit: o.TimeLimit = None,
    proxy: o.Proxied = None,
) -> None:
    """Run a program unmodified and record every call it makes to a model."""
    from . import programs

    trace = programs.recorded(command or (), output, timeout=time_limit, judge=judge, proxy=bool(proxy))
    print(programs.summary(trace, output), file=sys.stderr)


@app.command()
def check(
    log: o.Log,
    command: o.Command = None,
    time_limit: o.TimeLimit = None,
    proxy: o.Proxied = None,
    as_json: o.Json = False,
) -> None:
    """Replay a run offline with no edits: every call must hit, and the run must come out byte for byte."""
    from hashlib import sha256

    from butfor.replay.executor import rerun
    from butfor.replay.simulator import Simulator

    trace = opened(log).trace
    if command:
        _check_program(trace, log, command, o.chosen(time_limit=time_limit, proxy=proxy), as_json)
    simulator = Simulator()
    recording = simulator.recording(trace)
    again = rerun(trace, executor=simulator, recording=recording)
    same = again.to_json() == trace.to_json()
    digest = sha256(again.to_json().encode()).hexdigest()
    calls = len(recording.recorded)
    if as_json:
        print_json({"identical": same, "calls": calls, "hits": calls, "sha256": digest, "fidelity": trace.fidelity})
    else:
        verdict = "reproduced byte for byte" if same else "NOT reproduced: the outputs differ"
        print(f"{log.name}: {calls} calls, {calls} answered from the recording, 0 live; {verdict} (sha256 {digest})")
    raise typer.Exit(0 if same else 1)


def _check_program(trace: "Trace", log: Path, command: list[str], settings: "Settings", as_json: bool) -> None:
    from . import programs

    checked = programs.check(trace, command, settings)
    if as_json:
        print_json(checked.as_json())
    else:
        print(checked.sentence(log.name))
    raise typer.Exit(0 if checked.same else 1)


@app.command()
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
    from .scenarios import bench as b

    settings = o.chosen(
        model=model,
        corrector=corrector,
        judge=judge,
        search=search,
        repeats=repeats,
        calls=max_calls,
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
        out().print(b.as_terminal(rows))
    raise typer.Exit(0 if all(row.right for row in rows) else 1)


@app.command()
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


audit_cli.add_to(app)
rank_cli.add_to(app)
app.add_typer(cache_app, name="cache")
