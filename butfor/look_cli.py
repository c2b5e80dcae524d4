"""The commands that let a person look: `show`, `diff` and `report`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from butfor.cache.errors import ButforError

from . import options as o
from .console import out, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from butfor.counterfactual.verdict import Verdict
    from butfor.replay.trace import Trace


def show(
    log: o.Log,
    step: Annotated[int | None, typer.Option(help="Only this step (0-based), as a whole.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only what this agent said, as a whole.")] = None,
    grep: Annotated[
        str | None, typer.Option(help="Only the steps that hold this text; re:PATTERN is a regular expression.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Every message as a whole.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write a picture of the run here.", rich_help_panel=o.OUTPUT)] = None,
    as_json: o.Json = False,
) -> None:
    """Show the steps of a run: who spoke, who read what, where it ended."""
    from butfor.counterfactual.case import opened
    from butfor.replay.output import write
    from butfor.replay.summary import summary

    from .render import run
    from .render.html import picture

    trace = opened(log).trace
    if svg:
        write(svg, picture(trace), read=log)
        print(f"{svg}: {len(trace.steps)} steps of {len(trace.agents)} agents")
        return
    wanted = run.chosen(trace, step=step, agent=agent, grep=grep)
    if as_json:
        shown = summary(trace)
        kept = tuple(s for s in shown.steps if s.index in wanted)
        print_json(shown.model_copy(update={"steps": kept}).model_dump(mode="json"))
    elif full or step is not None or agent is not None or grep is not None:
        _paged(run.whole(trace, wanted))
    else:
        out().print(run.as_terminal(trace))


def diff(
    log: o.Log,
    other: Annotated[Path, typer.Argument(help="The run to hold against it.")],
    as_json: o.Json = False,
) -> None:
    """Hold two runs against each other: where they part, step by step, what they answer, what they cost."""
    from butfor.counterfactual.case import opened

    from .render.diff import as_terminal, differing

    found = differing(opened(log).trace, opened(other).trace)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out().print(as_terminal(found))
    raise typer.Exit(0 if found.parts is None else 1)


def _paged(shown: "RenderableType") -> None:
    """Long text through the user's pager, on a terminal."""
    console = out()
    if console.is_terminal and sys.stdin.isatty():
        with console.pager(styles=True):
            console.print(shown)
    else:
        console.print(shown)


def report(
    log: Annotated[Path, typer.Argument(help="A verdict (blame --json), a packed case, or any log.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The page to write (HTML).")],
    run: Annotated[Path | None, typer.Option(help="The run, where a verdict's own is not beside it.")] = None,
) -> None:
    """Write a page of a run, with the verdict on it where there is one: one file, no network, no script."""
    from butfor.replay.output import write

    from . import library
    from .render.html import page
    from .render.model import report_model

    trace, found, name = _read(log, run)
    ranks = () if found else library.rank(trace)
    write(output, page(report_model(trace, found, ranks=ranks, name=name)), read=log)
    print(f"{output}: {found.sentence if found else f'{len(trace.steps)} steps, not audited'}")


def _read(log: Path, run: Path | None) -> "tuple[Trace, Verdict | None, str]":
    """The run, the verdict on it, and the file that commands on the page name."""
    from butfor.counterfactual.case import opened

    found = _verdict(log)
    if found is None:
        opening = opened(log)
        return opening.trace, opening.case.found if opening.case else None, str(log)
    beside = run or log.parent / (found.source or "run.json")
    if not beside.is_file():
        raise ButforError(f"{log} is a verdict, and its run {beside} is not there; name it with --run RUN")
    trace = opened(beside).trace
    steps = [t.step for t in found.untested] + [s for t in found.trials for s in t.steps]
    if any(step >= len(trace.steps) for step in steps) or (
        found.step is not None and trace.steps[found.step].agent != found.agent
    ):
        raise ButforError(f"{beside} is not the run that {log} is about; name the right one with --run RUN")
    return trace, found, str(beside)


def _verdict(log: Path) -> "Verdict | None":
    """The verdict that `blame --json` printed into a file; `None` where it is something else."""
    import json

    from pydantic import ValidationError

    from butfor.counterfactual.verdict import Verdict
    from butfor.replay.trace import first_problem

    try:
        found = json.loads(log.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # whatever it is, the importers say what is wrong with it
    if not isinstance(found, dict) or not {"verdict", "sentence", "trials"} <= found.keys():
        return None
    try:
        return Verdict.model_validate(found)
    except ValidationError as error:
        raise ButforError(f"{log}: a verdict of another version of butfor: {first_problem(error)}") from None


COMMANDS = {"see": (show, diff), "look": (report,)}
"""The commands, by the group of `--help` in which they stand."""
