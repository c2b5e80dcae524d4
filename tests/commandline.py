"""The command `butfor`, run within a test."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


def butfor(*arguments: object) -> Ran:
    """Run the command with these arguments."""
    from butfor.__main__ import main

    out, err, status = io.StringIO(), io.StringIO(), 0
    line = ["butfor", *map(str, arguments)]
    with patch.object(sys, "argv", line), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    return Ran(status, out.getvalue(), err.getvalue())
