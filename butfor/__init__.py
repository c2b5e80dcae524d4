"""But for this step, would the run have failed? Counterfactual replay for LLM multi-agent runs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from butfor.replay.inside.identity.user import agent, tool
    from butfor.replay.program.recording import recording

__all__ = ["__version__", "agent", "recording", "tool"]
__version__ = "0.1.0"

_HOMES = {
    "agent": "butfor.replay.inside.identity.user",
    "recording": "butfor.replay.program.recording",
    "tool": "butfor.replay.inside.identity.user",
}


def __getattr__(name: str) -> Any:  # `butfor --version` must not load what only programs use
    if name not in _HOMES:
        raise AttributeError(f"module 'butfor' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
