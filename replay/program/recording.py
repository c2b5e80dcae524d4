"""Recording from inside a program: `with butfor.recording("run.json"):`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from butfor.cache.errors import ProgramFailed
from butfor.replay.inside import intercept
from butfor.replay.output import write_atomically
from butfor.replay.trace import Ended

from .program import from_tape
from .workspace import injected


@contextmanager
def recording(path: "str | Path") -> Iterator[None]:
    """Record every call to a model that the block makes, in child processes too, and write the run when it
    ends.

    Under `butfor record`, `check` and the like it does nothing: the command has the whole program in hand.

    Raises:
        ProgramFailed: the block asked no model, or another recording is going on.
    """
    if os.environ.get("BUTFOR_MODE"):
        if os.environ.get("BUTFOR_INSIDE") == str(os.getpid()):
            raise ProgramFailed("a recording is going on already; leave it before another one begins")
        yield
        return
    output = Path(path)
    tape = output.with_name(f".{output.name}.calls.jsonl")
    tape.unlink(missing_ok=True)
    tape.touch(mode=0o600)
    changed = {
        **injected(), "BUTFOR_MODE": "record", "BUTFOR_TAPE": str(tape.absolute()),
        "BUTFOR_INSIDE": str(os.getpid()),
    }  # fmt: skip
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    intercept.install()
    status = 1
    try:
        yield
        status = 0
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        try:
            if status == 0 or tape.stat().st_size:
                trace = from_tape(tape, name=output.name, ended=Ended(status=status))
                write_atomically(output, trace.to_json())
        finally:
            tape.unlink()
