"""AG2, 1.x and the classic 0.x: their tools; the agent itself stands on the call stack."""

import inspect
import json
import sys
from typing import Any

from .tools import acting, acting_now


def _wrap_tools(module: Any) -> None:
    original = module.FunctionTool.__call__

    async def call(tool: Any, event: Any, context: Any) -> Any:
        async def run() -> Any:
            return await original(tool, event, context)

        def load(value: Any) -> Any:
            events = sys.modules["ag2.events.tool_events"]
            return events.ToolResultEvent.from_call(event, result=value)

        return await acting(tool.name, event.arguments or "{}", run, dump=_dump, load=load)

    module.FunctionTool.__call__ = call


def _dump(event: Any) -> Any:
    parts = event.result.parts
    if type(event).__name__ != "ToolResultEvent" or len(parts) != 1 or not hasattr(parts[0], "content"):
        raise TypeError("more than one plain result")
    return parts[0].content


def _wrap_classic(module: Any) -> None:
    original = module.ConversableAgent.register_function

    def register_function(agent: Any, function_map: Any, *rest: Any, **options: Any) -> Any:
        wrapped = {name: function and _wrapped(name, function) for name, function in function_map.items()}
        return original(agent, wrapped, *rest, **options)

    module.ConversableAgent.register_function = register_function


def _wrapped(name: str, function: Any) -> Any:
    if inspect.iscoroutinefunction(function):

        async def later(**arguments: Any) -> Any:
            async def run() -> Any:
                return await function(**arguments)

            return await acting(name, json.dumps(arguments, default=str), run)

        return later

    def now(**arguments: Any) -> Any:
        return acting_now(name, json.dumps(arguments, default=str), lambda: function(**arguments))

    return now


HOOKS = {"ag2.tools.final.function_tool": _wrap_tools, "autogen.agentchat.conversable_agent": _wrap_classic}
