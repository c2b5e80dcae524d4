"""A report says the verdict first, carries every trial, and cannot be used to attack a terminal or a page."""

import pytest
from rich.console import Console

from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import Verdict
from butfor.render.report import as_markdown, as_terminal
from butfor.replay.trace import Trace
from butfor.scenarios import scenario

EVIL = "\x1b]0;owned\x07\x1b[31mred\x1b[0m [bold]x[/bold] <script>alert(1)</script> \u202egnp ```"


@pytest.fixture(scope="module")
def audited() -> tuple[Verdict, Trace]:
    trace = scenario("parallel").record()
    settings = Settings(model="scripted:parallel", search="exhaustive")
    return Audit(settings, MemoryStore()).audit(trace), trace


@pytest.mark.parametrize("width", [80, 200])
def test_the_verdict_comes_first_and_every_step_is_listed(audited: tuple[Verdict, Trace], width: int) -> None:
    lines = _drawn(*audited, width=width).splitlines()
    assert lines[0].strip() == "But for step 2 (Middle), this run would have succeeded."
    assert max(map(len, lines)) <= width
    for step in audited[1].steps:
        assert any(step.agent in line for line in lines)


def test_both_continuations_and_the_price_are_shown(audited: tuple[Verdict, Trace]) -> None:
    text = _drawn(*audited, width=200)
    assert "FINAL ANSWER: 1946 euros" in text
    assert "FINAL ANSWER: 1806 euros" in text
    assert f"{audited[0].cost.live_calls} live calls" in text


def test_markdown_has_the_same_verdict(audited: tuple[Verdict, Trace]) -> None:
    assert as_markdown(*audited).startswith("# But for step 2 (Middle), this run would have succeeded.\n")


@pytest.mark.parametrize("render", [as_markdown, lambda found, trace: _drawn(found, trace, width=120)])
def test_hostile_text_is_shown_and_does_nothing(render: object, audited: tuple[Verdict, Trace]) -> None:
    found, trace = audited
    steps = tuple(s.model_copy(update={"agent": EVIL if s.agent == "North" else s.agent}) for s in trace.steps)
    agents = tuple(a.model_copy(update={"name": EVIL if a.name == "North" else a.name}) for a in trace.agents)
    said = tuple(row.model_copy(update={"recorded": EVIL, "repaired": EVIL}) for row in found.continuation)
    hostile = trace.model_copy(update={"steps": steps, "agents": agents})
    assert callable(render)
    text = render(found.model_copy(update={"continuation": said}), hostile)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "red" in text


def test_hostile_markup_stays_inside_its_fence(audited: tuple[Verdict, Trace]) -> None:
    found, trace = audited
    said = found.continuation[0].model_copy(update={"recorded": "```\n# not a heading\n```"})
    text = as_markdown(found.model_copy(update={"continuation": (said,)}), trace)
    assert "````\n```\n# not a heading\n```\n````" in text


def _drawn(found: Verdict, trace: Trace, *, width: int) -> str:
    console = Console(width=width, no_color=True, record=True, highlight=False)
    with console.capture() as captured:
        console.print(as_terminal(found, trace))
    return captured.get()
