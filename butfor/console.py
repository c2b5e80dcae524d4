"""What the commands print with, and what they do about an interruption."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from butfor.counterfactual.audit import Audit


@contextmanager
def progress_of(audit: "Audit") -> Iterator[None]:
    """Its running cost, shown on a terminal; Ctrl-C ends with a word on what is kept, and exit status 130."""
    from .render.progress import progress

    try:
        with progress(audit.cost):
            yield
    except KeyboardInterrupt:
        made = audit.cost().live_calls
        print(
            f"\nbutfor: stopped after {made} live calls; every answer is stored; the same command goes on from there",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


def out() -> "Console":
    """Standard output."""
    from .render.report import console

    return console()


def print_json(value: object) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
