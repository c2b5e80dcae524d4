"""Microsoft Agent Framework: its function tools; the agent itself stands on the call stack."""

import json
import sys
from typing import Any

from .tools import acting


def _wrap_tools(module: Any) -> None:
    original = module.FunctionTool.invoke

    async def invoke(tool: Any, **options: Any) -> Any:
        async def run() -> Any:
            return await original(tool, **options)

        given: Any = options.get("arguments")
        if given is None and options.get("context") is not None:
            given = options["context"].arguments
        value = given.model_dump() if hasattr(given, "model_dump") else given
        text = json.dumps(value, default=str)
        return await acting(tool.name, text, run, dump=_dump, load=_load)

    module.FunctionTool.invoke = invoke


def _dump(value: Any) -> Any:
    """One text is itself; other contents are no JSON."""
    if not isinstance(value, list) or not value or type(value[0]).__name__ != "Content":
        return value
    if len(value) > 1 or value[0].type != "text":
        raise TypeError("more than text")
    return value[0].text


def _load(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value)
    return [sys.modules["agent_framework._types"].Content.from_text(text)]


HOOKS = {"agent_framework._tools": _wrap_tools}
