"""Clients whose responses are read whole before the program gets them: what they have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..asked import Ear


class Url(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: "int | None"
    path: str


class Whole(NamedTuple):
    """A response, and its body."""

    said: "dict[str, Any]"
    body: bytes


def heard(ear: Ear, whole: Whole, *, decoded: "Callable[[bytes], bytes]" = bytes) -> Whole:
    """The response, once it has been told; `decoded` undoes its compression."""
    head = {name.lower(): value for name, value in whole.said["headers"].items()}
    ear.begins(whole.said["status"], head, decoded).hears(whole.body)
    ear.ends(whole.said.get("broken"))
    return whole


def plain(headers: Any) -> "dict[str, str]":
    """Headers by their names in lower case, without those that are about the transfer."""
    named = {_text(name).lower(): _text(value) for name, value in dict(headers or {}).items()}
    return {name: value for name, value in named.items() if name not in _TRANSFER}


def content(body: Any) -> "bytes | None":
    """A request's body; `None` where it cannot be read without using it up."""
    if body is None or isinstance(body, bytes | bytearray):
        return bytes(body or b"")
    return body.encode() if isinstance(body, str) else None


def path_of(url: str) -> str:
    """The path of a URL or of what stands in a request's first line."""
    return urlsplit(url).path


_TRANSFER = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection"})


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
