"""CrewAI: its tools; the agent itself stands on the call stack."""

import json
from typing import Any

from .tools import acting_now


def _wrap(module: Any, kind: str, method: str) -> None:
    cls = getattr(module, kind)
    original = getattr(cls, method)

    def run(tool: Any, *arguments: Any, **options: Any) -> Any:
        def go() -> Any:
            return original(tool, *arguments, **options)

        given = arguments[0] if arguments and method == "invoke" else options or list(arguments)
        text = given if isinstance(given, str) else json.dumps(given, default=str)
        return acting_now(tool.name, text, go)

    setattr(cls, method, run)


def _wrap_tools(module: Any) -> None:
    _wrap(module, "BaseTool", "run")
    _wrap(module, "Tool", "run")


def _wrap_structured(module: Any) -> None:
    _wrap(module, "CrewStructuredTool", "invoke")


HOOKS = {"crewai.tools.base_tool": _wrap_tools, "crewai.tools.structured_tool": _wrap_structured}
