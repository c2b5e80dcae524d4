"""Two runs held against each other: where they part, step by step, what they answer and cost."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.cache.call import Frozen
from butfor.replay.text import excerpt
from butfor.replay.trace import Trace, final_answer

from .words import Piece, compared

_ROOM = 2_000
_STYLES = {"same": "", "gone": "red strike", "new": "green bold"}


class Differing(Frozen):
    """A step at which two runs differ."""

    step: int
    agents: tuple[str | None, str | None]
    """Who acts; `None` where a run has ended."""
    pieces: tuple[Piece, ...]
    """The other's message, with what it replaces."""


class Diff(Frozen):
    """Two runs held against each other."""

    names: tuple[str, str]
    parts: int | None
    """The first step at which they differ; `None` where they say the same."""
    steps: tuple[Differing, ...]
    answers: tuple[str, str]
    lengths: tuple[int, int]
    tokens: tuple[int, int]
    """Input and output, as far as they were recorded."""


def differing(a: Trace, b: Trace) -> Diff:
    """Everything at which two runs differ."""
    steps = []
    for index in range(max(len(a.steps), len(b.steps))):
        old = a.steps[index] if index < len(a.steps) else None
        new = b.steps[index] if index < len(b.steps) else None
        if old and new and (old.agent, old.output) == (new.agent, new.output):
            continue
        pieces = compared(old.output if old else "", new.output if new else "")
        steps.append(Differing(step=index, agents=(old and old.agent, new and new.agent), pieces=pieces))
    return Diff(
        names=(a.source.name or "A", b.source.name or "B"),
        parts=steps[0].step if steps else None,
        steps=tuple(steps),
        answers=(final_answer(a), final_answer(b)),
        lengths=(len(a.steps), len(b.steps)),
        tokens=(_tokens(a), _tokens(b)),
    )


def as_terminal(found: Diff) -> RenderableType:
    """The first difference, then each, then the answers and the cost."""
    if found.parts is None:
        head = f"  The runs say the same, in all {found.lengths[0]} steps."
    else:
        count = len(found.steps)
        head = f"  The runs part at step {found.parts}; {count} step{'s' * (count > 1)} differ."
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", expand=True)
    table.add_column("step", justify="right")
    table.add_column("agent", overflow="fold")
    table.add_column("gone and new", ratio=1, overflow="fold")
    for row in found.steps:
        table.add_row(str(row.step), Text(_who(row)), _marked(row.pieces))
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    for what, values in (("answers", found.answers), ("steps", found.lengths), ("tokens", found.tokens)):
        facts.add_row(what, *(Text(excerpt(str(value), limit=80)) for value in values))
    return Group(Text(head, style="bold"), Text(""), table, Text(""), facts)


def _who(row: Differing) -> str:
    old, new = (excerpt(name, limit=40) if name is not None else "(ended)" for name in row.agents)
    return old if old == new else f"{old} → {new}"


def _marked(pieces: tuple[Piece, ...]) -> Text:
    """The words, marked so that they are told apart without colour too."""
    text = Text()
    brackets = {"same": ("", ""), "gone": ("[-", "-]"), "new": ("{+", "+}")}
    for piece in pieces:
        start, end = brackets[piece.mark]
        if piece.text[:1].isspace() and piece.text.strip():
            text.append(" ")
        text.append(
            f"{start}{excerpt(piece.text, limit=_ROOM) if piece.text.strip() else ' '}{end}", _STYLES[piece.mark]
        )
        if piece.text[-1:].isspace() and piece.text.strip():
            text.append(" ")
    return text


def _tokens(trace: Trace) -> int:
    return sum(s.usage.input_tokens + s.usage.output_tokens for s in trace.steps if s.usage)
