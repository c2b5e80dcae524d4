"""The command `butfor`: errors become one message on standard error and exit status 2."""

import contextlib
import io
import os
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line."""
    from butfor.cache.errors import ButforError, Divergence

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale must not decide whether a report is told
    try:
        from .cli import app

        app()
        sys.stdout.flush()
    except Divergence as error:
        _end(f"diverged: {error}", 1)
    except ButforError as error:
        _end(str(error), 2)
    except BrokenPipeError:
        _end("", 2)
    except KeyboardInterrupt:
        _end("stopped", 130)
    except Exception as error:
        if os.environ.get("BUTFOR_DEBUG"):
            raise
        _end(
            f"{type(error).__name__}: {error}; this is a fault of butfor or of the machine; BUTFOR_DEBUG=1 shows more",
            2,
        )
    except SystemExit as end:
        _flushed(end.code)
        raise


def _flushed(code: object) -> None:
    """Notice here, and not while Python ends, that output cannot be written any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _end("", 2)
    except OSError as error:
        _end(f"standard output cannot be written: {error.strerror}", 2)


def _end(message: str, status: int) -> NoReturn:
    from butfor.replay.text import printable

    from .options import as_options

    with contextlib.suppress(OSError, ValueError):
        if message:
            print(f"butfor: {printable(as_options(message))}", file=sys.stderr, flush=True)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


if __name__ == "__main__":
    main()
