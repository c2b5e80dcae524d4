"""The client libraries whose requests are seen, an adapter each."""

from collections.abc import Callable
from typing import Any

from . import aiohttp, http_client, httpx, urllib3


def hooks() -> "dict[str, Callable[[Any], None]]":
    """What to do to a library's modules once they are imported."""
    return {name: hook for client in (httpx, urllib3, http_client, aiohttp) for name, hook in client.HOOKS.items()}
