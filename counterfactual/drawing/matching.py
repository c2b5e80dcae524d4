"""Which step of a branch is which step of the recording: by agent and role, not by place."""

from collections.abc import Sequence

from butfor.replay.trace import Step, Trace


def matched(recorded: Trace, branch: Trace) -> dict[int, int]:
    """The place in the branch of every recorded step that is there, by its recorded place.

    An agent's steps are matched in their order; where it acts more or less often than it did, those that were asked
    the same, or else say the same, are matched first.
    """
    found: dict[int, int] = {}
    for agent in {step.agent for step in recorded.steps}:
        old = [step for step in recorded.steps if step.agent == agent]
        new = [step for step in branch.steps if step.agent == agent]
        found |= _paired(old, new)
    return found


def _paired(old: Sequence[Step], new: Sequence[Step]) -> dict[int, int]:
    if len(old) == len(new):
        return {a.index: b.index for a, b in zip(old, new, strict=True)}
    anchors = _anchors([_identity(step) for step in old], [_identity(step) for step in new])
    found: dict[int, int] = {}
    done = (0, 0)
    for a, b in [*anchors, (len(old), len(new))]:
        between = zip(old[done[0] : a], new[done[1] : b], strict=False)
        found |= {first.index: second.index for first, second in between}
        if a < len(old):
            found[old[a].index] = new[b].index
        done = (a + 1, b + 1)
    return found


def _identity(step: Step) -> object:
    return step.call.content_key if step.call else step.output


def _anchors(old: Sequence[object], new: Sequence[object]) -> list[tuple[int, int]]:
    """The longest common subsequence, as pairs of places."""
    rows = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            rows[i][j] = rows[i + 1][j + 1] + 1 if old[i] == new[j] else max(rows[i + 1][j], rows[i][j + 1])
    pairs, i, j = list[tuple[int, int]](), 0, 0
    while i < len(old) and j < len(new):
        if old[i] == new[j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif rows[i + 1][j] >= rows[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs
