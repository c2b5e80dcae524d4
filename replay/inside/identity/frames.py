"""The call stack: the nearest object that is an agent by its class, as AG2, CrewAI, pydantic-ai and others
have it.
"""

import contextlib
import sys
from types import FrameType
from typing import Any

_LOCALS = ("self", "agent", "from_agent", "run_context", "ctx")
_SKIPPED = frozenset(
    {"_butfor_inside", "butfor", "httpx", "httpx2", "openai", "anthropic", "ollama", "litellm", "asyncio",
     "anyio", "contextvars", "threading", "concurrent"}
)  # fmt: skip


def name() -> "str | None":
    """The agent's role or name; the name of its class where it has none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        known = {*code.co_varnames, *code.co_freevars, *code.co_cellvars}.intersection(_LOCALS)
        if known and str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _SKIPPED:
            values = frame.f_locals
            for local in _LOCALS:
                found = _of(values.get(local)) if local in known else None
                if found:
                    return found
        frame = frame.f_back
    return None


def _of(value: Any) -> "str | None":
    with contextlib.suppress(Exception):  # attributes of a stranger's object may raise anything
        if _is_agent(value):
            return _named(value)
        within = getattr(value, "agent", None)
        if _is_agent(within):
            return _named(within)
    return None


def _is_agent(value: Any) -> bool:
    if value is None or isinstance(value, str | int | dict | list | type):
        return False
    return any(kind.__name__.endswith("Agent") for kind in type(value).__mro__)


def _named(agent: Any) -> str:
    for attribute in ("role", "name"):
        found = getattr(agent, attribute, None)
        if isinstance(found, str) and found.strip():
            return found.strip()
    return type(agent).__name__
