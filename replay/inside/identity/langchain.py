"""LangChain and LangGraph: the agent or node in the running configuration, and tools."""

import json
import sys
from typing import Any

from .tools import acting, acting_now

_MARK = "butfor:ToolMessage"


def name() -> "str | None":
    """The name of the agent, else of the outermost graph node."""
    module = sys.modules.get("langchain_core.runnables.config")
    config = module.var_child_runnable_config.get() if module else None
    metadata = (config or {}).get("metadata") or {}
    if metadata.get("lc_agent_name"):
        return str(metadata["lc_agent_name"])
    place = str(metadata.get("langgraph_checkpoint_ns") or metadata.get("langgraph_node") or "")
    return place.partition("|")[0].partition(":")[0] or None


def _wrap_tools(module: Any) -> None:
    now, later = module.BaseTool.run, module.BaseTool.arun

    def run(tool: Any, tool_input: Any, *rest: Any, **options: Any) -> Any:
        def go() -> Any:
            return now(tool, tool_input, *rest, **options)

        ours = _Form(tool.name, options.get("tool_call_id"))
        return acting_now(tool.name, _json(tool_input), go, dump=ours.dump, load=ours.load)

    async def arun(tool: Any, tool_input: Any, *rest: Any, **options: Any) -> Any:
        async def go() -> Any:
            return await later(tool, tool_input, *rest, **options)

        ours = _Form(tool.name, options.get("tool_call_id"))
        return await acting(tool.name, _json(tool_input), go, dump=ours.dump, load=ours.load)

    module.BaseTool.run, module.BaseTool.arun = run, arun


class _Form:
    """A tool's result as JSON: a message is its content, and gets the id of the call it answers."""

    def __init__(self, tool: str, call_id: "str | None") -> None:
        self._tool = tool
        self._call_id = call_id

    def dump(self, value: Any) -> Any:
        if type(value).__name__ != "ToolMessage":
            return value
        if value.artifact is not None:
            raise TypeError("an artifact is no JSON")
        if value.status == "success" and value.name == self._tool and isinstance(value.content, str):
            return value.content
        return {_MARK: {"content": value.content, "name": value.name, "status": value.status}}

    def load(self, value: Any) -> Any:
        if self._call_id is None:
            return value
        from langchain_core.messages import ToolMessage  # type: ignore[import-not-found, unused-ignore]

        if isinstance(value, dict) and _MARK in value:
            return ToolMessage(**value[_MARK], tool_call_id=self._call_id)
        text = value if isinstance(value, str) else json.dumps(value)
        return ToolMessage(content=text, name=self._tool, tool_call_id=self._call_id)


def _json(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except TypeError:
        return json.dumps(value, default=str)


HOOKS = {"langchain_core.tools.base": _wrap_tools}
