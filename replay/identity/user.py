"""Names that the user's own code gives, with `butfor.agent`."""

import contextvars
from typing import Any

current: "contextvars.ContextVar[str | None]" = contextvars.ContextVar("butfor_agent", default=None)


def name() -> "str | None":
    """The innermost named agent."""
    return current.get()


class Named:
    """Enters and leaves an agent's code, as a context manager."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._tokens: list[contextvars.Token[str | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(current.set(self._agent))

    def __exit__(self, *_: Any) -> None:
        current.reset(self._tokens.pop())
