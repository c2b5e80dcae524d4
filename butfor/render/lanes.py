"""The run as a picture: a lane an agent, a mark a step, a line a read; places only, the drawing is a template's."""

from collections.abc import Collection, Mapping
from typing import Literal

from butfor.cache.call import Frozen, Origin
from butfor.replay.graph import descendants
from butfor.replay.text import excerpt
from butfor.replay.trace import Trace

_WIDE, _HIGH, _LEFT, _TOP = 30, 34, 168, 30
_FOLD_FROM = 300
"""Runs of more steps are folded."""
_MOST_LINES = 1_500
_SHAPES: Mapping[str, str] = {
    "recorded": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
    "cached": "M-6-6h12v12h-12z",
    "live": "M0-8 8 0 0 8-8 0z",
    "simulated": "M-7 6 0-8 7 6z",
    "edited": "M0-9 2.6-3.1 9-2.8 4-.9 5.6 7.3 0 3.7-5.6 7.3-4-.9-9-2.8-2.6-3.1z",
    "fold": "M-9-3h18v6h-18z",
}
"""By origin; each fits a square of 18 around its place."""


class Lane(Frozen):
    """An agent's lane."""

    name: str
    full: str
    y: int


class Mark(Frozen):
    """A step, or a folded stretch of them."""

    step: int
    """The first, where several are folded."""
    x: int
    y: int
    shape: str
    """An SVG path around (0, 0)."""
    kind: Literal["step", "fold"]
    origin: Origin
    cone: bool
    """Whether it descends from what was blamed."""
    blamed: bool
    says: str


class Line(Frozen):
    """A read: from a step to the one that read it."""

    path: str
    cone: bool


class Lanes(Frozen):
    """The picture's parts with their places, in user units."""

    width: int
    height: int
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    folded: int
    """Steps that stand in folded stretches."""
    hidden: int
    """Reads that are left out, because there are too many to be told apart."""
    legend: tuple[tuple[str, str], ...]
    """(origin, shape) of what is in the picture."""


def lanes(
    trace: Trace,
    *,
    blamed: Collection[int] = (),
    keep: Collection[int] = (),
    origins: Mapping[int, Origin] | None = None,
) -> Lanes:
    """The picture of a run; `keep` are steps that are never folded, `origins` where a step's answer came from."""
    origins = origins or {step.index: step.origin for step in trace.steps}
    cone = descendants(trace, blamed) | set(blamed)
    columns = _columns(trace, cone, {*blamed, *keep})
    agents = list(dict.fromkeys(step.agent for step in trace.steps))
    y = {name: _TOP + _HIGH * row for row, name in enumerate(agents)}
    place: dict[int, tuple[int, int]] = {}
    marks = []
    for column, stretch in enumerate(columns):
        x = _LEFT + _WIDE * column
        first = trace.steps[stretch[0]]
        place |= dict.fromkeys(stretch, (x, y[first.agent]))
        fold = len(stretch) > 1
        origin = origins.get(first.index, first.origin)
        says = (
            f"steps {stretch[0]} to {stretch[-1]}, folded"
            if fold
            else f"step {first.index}, {excerpt(first.agent, limit=40)}, {origin}: {excerpt(first.output, limit=100)}"
        )
        marks.append(
            Mark(
                step=first.index, x=x, y=y[first.agent], shape=_SHAPES["fold" if fold else origin],
                kind="fold" if fold else "step", origin=origin, cone=first.index in cone,
                blamed=first.index in blamed, says=says,
            )
        )  # fmt: skip
    lines, hidden = _lines(trace, place, cone)
    return Lanes(
        width=_LEFT + _WIDE * len(columns),
        height=_TOP + _HIGH * len(agents),
        lanes=tuple(Lane(name=excerpt(name, limit=22), full=excerpt(name, limit=80), y=y[name]) for name in agents),
        marks=tuple(marks),
        lines=lines,
        folded=sum(len(stretch) for stretch in columns if len(stretch) > 1),
        hidden=hidden,
        legend=tuple((o, _SHAPES[o]) for o in dict.fromkeys(m.origin for m in marks if m.kind == "step")),
    )


def _columns(trace: Trace, cone: Collection[int], keep: set[int]) -> list[list[int]]:
    """The steps from left to right; of a long run, stretches of what does not matter as one."""
    if len(trace.steps) <= _FOLD_FROM:
        return [[step.index] for step in trace.steps]
    near = {step + d for step in keep for d in range(-5, 6)} | {0, len(trace.steps) - 1}
    shown = near | (set(cone) if len(cone) <= _FOLD_FROM else set())
    columns: list[list[int]] = []
    for step in trace.steps:
        if step.index in shown or not columns or columns[-1][-1] in shown or len(columns[-1]) >= 100:
            columns.append([step.index])
        else:
            columns[-1].append(step.index)
    return columns


def _lines(trace: Trace, place: Mapping[int, tuple[int, int]], cone: Collection[int]) -> tuple[tuple[Line, ...], int]:
    seen: dict[str, bool] = {}
    for old, new in trace.graph.edges:
        (x1, y1), (x2, y2) = place[old], place[new]
        if x1 == x2:
            continue
        bend = 12 + min(26, (x2 - x1) // 12) if y1 == y2 else 0
        middle = (x1 + x2) // 2
        path = f"M{x1} {y1}C{middle} {y1 - bend} {middle} {y2 - bend} {x2} {y2}"
        seen[path] = seen.get(path, False) or (old in cone and new in cone)
    order = sorted(seen.items(), key=lambda line: line[1])
    kept = order[-_MOST_LINES:]
    return tuple(Line(path=path, cone=inside) for path, inside in kept), len(order) - len(kept)
