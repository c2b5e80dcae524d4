"""The commands that let a person look: `show`, `diff` and `report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from butfor.cache.errors import ButforError

if TYPE_CHECKING:
    from butfor.counterfactual.verdict import Verdict
    from butfor.replay.trace import Trace


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


COMMANDS = {"look": (report,)}
"""The commands, by the group of `--help` in which they stand."""
