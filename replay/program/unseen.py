"""What went past the clients that are seen while a program was recorded, where it may have been a model."""

import re
from typing import Any

from butfor.replay.inside.asked import LOCAL

from .acts import Entries

_SERVICES = re.compile(
    r"openai|anthropic|generativelanguage|aiplatform|mistral|cohere|groq|together|fireworks|deepseek|openrouter"
    r"|bedrock|perplexity|\bx\.ai|huggingface|replicate|:11434$"
)
"""Where models are known to be asked."""


def to_models(entries: Entries) -> list[str]:
    """Addresses past the clients that are seen at which the program asks models, or other services are known to."""
    asked = {f"{_host(entry)}:{entry['port']}" for entry in entries.entries if entry["kind"] == "llm"}
    return sorted(at for at in entries.unseen if at in asked or _SERVICES.search(at))


def _host(entry: dict[str, Any]) -> str:
    host = str(entry["host"])
    return "localhost" if host in LOCAL or host.startswith("127.") else host
