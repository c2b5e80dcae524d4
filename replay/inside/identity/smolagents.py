"""smolagents: its tools; the agent itself stands on the call stack."""

import json
from typing import Any

from .tools import acting_now


def _wrap_tools(module: Any) -> None:
    original = module.Tool.__call__

    def call(tool: Any, *arguments: Any, **options: Any) -> Any:
        def run() -> Any:
            return original(tool, *arguments, **options)

        if tool.name == "final_answer":  # it does nothing but end the run
            return run()
        named = {key: value for key, value in options.items() if key != "sanitize_inputs_outputs"}
        given = named or (arguments[0] if len(arguments) == 1 else list(arguments))
        return acting_now(tool.name, json.dumps(given, default=str), run)

    module.Tool.__call__ = call


HOOKS = {"smolagents.tools": _wrap_tools}
