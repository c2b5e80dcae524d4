"""How many natural failures an audit gets right: `python -m butfor.scenarios.natural`."""

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, get_args

from .exact import failures, truth
from .score import RIGHT, Scored, Variant, Word, audited, scored
from .table import frozen
from .teams import TEAMS

_HEAD = (
    f"{'team':8}{'variant':18}{'failures':>9}{'right':>7}{'sets':>7}{'innocent':>9}{'sure missed':>12}{'covered':>9}"
    f"{'calls':>7}"
)


class Row(NamedTuple):
    """One team in one variant."""

    team: str
    variant: Variant
    scores: tuple[Scored, ...]

    def count(self, *words: Word) -> int:
        """How many audits ended so."""
        return sum(score.word in words for score in self.scores)

    @property
    def right(self) -> float:
        """The share of audits that are right, in [0, 1]."""
        return self.count(*RIGHT) / len(self.scores)

    @property
    def sets_right(self) -> float | None:
        """Of the failures that only a set decides, the share whose set was found exactly."""
        with_sets = [s for s in self.scores if s.has_sets]
        return sum(s.word == "right set" for s in with_sets) / len(with_sets) if with_sets else None

    @property
    def covered(self) -> float | None:
        """The share of blamed steps whose printed interval holds the exact effect."""
        known = [s.covered for s in self.scores if s.covered is not None]
        return sum(known) / len(known) if known else None

    @property
    def mean_calls(self) -> float:
        """Calls of a model that an audit took, on average."""
        return statistics.mean(s.calls for s in self.scores)

    def line(self) -> str:
        """The row in figures."""
        sets, covered = _share(self.sets_right), _share(self.covered)
        missed = self.count("no flip, misses a sure step or set")
        return (
            f"{self.team:8}{self.variant:18}{len(self.scores):9}{self.right:7.1%}{sets:>7}"
            f"{self.count('an innocent step', 'wrong set'):9}{missed:12}{covered:>9}{self.mean_calls:7.1f}"
        )


def measured(name: str, variant: Variant, *, runs: int, seed: int, search: str | None = None) -> Row:
    """A team's failures audited in one variant; equal arguments give equal rows."""
    team, table = TEAMS[name], frozen("greedy" if variant == "greedy" else "sampled")
    exact_table = table
    scores = []
    for run in failures(team, frozen("sampled"), runs, seed):
        exact = truth(team, exact_table if variant != "seed ignored" else frozen("sampled"), run)
        found, calls = audited(team, table, run, variant=variant, search=search)
        scores.append(scored(found, calls, exact))
    return Row(name, variant, tuple(scores))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, and with `--words` how the verdicts stand to the truth."""
    options = argparse.ArgumentParser(prog="python -m butfor.scenarios.natural", description=__doc__)
    options.add_argument("--team", choices=[*TEAMS], action="append", help="default: every team")
    options.add_argument("--variant", choices=get_args(Variant), action="append", help="default: every variant")
    options.add_argument("--runs", type=int, default=200, help="runs played; those that fail are audited")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--search", help="default: the search that audits use")
    options.add_argument("--words", action="store_true", help="print how each verdict stands to the truth")
    given = options.parse_args(arguments)
    begun = time.monotonic()
    print(f"runs {given.runs}, seed {given.seed}\n{_HEAD}")
    import joblib

    wanted = [(t, v) for t in given.team or TEAMS for v in given.variant or get_args(Variant)]
    rows = joblib.Parallel(n_jobs=-1, return_as="generator")(
        joblib.delayed(measured)(team, variant, runs=given.runs, seed=given.seed, search=given.search)
        for team, variant in wanted
    )
    for row in rows:
        print(row.line(), flush=True)
        if given.words:
            for word, count in Counter(score.word for score in row.scores).most_common():
                print(f"    {count:4} {count / len(row.scores):6.1%}  {word}")
    print(f"{time.monotonic() - begun:.0f} s")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    main()
