"""pydantic-ai: its function tools; the agent itself stands on the call stack."""

import json
from typing import Any

from .tools import acting


def _wrap_tools(module: Any) -> None:
    original = module.FunctionToolset.call_tool

    async def call_tool(toolset: Any, name: str, tool_args: Any, *rest: Any, **options: Any) -> Any:
        async def run() -> Any:
            return await original(toolset, name, tool_args, *rest, **options)

        return await acting(name, json.dumps(tool_args, default=str), run)

    module.FunctionToolset.call_tool = call_tool


HOOKS = {"pydantic_ai.toolsets.function": _wrap_tools}
