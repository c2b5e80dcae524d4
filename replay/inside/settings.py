"""What butfor told this process, as it was when the process began: a program may clear its environment."""

import os

MODE, TAPE, SOCKET, OFFLINE = "BUTFOR_MODE", "BUTFOR_TAPE", "BUTFOR_SOCKET", "BUTFOR_OFFLINE"
"""`record` or `replay`; the file to append to; where butfor listens; whether the network is closed."""

_PREFIX = "BUTFOR_"
_kept: "dict[str, str]" = {}


def keep() -> None:
    """Hold on to it, whatever becomes of the environment."""
    _kept.update((name, value) for name, value in os.environ.items() if name.startswith(_PREFIX))


def setting(name: str) -> str:
    """One of them; empty where it was not told."""
    return os.environ.get(name) or _kept.get(name, "")


def settings() -> "dict[str, str]":
    """All of them, for a process that this one starts."""
    own = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    return {**_kept, **own}
