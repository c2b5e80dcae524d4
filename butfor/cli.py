"""The commands; each reads its input, calls what does the work, and prints."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from . import options as o
from .cache_cli import app as cache_app

if TYPE_CHECKING:
    from butfor.cache.store import CallStore
    from butfor.replay.trace import Trace

    from .case import Case
    from .settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="But for this step, would the run have failed? Replay a failed multi-agent run with one answer changed.",
)
app.add_typer(cache_app, name="cache")


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Print the version where it is asked for."""
    if show:
        from butfor import __version__

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
    _write(output, trace.to_json())
    print(f"{output}: {len(trace.steps)} steps of {len(trace.agents)} agents, {trace.fidelity}, from {log.name}")


@app.command()
def show(log: o.Log, as_json: o.Json = False) -> None:
    """Show the steps of a run: who spoke, who read what, where it ended."""
    from butfor.replay.show import as_terminal, summary

    trace = _open(log).trace
    if as_json:
        _print_json(summary(trace).model_dump(mode="json"))
    else:
        _console().print(as_terminal(trace))


@app.command()
def record(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the run.")],
    command: o.Command = None,
    judge: o.Judging = None,
    time_limit: o.TimeLimit = None,
) -> None:
    """Run a program unmodified and record every call it makes to a model."""
    from . import programs

    trace = programs.recorded(command or (), output, timeout=time_limit, judge=judge)
    _write(output, trace.to_json())
    programs.tape(output).unlink()
    print(programs.summary(trace, output), file=sys.stderr)


@app.command()
def check(
    log: o.Log, command: o.Command = None, time_limit: o.TimeLimit = None, as_json: o.Json = False
) -> None:
    """Replay a run offline with no edits: every call must hit, and the run must come out byte for byte."""
    from hashlib import sha256

    from butfor.replay.executor import rerun
    from butfor.replay.simulator import Simulator

    trace = _open(log).trace
    if command:
        _check_program(trace, log, command, time_limit, as_json)
    simulator = Simulator()
    recording = simulator.recording(trace)
    again = rerun(trace, executor=simulator, recording=recording)
    same = again.to_json() == trace.to_json()
    digest = sha256(again.to_json().encode()).hexdigest()
    calls = len(recording.recorded)
    if as_json:
        _print_json({"identical": same, "calls": calls, "hits": calls, "sha256": digest, "fidelity": trace.fidelity})
    else:
        verdict = "reproduced byte for byte" if same else "NOT reproduced: the outputs differ"
        print(f"{log.name}: {calls} calls, {calls} answered from the recording, 0 live; {verdict} (sha256 {digest})")
    raise typer.Exit(0 if same else 1)


def _check_program(
    trace: "Trace", log: Path, command: list[str], time_limit: float | None, as_json: bool
) -> None:
    from . import programs

    checked = programs.check(trace, command, o.chosen(time_limit=time_limit))
    if as_json:
        _print_json(checked.as_json(trace.fidelity))
    else:
        print(checked.sentence(log.name))
    raise typer.Exit(0 if checked.same else 1)


@app.command()
def whatif(
    log: o.Log,
    command: o.Command = None,
    step: Annotated[int | None, typer.Option(help="The step to change (0-based).")] = None,
    output: Annotated[str | None, typer.Option(help="The step's new output; @FILE reads it from a file.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Let the step say nothing.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Ask the step's agent again.")] = False,
    swap: Annotated[list[str] | None, typer.Option(help="AGENT=provider:model; may be repeated.")] = None,
    save: Annotated[Path | None, typer.Option("-o", help="Write the changed run here.")] = None,
    repeats: o.Repeats = None,
    model: o.Model = None,
    judge: o.Judging = None,
    judge_model: o.JudgeModel = None,
    expected: o.Expected = None,
    tools: o.Tools = None,
    schedule: o.ScheduleBy = None,
    max_calls: o.MaxCalls = None,
    max_total_tokens: o.MaxTokens = None,
    max_cost: o.MaxCost = None,
    price: o.PriceOf = None,
    param: o.Param = None,
    jobs: o.Jobs = None,
    timeout: o.Timeout = None,
    time_limit: o.TimeLimit = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
) -> None:
    """Replay a run with one step changed or agents played by other models, and show how it goes on."""
    from . import whatif as what

    opened = _open(log)
    settings = o.chosen(
        opened.settings, model=model, judge=judge, judge_model=judge_model, expected=expected, tools=tools,
        schedule=schedule, calls=max_calls, tokens=max_total_tokens, dollars=max_cost, prices=price, params=param,
        jobs=jobs, timeout=timeout, repeats=repeats, time_limit=time_limit,
    )  # fmt: skip
    changes = what.changes(
        opened.trace, step=step, output=output, remove=remove, resample=resample, swaps=o.swaps(swap)
    )
    session = _session(settings, opened, cache, offline, command)
    with _progress(session):
        found = what.whatif(session, opened.trace, changes, repeats=repeats or 1)
    if save:
        _write(save, found.run.to_json())
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        _console().print(what.as_terminal(found))


