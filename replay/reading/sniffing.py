"""What a log is made of, told from its beginning, which may be cut anywhere."""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"\s*(:)?|\\?\Z)|[{}]', re.DOTALL)
_DEEPEST = 4


@lru_cache(maxsize=4)
def keys(head: str) -> Mapping[str, int]:
    """How often each key stands in the beginning of a JSON log, by its path from the record: `messages/role`.

    Lists leave no trace in a path. Empty where the log is no JSON. Four levels are looked at.
    """
    found: Counter[str] = Counter()
    if head.lstrip()[:1] not in ("{", "["):
        return found
    path: list[str] = []
    for token in _TOKEN.finditer(head):
        if token[0] == "{":
            path.append("")
        elif token[0] == "}":
            del path[-1:]
        elif token[2] and path:
            path[-1] = token[1]
            if len(path) <= _DEEPEST:
                found["/".join(path)] += 1
    return found


def all_named(head: str) -> bool:
    """Whether the log is one list of messages that all have a `name`; one that is cut off does not count."""
    found = keys(_whole(head))
    named, spoken = found.get("name", 0), found.get("role", 0)
    return is_list(head) and named > 0 and spoken <= named


def _whole(head: str) -> str:
    """The beginning of a log up to the end of its last record that is there as a whole."""
    depth = end = 0
    for token in _TOKEN.finditer(head):
        if token[0] in "{}":
            depth += 1 if token[0] == "{" else -1
            end = token.end() if depth == 0 else end
    return head[:end] or head


def is_list(head: str) -> bool:
    """Whether the log is one JSON list."""
    return head.lstrip()[:1] == "["
