"""The commands that run something again: `whatif`, `plan`, `blame`, `sham`, `pack` and `verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options as o
from .console import out, print_json, progress_of

if TYPE_CHECKING:
    from butfor.counterfactual.case import Opened
    from butfor.counterfactual.verdict import Verdict


@o.with_settings(o.RUN_SETTINGS)
def whatif(
    log: o.Log,
    command: o.Command = None,
    step: Annotated[int | None, typer.Option(help="The step to change (0-based).")] = None,
    output: Annotated[str | None, typer.Option(help="The step's new output; @FILE reads it from a file.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Let the step say nothing.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Ask the step's agent again.")] = False,
    swap: Annotated[list[str] | None, typer.Option(help="AGENT=provider:model; may be repeated.")] = None,
    instruct: Annotated[
        list[str] | None, typer.Option(help="AGENT=TEXT or AGENT=@FILE, told to the agent besides; may be repeated.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("-o", "--save", help="Write the changed run here.", rich_help_panel=o.OUTPUT)
    ] = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    **given: Any,
) -> None:
    """Replay a run with one step changed or agents played by other models, and show how it goes on."""
    from butfor.counterfactual import whatif as what
    from butfor.counterfactual.case import opened
    from butfor.replay.output import write

    from .programs import allow
    from .render.whatif import as_terminal

    run = opened(log)
    changes = what.changes(
        run.trace,
        step=step,
        output=o.text_of("output", output),
        remove=remove,
        resample=resample,
        swap=o.pairs("swap", swap),
        instruct=o.pairs("instruct", instruct),
    )
    settings = o.chosen(run.settings, **given)
    audit = run.audit(settings, store=cache, offline=offline, program=command or (), allow=allow)
    with progress_of(audit):
        found = what.whatif(audit, run.trace, changes, repeats=given["repeats"] or 1)
    if save:
        write(save, found.run.to_json(), read=log)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(as_terminal(found))
    raise typer.Exit(0 if found.repaired is None or found.repaired else 1)


@o.with_settings(o.AUDIT_SETTINGS)
def blame(
    log: o.Log,
    command: o.Command = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="Pack the run, its answers and the verdict here, for `butfor verify`.", rich_help_panel=o.OUTPUT
        ),
    ] = None,
    offline: o.Offline = False,
    cache: o.Cache = None,
    as_json: o.Json = False,
    markdown: o.Markdown = False,
    **given: Any,
) -> None:
    """Find the earliest step whose correction turns the failure into a success."""
    from butfor.counterfactual.case import opened, remember

    run = opened(log)
    found = _audited(run, given, command, cache, offline)
    if run.case is None:
        remember(found)
    if certificate:
        found.save(certificate)
    _print_report(run, found, as_json, markdown)
    raise typer.Exit(_STATUS.get(found.verdict, 1))


@o.with_settings(o.AUDIT_SETTINGS)
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
    from butfor.counterfactual.case import opened

    run = opened(log)
    found = _audited(run, given, command, cache, offline, sham=True)
    _print_report(run, found, as_json, markdown)
    raise typer.Exit(1 if found.verdict in ("blamed", "set") else 0)


@o.with_settings(o.PLAN_SETTINGS)
def plan(log: o.Log, as_json: o.Json = False, **given: Any) -> None:
    """Say before anything is spent what an audit may ask: calls, tokens and cost per step."""
    from butfor.counterfactual.case import opened
    from butfor.counterfactual.plan import planned

    from .render.plan import as_terminal

    run = opened(log)
    found = planned(run.trace, o.chosen(run.settings, **given))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(as_terminal(found))


def pack(
    log: o.Log,
    output: Annotated[Path, typer.Option("-o", "--output", help="The case to write (NAME.butfor).")],
    cache: o.Cache = None,
) -> None:
    """Pack a run with every answer that its last audit used, to reproduce it offline elsewhere."""
    from butfor.counterfactual import case
    from butfor.replay.output import write

    run = case.opened(log)
    store = run.store(cache)
    last = (run.case and run.case.found and run.case) or case.remembered(run.trace, store)
    settings, found, keys = (last.settings, last.found, last.keys) if last else (None, None, ())
    write(output, case.pack(run.trace, settings, found, store, keys), read=log)
    what = f"{len(keys)} answers of its last audit" if last else "no answers: it was not audited with this cache"
    print(f"{output}: {log.name} with {what}; {output.stat().st_size} bytes")


@o.with_settings({name: o.AUDIT_SETTINGS[name] for name in ("judge", "search", "proposer", "executor")})
def verify(case: o.Log, command: o.Command = None, as_json: o.Json = False, **given: Any) -> None:
    """Derive a packed verdict again, offline, and say whether every number still holds."""
    from butfor.counterfactual.case import opened
    from butfor.counterfactual.verify import verified

    run = opened(case)
    found = verified(run.case, o.chosen(run.settings, **given) if run.settings else None, command or ())
    if as_json:
        print_json(found._asdict())
    else:
        print(found.sentence(case.name))
    raise typer.Exit(0 if found.holds else 1)


COMMANDS = {"change": (whatif,), "blame": (plan, blame, sham), "reproduce": (pack, verify)}
"""The commands, by the group of `--help` in which they stand."""

_STATUS = {"blamed": 0, "set": 0, "no flip": 1, "nothing tried": 1, "undetermined": 3, "not replayable": 1}
"""The exit status of a verdict."""


def _audited(
    run: "Opened",
    given: dict[str, Any],
    command: list[str] | None,
    cache: str | None,
    offline: bool,
    *,
    sham: bool = False,
) -> "Verdict":
    from .programs import allow

    settings = o.chosen(run.settings, **given)
    audit = run.audit(settings, store=cache, offline=offline, program=command or (), allow=allow)
    with progress_of(audit):
        return audit.audit(run.trace, sham=sham)


def _print_report(run: "Opened", found: "Verdict", as_json: bool, markdown: bool) -> None:
    from .render.report import as_markdown, as_terminal

    if as_json:
        print_json(found.model_dump(mode="json"))
    elif markdown:
        print(as_markdown(found, run.trace), end="")
    else:
        out().print(as_terminal(found, run.trace))