@app.command()
def blame(
    log: o.Log,
    command: o.Command = None,
    model: o.Model = None,
    corrector: o.Corrector = None,
    judge: o.Judging = None,
    judge_model: o.JudgeModel = None,
    expected: o.Expected = None,
    tools: o.Tools = None,
    schedule: o.ScheduleBy = None,
    search: o.SearchBy = None,
    repeats: o.Repeats = None,
    confidence: o.Confidence = None,
    effect: o.Effect = None,
    controls: o.Controls = None,
    max_calls: o.MaxCalls = None,
    max_total_tokens: o.MaxTokens = None,
    max_cost: o.MaxCost = None,
    price: o.PriceOf = None,
    param: o.Param = None,
    jobs: o.Jobs = None,
    timeout: o.Timeout = None,
    time_limit: o.TimeLimit = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Find the earliest step whose correction turns the failure into a success."""
    opened = _open(log)
    settings = o.chosen(
        opened.settings, model=model, corrector=corrector, judge=judge, judge_model=judge_model, expected=expected,
        tools=tools, schedule=schedule, search=search, repeats=repeats, confidence=confidence, effect=effect,
        controls=controls, calls=max_calls, tokens=max_total_tokens, dollars=max_cost, prices=price, params=param,
        jobs=jobs, timeout=timeout, time_limit=time_limit,
    )  # fmt: skip
    session = _session(settings, opened, cache, offline, command)
    with _progress(session):
        found = session.audit(opened.trace)
    _remember(session, opened.trace)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    elif markdown:
        from butfor.counterfactual.report import as_markdown

        print(as_markdown(found, opened.trace), end="")
    else:
        from butfor.counterfactual.report import as_terminal

        _console().print(as_terminal(found, opened.trace))
    raise typer.Exit(0 if found.verdict in ("blamed", "set") else 1)


@app.command()
def pack(
    log: o.Log,
    output: Annotated[Path, typer.Option("-o", "--output", help="The case to write (NAME.butfor).")],
    command: o.Command = None,
    cache: o.Cache = None,
) -> None:
    """Pack a run with every answer that check and its last audit used, to reproduce both offline elsewhere."""
    from . import case

    opened = _open(log)
    store = _store(opened, cache)
    settings = opened.settings or _remembered(store, opened.trace)
    keys: set[str] = set()
    if settings is not None:
        session = _session(settings, opened, cache, True, command)
        session.audit(opened.trace)
        keys = session.store.used
    _write(output, case.pack(opened.trace, settings, store, keys))
    what = f"{len(keys)} answers of its last audit" if settings else "no answers: it was not audited with this cache"
    print(f"{output}: {log.name} with {what}; {output.stat().st_size} bytes")


@app.command()
def bench(
    what: Annotated[list[str] | None, typer.Argument(help="Scenarios, or a folder of labelled logs.")] = None,
    search: o.SearchBy = None,
    model: o.Model = None,
    corrector: o.Corrector = None,
    judge: o.Judging = None,
    repeats: o.Repeats = None,
    max_calls: o.MaxCalls = None,
    param: o.Param = None,
    cache: o.Cache = None,
    as_json: o.Json = False,
) -> None:
    """Score blame against known causes: over the scenarios, or over a folder of labelled logs."""
    from . import bench as b

    settings = o.chosen(
        model=model, corrector=corrector, judge=judge, search=search, repeats=repeats, calls=max_calls, params=param
    )
    folder = Path(what[0]) if what and len(what) == 1 and Path(what[0]).is_dir() else None
    rows = b.over_logs(folder, settings, _open_store(cache)) if folder else b.over_scenarios(what or (), settings)
    if as_json:
        _print_json(b.as_json(rows))
    else:
        _console().print(b.as_terminal(rows))
    raise typer.Exit(0 if all(row.right for row in rows) else 1)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="The scenario to play.")] = "parallel", as_json: o.Json = False
) -> None:
    """Audit an embedded failing run of several agents: no key, no network."""
    from . import demo as d

    trace, found = d.demo(name)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        _console().print(d.as_terminal(name, trace, found))


class _Opened(NamedTuple):
    """What a command reads: a trace, and what a packed case brings along."""

    trace: "Trace"
    settings: "Settings | None" = None
    case: "Case | None" = None


def _open(log: Path) -> _Opened:
    from .case import is_case, unpack

    if is_case(log):
        case = unpack(log)
        return _Opened(case.trace, case.settings, case)
    from butfor.replay.importers import import_log

    return _Opened(import_log(log))


def _open_store(cache: Path | None) -> "CallStore":
    from butfor.cache.disk import DiskStore

    from .session import default_cache

    return DiskStore(cache or default_cache())


def _store(opened: _Opened, cache: Path | None) -> Any:
    return opened.case.store if opened.case else _open_store(cache)


def _session(
    settings: "Settings", opened: _Opened, cache: Path | None, offline: bool, command: list[str] | None
) -> Any:
    from . import programs
    from .session import Session

    offline = offline or opened.case is not None
    program = programs.program(command or (), settings, offline=offline)
    return Session(settings, _store(opened, cache), offline=offline, program=program)


def _remember(session: Any, trace: "Trace") -> None:
    """Keep the settings of an audit beside its answers, for `pack`."""
    from butfor.cache.disk import DiskStore

    if isinstance(session.stored, DiskStore):
        session.stored.note(f"audit/{trace.digest}", session.settings.model_dump_json())


def _remembered(store: Any, trace: "Trace") -> "Settings | None":
    from butfor.cache.disk import DiskStore

    from .settings import Settings

    text = store.noted(f"audit/{trace.digest}") if isinstance(store, DiskStore) else None
    return Settings.model_validate_json(text) if text else None


def _progress(session: Any) -> Any:
    from .progress import progress

    return progress(session.cost)


def _console() -> Any:
    from butfor.counterfactual.report import console

    return console()


def _write(path: Path, content: str | bytes) -> None:
    from butfor.cache.errors import ButforError
    from butfor.replay.trace import write_atomically

    try:
        write_atomically(path, content)
    except OSError as error:
        raise ButforError(f"{path} cannot be written: {error.strerror or error}") from None


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
