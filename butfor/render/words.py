"""What changed between two texts, word by word: `compared`."""

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from butfor.cache.call import Frozen

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST = 1_500


class Piece(Frozen):
    """A stretch of text: in both, only in the old one, or only in the new one."""

    mark: Literal["same", "gone", "new"]
    text: str


@lru_cache(maxsize=4_096)
def compared(old: str, new: str) -> tuple[Piece, ...]:
    """The new text with what it replaces; where more than 1,500 words differ, as one replacement."""
    a, b = _WORD.findall(old), _WORD.findall(new)
    start = _common(a, b)
    end = _common(a[start:][::-1], b[start:][::-1])
    left, right = a[start : len(a) - end], b[start : len(b) - end]
    found = [("same", "".join(b[:start]))]
    if len(left) + len(right) > _MOST:
        found += [("gone", "".join(left)), ("new", "".join(right))]
    else:
        for kind, i, j, k, m in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
            if kind == "equal":
                found.append(("same", "".join(right[k:m])))
            else:
                found += [("gone", "".join(left[i:j])), ("new", "".join(right[k:m]))]
    found.append(("same", "".join(b[len(b) - end :])))
    return tuple(Piece.model_validate({"mark": mark, "text": text}) for mark, text in found if text)


def _common(a: list[str], b: list[str]) -> int:
    """How many words at the beginning are the same."""
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count
