"""OpenTelemetry: the agent that the current span names."""

import sys

_NAMES = ("gen_ai.agent.name", "agent.name", "graph.node.id")


def name() -> "str | None":
    """The agent's name among the attributes of the current span."""
    module = sys.modules.get("opentelemetry.trace")
    span = module.get_current_span() if module else None
    attributes = getattr(span, "attributes", None) or {}
    return next((str(attributes[key]) for key in _NAMES if attributes.get(key)), None)
