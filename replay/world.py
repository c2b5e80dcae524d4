"""What a program found around it when it was recorded, and finds again in every replay: `World`."""

from collections.abc import Mapping

from pydantic import Field

from butfor.cache.call import Frozen


class World(Frozen):
    """The surroundings of a recorded program."""

    started: float = 0.0
    """Seconds since the epoch; the clock of a replay starts here."""
    seed: str = ""
    """What uuids and random numbers are drawn from; empty where they were not held."""
    stdin: str | None = None
    """What was typed or piped in, as far as it was; `None` where there was nothing to read from."""
    terminal: bool = False
    """Whether it came from a terminal."""
    environment: Mapping[str, str | None] = Field(default_factory=dict)
    """Variables that the program's own code read; `None` where one was not set. Keys, tokens and addresses are not
    kept.
    """
    files: Mapping[str, str | None] = Field(default_factory=dict)
    """Files that the run changed, as they were before, by their path in the directory; `None` where there was none."""
    binary: Mapping[str, str] = Field(default_factory=dict)
    """The same of files that are not text, as base64."""
    unkept: tuple[str, ...] = ()
    """Files that the run changed and that were too large to keep."""
    unseen: Mapping[str, int] = Field(default_factory=dict)
    """Connections that went past the clients that are seen, by `HOST:PORT`; of Python processes only."""
    ignore: tuple[str, ...] = ()
    """Regular expressions of what differs from run to run by itself; calls and outputs are compared without it."""
