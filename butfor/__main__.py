"""The command `butfor`: errors become one message on standard error and exit status 2."""

import os
import sys


def main() -> None:
    """Run the command line."""
    from butfor.cache.errors import ButforError, Divergence

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows few letters is no reason to stop
    try:
        from .cli import app

        app()
        sys.stdout.flush()
    except Divergence as error:
        _say(f"diverged: {error}")
        sys.exit(1)
    except ButforError as error:
        _say(str(error))
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)
    except KeyboardInterrupt:
        _say("stopped; every answer that came is stored")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("BUTFOR_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _say(f"{what} (this is a fault of butfor or of the machine; BUTFOR_DEBUG=1 shows where)")
        sys.exit(2)


def _say(message: str) -> None:
    from butfor.replay.text import printable

    from .options import as_options

    print(f"butfor: {printable(as_options(message))}", file=sys.stderr)


if __name__ == "__main__":
    main()
