"""Who is asking, seen from inside the program: each framework has a small adapter, tried from the surest on.

Everything here needs nothing but the standard library, and imports no framework: it looks at what the program
has imported itself.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from . import (
    ag2,
    agent_framework,
    agents_sdk,
    autogen,
    crewai,
    frames,
    langchain,
    opentelemetry,
    pydantic_ai,
    smolagents,
    tools,
    user,
)

HEADER = "x-butfor-agent"
"""A header that names the asking agent, for programs in any language."""

_ADAPTERS: "tuple[tuple[str, Callable[[], str | None]], ...]" = (
    ("explicit", user.name),
    ("framework", autogen.name),
    ("framework", agents_sdk.name),
    ("framework", langchain.name),
    ("span", opentelemetry.name),
    ("frame", frames.name),
)


class Who(NamedTuple):
    """The asking agent, and what says so."""

    name: "str | None"
    basis: "str | None"


def who(headers: Any) -> Who:
    """Who sends a request with these headers; nobody where nothing tells, and then its system prompt has to."""
    named = headers.get(HEADER)
    if named:
        return Who(named, "explicit")
    for basis, find in _ADAPTERS:
        found = find()
        if found:
            return Who(found, basis)
    return Who(None, None)


def inside() -> "str | None":
    """The tool call that the asking code runs in."""
    return tools.current()


def hooks() -> "dict[str, Callable[[Any], None]]":
    """What to do to a framework's modules once they are imported."""
    adapters = (ag2, agent_framework, agents_sdk, autogen, crewai, langchain, pydantic_ai, smolagents)
    return {name: hook for adapter in adapters for name, hook in adapter.HOOKS.items()}
