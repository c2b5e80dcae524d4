"""AutoGen: the agent whose message handler runs, and its tools."""

import json
import re
import sys
from typing import Any

from .tools import acting

_TEAM = re.compile(r"_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def name() -> "str | None":
    """The type of the handling agent, without the id of its team."""
    module = sys.modules.get("autogen_core._message_handler_context")
    if module is None:
        return None
    try:
        return _TEAM.sub("", module.MessageHandlerContext.agent_id().type)
    except RuntimeError:  # outside of a message handler
        return None


def _wrap_tools(module: Any) -> None:
    original = module.BaseTool.run_json

    async def run_json(tool: Any, args: Any, *rest: Any, **options: Any) -> Any:
        async def run() -> Any:
            return await original(tool, args, *rest, **options)

        return await acting(tool.name, json.dumps(dict(args)), run)

    module.BaseTool.run_json = run_json


HOOKS = {"autogen_core.tools._base": _wrap_tools}
