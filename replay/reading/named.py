"""Chats in which every message has a name: what the roles beside the names are worth.

In a group chat as one agent keeps it, `user` only says that another one spoke. Where several speakers are
assistants and nobody changes its role, the roles mean what they say: users are people or the environment,
and what the system says between messages is the framework's.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from butfor.replay.trace import Kind

from .fields import Field
from .parts import plain

_PEOPLE = frozenset({"user", "user_proxy", "userproxy", "human", "admin", "user_agent", "customer"})
_TERMINALS = re.compile(
    r"(?:^|[_\W]|(?<=[a-z])(?=[A-Z]))(?:exec\w*|errors?|results?|outputs?|terminal|tools?|environment|env|interpreter|"
    r"sandbox|observations?|stderr|stdout)(?:$|[_\W]|(?<=[a-z])(?=[A-Z]))",
    re.IGNORECASE,
)
_FAILED = re.compile(r"error|exception|fail", re.IGNORECASE)
_EXIT = re.compile(r"exitcode: (?!0\b)\d+[^\n]*")
_LONGEST = 300


def all_named(messages: Sequence[Field]) -> bool:
    """Whether every message has a name."""
    return bool(messages) and all(m.is_object and m.get("name") is not None for m in messages)


def kinds(messages: Sequence[Field]) -> list[Kind]:
    """Who speaks in each message of a chat in which all are named."""
    roles = [_role(message) for message in messages]
    if not _meant(messages, roles):
        return [_as_heard(message, role) for message, role in zip(messages, roles, strict=True)]
    return [_as_said(message, role) for message, role in zip(messages, roles, strict=True)]


def failure(message: Field, kind: Kind) -> str | None:
    """What failed, where the environment says that something did: its last line."""
    text = plain(message.get("content")).strip()
    if kind != "tool" or not text:
        return None
    if exited := _EXIT.match(text):
        return exited[0][:_LONGEST]
    failed = _FAILED.search(message.need("name").label()) or "Traceback (most recent call last)" in text
    return text.splitlines()[-1].strip()[:_LONGEST] if failed else None


def _role(message: Field) -> str:
    found = message.get("role")
    return found.label().lower() if found is not None else ""


def _meant(messages: Sequence[Field], roles: Sequence[str]) -> bool:
    by_name: Mapping[str, set[str]] = defaultdict(set)
    for message, role in zip(messages, roles, strict=True):
        by_name[message.need("name").label()].add(role)
    assistants = [name for name, own in by_name.items() if own == {"assistant"}]
    steady = all(len(own) == 1 for own in by_name.values())
    return steady and len(assistants) > 1 and len(set(roles)) > 1


def _as_heard(message: Field, role: str) -> Kind:
    if message.get("tool_responses") is not None or role in ("tool", "function"):
        return "tool"
    return "human" if message.need("name").label().lower() in _PEOPLE else "llm"


def _as_said(message: Field, role: str) -> Kind:
    if message.get("tool_responses") is not None or role in ("tool", "function"):
        return "tool"
    if role == "user":
        return "tool" if _TERMINALS.search(message.need("name").label()) else "human"
    return "control" if role in ("system", "developer") else "llm"
