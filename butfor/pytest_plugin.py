"""Recorded runs in a test suite: the marker `butfor`, the fixture `butfor_whatif`, and what CI shows of them."""

import os
from collections.abc import Callable, Iterator
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from butfor.counterfactual.intervention import Intervention

_ROWS = pytest.StashKey[list[tuple[str, str, str]]]()


class Changed:
    """A change of a run, of which a test asserts how often it succeeds."""

    def __init__(self, draw: Callable[[int], list[bool]], note: Callable[[str, str], None]) -> None:
        self._draw = draw
        self._note = note

    def succeeds(self, *, at_least: float = 0.8, draws: int = 10) -> None:
        """Pass where this share of the draws succeeds, fail where the true share is surely lower, else be inconclusive.

        Surely: were the true share `at_least`, so few successes would come up in one case of twenty or fewer (exact
        binomial). Inconclusive is a skip that names the counts.
        """
        found = sum(self._draw(draws))
        said = f"{found} of {draws} draws succeed, {at_least:.0%} asked for"
        if found >= at_least * draws - 1e-9:
            self._note("PASS", said)
        elif _at_most(found, draws, at_least) <= 0.05:
            self._note("FAIL", said)
            pytest.fail(f"butfor: {said}", pytrace=False)
        else:
            self._note("INCONCLUSIVE", said)
            pytest.skip(f"inconclusive: {said}; give more draws")


def _at_most(successes: int, draws: int, rate: float) -> float:
    """The chance of so few successes; the binomial distribution function."""
    return sum(comb(draws, n) * rate**n * (1 - rate) ** (draws - n) for n in range(successes + 1))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--butfor-record`, with the habits of recorded tests."""
    parser.getgroup("butfor").addoption(
        "--butfor-record",
        choices=("none", "new", "all"),
        default="none",
        help="none: replay only, ask nothing live; new: record runs that are missing; all: record every run again.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "butfor(run, program=None, proxy=False): replay a recorded run offline first.")
    config.stash[_ROWS] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Replay the run of a marked test before its body; what differs fails it."""
    from butfor.cache.errors import ButforError

    for marker in item.iter_markers("butfor"):
        run = marker.args[0] if marker.args else marker.kwargs["run"]
        program = marker.kwargs.get("program") or ()
        try:
            said = _replay(item.config, item.path.parent / run, list(program), bool(marker.kwargs.get("proxy")))
        except ButforError as error:
            _note(item, "FAIL", str(error))
            pytest.fail(f"butfor: {error}", pytrace=False)
        _note(item, "PASS", said)


def _replay(config: pytest.Config, run: Path, program: list[str], proxy: bool) -> str:
    from butfor.cache.errors import Divergence, ProgramFailed
    from butfor.library import check, record

    mode = config.getoption("--butfor-record")
    if mode == "all" or (mode == "new" and not run.exists()):
        if not program:
            raise ProgramFailed(f"{run.name} is to be recorded; give the marker program=[...]")
        trace = record(program, run, proxy=proxy)
        return f"{run.name}: recorded, {len(trace.steps)} steps"
    if not run.exists():
        raise ProgramFailed(f"{run} is not there; record it with --butfor-record=new")
    found = check(run, program, proxy=proxy)
    if not found.same:
        raise Divergence(found.sentence(run.name))
    return found.sentence(run.name)


@pytest.fixture
def butfor_whatif(request: pytest.FixtureRequest) -> Callable[..., Changed]:
    """`butfor_whatif(run, *changes, model=…, store=…)`, of which a test asserts `.succeeds(at_least=.8, draws=10)`.

    Nothing is asked live with `--butfor-record=none`: the answers come from the store.
    """
    item, offline = request.node, request.config.getoption("--butfor-record") == "none"

    def changed(run: Any, *changes: "Intervention", store: Any = None, **settings: Any) -> Changed:
        from butfor.counterfactual.case import opened
        from butfor.library import settled

        found = opened(item.path.parent / run if isinstance(run, str | Path) else run)
        chosen, parts = settled(found, settings, changes)
        audit = found.audit(chosen, store=store, offline=offline, parts=parts)

        def draw(draws: int) -> list[bool]:
            arm = audit.experiment(found.trace, sham=True).arm(changes, draws)
            return [one.success for one in arm.runs]

        return Changed(draw, lambda word, said: _note(item, word, said))

    return changed


def _note(item: pytest.Item, word: str, said: str) -> None:
    item.user_properties.append(("butfor", f"{word}: {said}"))
    item.config.stash[_ROWS].append((item.nodeid, word, said))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name what is inconclusive, and write Markdown for CI where it asks for it."""
    rows = config.stash[_ROWS]
    inconclusive = [row for row in rows if row[1] == "INCONCLUSIVE"]
    if inconclusive:
        terminalreporter.section("butfor: inconclusive")
        for node, _, said in inconclusive:
            terminalreporter.line(f"{node}: {said}")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and rows:
        with open(summary, "a", encoding="utf-8") as file:
            file.writelines(_markdown(rows))


def _markdown(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    yield "### butfor\n\n| test | answer | what was found |\n|---|---|---|\n"
    for row in rows:
        cells = (cell.partition("\n")[0].replace("|", "\\|").replace("<", "&lt;") for cell in row)
        yield f"| {' | '.join(cells)} |\n"
