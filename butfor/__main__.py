"""The command `butfor`: errors become one message on standard error and exit status 2."""

import os
import sys


def main() -> None:
    """Run the command line."""
    from butfor.cache.errors import ButforError, Divergence

    from .cli import app

    try:
        app()
    except Divergence as error:
        _say(f"diverged: {error}")
        sys.exit(1)
    except ButforError as error:
        _say(str(error))
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)


def _say(message: str) -> None:
    from .options import as_options

    print(f"butfor: {as_options(message)}", file=sys.stderr)


if __name__ == "__main__":
    main()
