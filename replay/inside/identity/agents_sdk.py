"""OpenAI Agents SDK: the agent of the innermost agent span, and function tools."""

import sys
from typing import Any

from .tools import acting

_PARENT = "_butfor_parent"


def name() -> "str | None":
    """The agent of the nearest span that has one."""
    module = sys.modules.get("agents.tracing.scope")
    span = module.Scope.get_current_span() if module else None
    while span is not None:
        data = span.span_data
        if data.type == "agent":
            return str(data.name)
        span = getattr(span, _PARENT, None)
    return None


def _wrap_spans(module: Any) -> None:
    original = module.SpanImpl.start

    def start(span: Any, *arguments: Any, **options: Any) -> Any:
        setattr(span, _PARENT, sys.modules["agents.tracing.scope"].Scope.get_current_span())
        return original(span, *arguments, **options)

    module.SpanImpl.start = start


def _wrap_tools(module: Any) -> None:
    original = module._invoke_function_tool_with_metadata

    async def invoke(**given: Any) -> Any:
        async def run() -> Any:
            return await original(**given)

        def dump(value: Any) -> Any:
            return value.output

        def load(value: Any) -> Any:
            return module._FunctionToolInvocationResult(value)

        return await acting(given["function_tool"].name, given["arguments"], run, dump=dump, load=load)

    module._invoke_function_tool_with_metadata = invoke


HOOKS = {"agents.tracing.spans": _wrap_spans, "agents.tool": _wrap_tools}
