"""What the user's own code says of itself: who speaks (`agent`), and what is a tool (`tool`)."""

import contextvars
import functools
import inspect
import json
from typing import Any

from .tools import acting, acting_now

current: "contextvars.ContextVar[str | None]" = contextvars.ContextVar("butfor_agent", default=None)


def name() -> "str | None":
    """The innermost named agent."""
    return current.get()


class agent:  # noqa: N801
    """Names whoever asks a model: `with butfor.agent("Writer"):`, or `@butfor.agent("Writer")` on a
    function.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tokens: list[contextvars.Token[str | None]] = []

    def __enter__(self) -> None:
        self._tokens.append(current.set(self._name))

    def __exit__(self, *_: Any) -> None:
        current.reset(self._tokens.pop())

    def __call__(self, function: Any) -> Any:
        """The function, in which this agent speaks."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*arguments: Any, **options: Any) -> Any:
                with agent(self._name):
                    return await function(*arguments, **options)

            return later

        @functools.wraps(function)
        def now(*arguments: Any, **options: Any) -> Any:
            with agent(self._name):
                return function(*arguments, **options)

        return now


def tool(function: Any) -> Any:
    """A function that is a tool: recorded, and answered from the recording while it is called as it was.

    Arguments and result should be JSON values; what is none makes the tool run again in every replay that
    allows it.
    """
    signature = inspect.signature(function)

    def asked(arguments: Any, options: Any) -> str:
        return json.dumps(signature.bind(*arguments, **options).arguments, default=str)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*arguments: Any, **options: Any) -> Any:
            async def run() -> Any:
                return await function(*arguments, **options)

            return await acting(function.__name__, asked(arguments, options), run)

        return later

    @functools.wraps(function)
    def now(*arguments: Any, **options: Any) -> Any:
        def run() -> Any:
            return function(*arguments, **options)

        return acting_now(function.__name__, asked(arguments, options), run)

    return now
