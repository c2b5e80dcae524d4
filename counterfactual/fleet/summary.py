"""From the lines of single runs to what they show together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from butfor.counterfactual.rule import wilson
from butfor.counterfactual.verdict import Cost

from .fleet import Edge, Fleet, Group, RunLine, Share

_SIMILAR = 0.6
"""Corrections of one group agree in this share of their words at least."""


def summed(lines: Iterable[RunLine], cost: Cost) -> Fleet:
    """The fleet of these runs."""
    runs = tuple(sorted(lines, key=lambda line: line.run))
    decided = [line for line in runs if line.state in ("blamed", "set", "no flip")]
    abstained = Counter(line.abstained or "error" for line in runs if line.state == "abstained")
    groups = _groups([line for line in decided if line.agent], len(decided))
    successes = sum(line.state == "succeeded" for line in runs)
    found = Fleet(
        sentence="",
        runs=runs,
        failures=len(runs) - successes,
        successes=successes,
        decided=len(decided),
        abstentions=dict(sorted(abstained.items())),
        agents=_shares(decided),
        groups=groups,
        edges=_edges(decided),
        cost=cost,
    )
    return found.model_copy(update={"sentence": _sentence(found)})


def _sentence(fleet: Fleet) -> str:
    if not fleet.failures:
        return f"No failure among {len(fleet.runs)} runs."
    head = f"{fleet.decided} of {fleet.failures} failures have a verdict"
    if not fleet.groups:
        return f"{head}; no step is to blame in any of them."
    first = fleet.groups[0]
    low, high = first.interval
    return (
        f"{head}; fix {first.agent} ({first.kind}) first: it decides {len(first.runs)} of them "
        f"({first.share:.0%}, 95 %: {low:.0%} to {high:.0%})."
    )


def _shares(decided: Sequence[RunLine]) -> tuple[Share, ...]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in decided:
        for agent in (line.agent or "").split(" + ") if line.agent else ():
            counts[agent][line.state] += 1
    shares = [
        Share(
            agent=agent,
            verdicts=dict(sorted(verdicts.items())),
            runs=verdicts.total(),
            share=verdicts.total() / len(decided),
            interval=wilson(verdicts.total(), len(decided)),
        )
        for agent, verdicts in counts.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.runs, share.agent)))


def _groups(blamed: Sequence[RunLine], decided: int) -> tuple[Group, ...]:
    """Each line joins the first group of its agent and kind whose first correction is similar."""
    found: list[list[RunLine]] = []
    for line in blamed:
        mates = (group for group in found if _alike(group[0], line))
        group = next(mates, None)
        if group is None:
            found.append([line])
        else:
            group.append(line)
    groups = [_group(lines, decided) for lines in found]
    return tuple(sorted(groups, key=lambda group: (-len(group.runs), group.agent, group.example)))


def _alike(first: RunLine, second: RunLine) -> bool:
    if (first.agent, first.kind, first.state) != (second.agent, second.kind, second.state):
        return False
    one, other = ((line.correction or "").lower().split() for line in (first, second))
    return SequenceMatcher[str](None, one, other, autojunk=False).ratio() >= _SIMILAR


def _group(lines: Sequence[RunLine], decided: int) -> Group:
    surest = max(lines, key=lambda line: ((line.interval or (-1.0, 1.0))[0], line.run))
    return Group(
        agent=surest.agent or "",
        kind=surest.kind or "",
        runs=tuple(line.run for line in lines),
        correction=surest.correction or "",
        example=surest.run,
        share=len(lines) / decided,
        interval=wilson(len(lines), decided),
    )


def _edges(decided: Sequence[RunLine]) -> tuple[Edge, ...]:
    damage: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in decided:
        if line.state == "blamed" and line.agent and line.told:
            damage[line.agent, line.told].append(max(0.0, (line.interval or (0.0, 1.0))[0]))
    edges = [
        Edge(speaker=speaker, hearer=hearer, runs=len(sure), damage=round(sum(sure), 4))
        for (speaker, hearer), sure in damage.items()
    ]
    return tuple(sorted(edges, key=lambda edge: (-edge.damage, edge.speaker, edge.hearer)))
