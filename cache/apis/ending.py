"""How an answer ended, whatever an API calls it: `ending`."""

from typing import Literal

Ending = Literal["whole", "cut", "refused", "failed"]

_WHOLE = frozenset(
    {"stop", "end_turn", "stop_sequence", "tool_use", "tool_call", "tool_calls", "function_call", "complete",
     "completed", "eos", "eos_token", "end", "finish"}
)  # fmt: skip
_CUT = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "incomplete",
     "pause_turn", "cut"}
)  # fmt: skip
_REFUSED = frozenset(
    {"refusal", "content_filter", "content_filtered", "error_toxic", "guardrail_intervened", "safety", "recitation",
     "prohibited_content", "blocklist", "spii", "language", "image_safety", "image_recitation",
     "image_prohibited_content"}
)  # fmt: skip
_FAULTS = frozenset({"error", "timeout", "failed", "abort", "cancelled"})


def ending(reason: str | None) -> Ending:
    """Whether an answer is whole, was cut or refused, or failed; a reason that no API here names is a failure.

    No reason is no complaint: many servers give none.
    """
    known = (reason or "stop").casefold()
    if known in _WHOLE:
        return "whole"
    return "cut" if known in _CUT else "refused" if known in _REFUSED else "failed"


def is_fault(reason: str | None) -> bool:
    """Whether the server, and not the model, is why an answer ended."""
    return (reason or "").casefold() in _FAULTS
