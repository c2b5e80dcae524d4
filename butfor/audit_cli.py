"""The commands of an audit: `whatif`, `blame`, `sham`, `plan`, `pack` and `verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .opened import Opened, opened, out, print_json, progress_of, write

if TYPE_CHECKING:
    from butfor.counterfactual.settings import Settings
    from butfor.counterfactual.verdict import Verdict


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (whatif, blame, sham, plan, pack, verify):
        app.command()(command)


@o.with_settings
def whatif(
    log: o.Log,
    command: o.Command = None,
    step: Annotated[int | None, typer.Option(help="The step to change (0-based).")] = None,
    output: Annotated[str | None, typer.Option(help="The step's new output; @FILE reads it from a file.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Let the step say nothing.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Ask the step's agent again.")] = False,
    swap: Annotated[list[str] | None, typer.Option(help="AGENT=provider:model; may be repeated.")] = None,
    instruct: Annotated[
        list[str] | None, typer.Option(help="AGENT=TEXT, told to the agent besides; may be repeated.")
    ] = None,
    save: Annotated[Path | None, typer.Option("-o", help="Write the changed run here.")] = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    **given: Any,
) -> None:
    """Replay a run with one step changed or agents played by other models, and show how it goes on."""
    from .counterfactual import whatif as what

    run = opened(log)
    changes = what.changes(
        run.trace,
        step=step,
        output=output,
        remove=remove,
        resample=resample,
        swaps=o.pairs("swap", swap),
        instructions=o.pairs("instruct", instruct),
    )
    session = run.session(o.chosen(run.settings, **given), cache=cache, offline=offline, command=command)
    with progress_of(session):
        found = what.whatif(session, run.trace, changes, repeats=given["repeats"] or 1)
    if save:
        write(save, found.run.to_json(), read=log)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(what.as_terminal(found))


@o.with_settings
def blame(
    log: o.Log,
    command: o.Command = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Pack the run, its answers and the verdict here, for `butfor verify`.")
    ] = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    markdown: o.Markdown = False,
    **given: Any,
) -> None:
    """Find the earliest step whose correction turns the failure into a success."""
    run = opened(log)
    settings = o.chosen(run.settings, **given)
    session = run.session(settings, cache=cache, offline=offline, command=command)
    with progress_of(session):
        found = session.audit(run.trace)
    run.remember(settings, cache=cache)
    if certificate:
        _pack(run, settings, certificate, log, cache, command)
    _print_report(run, found, as_json, markdown)
    raise typer.Exit(0 if found.verdict in ("blamed", "set") else 1)


@o.with_settings
def sham(
    log: o.Log,
    command: o.Command = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    markdown: o.Markdown = False,
    **given: Any,
) -> None:
    """Audit a run that succeeded, as a control of the method: it must blame nobody."""
    run = opened(log)
    session = run.session(o.chosen(run.settings, **given), cache=cache, offline=offline, command=command)
    with progress_of(session):
        found = session.audit(run.trace, sham=True)
    _print_report(run, found, as_json, markdown)
    raise typer.Exit(1 if found.verdict in ("blamed", "set") else 0)


@o.with_settings
def plan(log: o.Log, as_json: o.Json = False, **given: Any) -> None:
    """Say before anything is spent what an audit may ask: calls, tokens and cost per step."""
    from butfor.counterfactual.plan import as_terminal, planned

    run = opened(log)
    found = planned(run.trace, o.chosen(run.settings, **given))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(as_terminal(found))


def pack(
    log: o.Log,
    output: Annotated[Path, typer.Option("-o", "--output", help="The case to write (NAME.butfor).")],
    command: o.Command = None,
    cache: o.Cache = None,
) -> None:
    """Pack a run with every answer that check and its last audit used, to reproduce both offline elsewhere."""
    run = opened(log)
    settings = run.last_settings(cache)
    keys = _pack(run, settings, output, log, cache, command)
    what = f"{keys} answers of its last audit" if settings else "no answers: it was not audited with this cache"
    print(f"{output}: {log.name} with {what}; {output.stat().st_size} bytes")


def verify(case: o.Log, command: o.Command = None, as_json: o.Json = False) -> None:
    """Derive a packed verdict again, offline, and say whether every number still holds."""
    from butfor.counterfactual.verify import verified

    run = opened(case)
    found = verified(run, command)
    if as_json:
        print_json(found._asdict())
    else:
        print(found.sentence(case.name))
    raise typer.Exit(0 if not found.differences else 1)


def _pack(
    run: Opened,
    settings: "Settings | None",
    output: Path,
    log: Path,
    cache: Path | None,
    command: list[str] | None,
) -> int:
    """Write a case with the audit done once more from its answers; how many those are."""
    from .counterfactual import case

    found, keys = None, set[str]()
    if settings is not None:
        session = run.session(settings, cache=cache, offline=True, command=command)
        found, keys = session.audit(run.trace), session.store.used
    write(output, case.pack(run.trace, settings, found, run.store(cache), keys), read=log)
    return len(keys)


def _print_report(run: Opened, found: "Verdict", as_json: bool, markdown: bool) -> None:
    from butfor.render.report import as_markdown, as_terminal

    if as_json:
        print_json(found.model_dump(mode="json"))
    elif markdown:
        print(as_markdown(found, run.trace), end="")
    else:
        out().print(as_terminal(found, run.trace))
