"""A run recorded into a file: nothing that was paid for is lost on the way, whatever happens."""

from collections.abc import Sequence
from pathlib import Path

from butfor.cache.errors import ButforError, ProgramFailed
from butfor.replay.output import write_atomically
from butfor.replay.trace import Trace

from .process import stopped_by_signals
from .program import Leavings, record


def tape_of(output: Path) -> Path:
    """The file beside a recording that its calls are appended to while it is made."""
    return output.with_name(f".{output.name}.calls.jsonl")


def record_to(
    output: Path,
    command: Sequence[str],
    *,
    timeout: float | None = None,
    leavings: Leavings | None = None,
    proxy: bool = False,
    expected: str | None = None,
    judge: str | None = None,
    hold: bool = True,
    ignore: Sequence[str] = (),
) -> Trace:
    """Run a command, record it and write the run; `timeout` is in seconds.

    `expected` and `judge` are kept in the run, for whoever judges it later.

    A program that is cut short, by its time limit or by a signal to butfor, is ended, and the run holds what came,
    marked partial. Where even that fails, the tape stays, and can be imported.

    `hold` and `ignore` are those of `record`.

    Raises:
        ButforError: there is no command, or the tape of another recording is in the way.
        ProgramFailed: it could not be started, or it asked no model.
    """
    if not command:
        raise ButforError("nothing to record; give the command after --: butfor record -o run.json -- python app.py")
    tape = tape_of(output)
    if tape.exists():
        raise ButforError(
            f"{tape} is left from a recording that was cut short, with every call it had made; keep it with "
            f"`butfor import {tape} -o FILE`, or remove it"
        )
    try:
        with stopped_by_signals():  # a second Ctrl-C must not stop the writing
            trace = record(
                command,
                name=output.name,
                tape=tape,
                timeout=timeout,
                leavings=leavings,
                proxy=proxy,
                hold=hold,
                ignore=ignore,
            )
            trace = trace.model_copy(update={"expected": expected, "judge": judge})
            write_atomically(output, trace.to_json())
    except ProgramFailed:
        if tape.exists() and not tape.stat().st_size:
            tape.unlink()
        raise
    tape.unlink()
    return trace
