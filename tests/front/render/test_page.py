"""A report is one page that says the verdict first, shows every draw, and cannot be turned against its reader."""

import re
import time
from pathlib import Path

import pytest
from browser import chromium, violations
from commandline import butfor
from traces import run

from butfor.cache.store import MemoryStore
from butfor.counterfactual.audit import Audit
from butfor.counterfactual.settings import Settings
from butfor.counterfactual.verdict import Verdict
from butfor.render.checks import colour_of
from butfor.render.html import as_html, page
from butfor.render.model import report_model
from butfor.render.words import compared
from butfor.replay.trace import Trace
from butfor.scenarios import scenario
from butfor.scenarios.scenario import scenarios

EVIL = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "<a href=\"javascript:document.title='owned'\">x</a> \x1b[31m\u202egnp\x00 \"'> {{ 7*7 }} </style></title>"
)


def audited(name: str) -> tuple[Verdict, Trace]:
    trace = scenario(name).record()
    return Audit(Settings(model=f"scripted:{name}"), MemoryStore()).audit(trace), trace


@pytest.fixture(scope="module")
def parallel() -> tuple[Verdict, Trace]:
    return audited("parallel")


def hostile() -> Trace:
    return run(("Ann", EVIL), ("Tool", EVIL), ("Bob", f"{EVIL} FINAL ANSWER: 5"), task=EVIL, expected="4")


def test_the_verdict_comes_first_and_nothing_is_loaded(parallel: tuple[Verdict, Trace]) -> None:
    text = as_html(*parallel)
    assert (
        text.index(parallel[0].sentence) < text.index("Both arms") < text.index("Controls") < text.index("Every step")
    )
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.search(r"<script|\bsrc=|https?://|\son\w+=|style=", text)


def test_every_draw_of_both_arms_is_on_the_page(parallel: tuple[Verdict, Trace]) -> None:
    found, trace = parallel
    draws = sum(len(arm.runs) for trial in found.trials for arm in (trial.treated, trial.control))
    assert as_html(found, trace).count('<details class="draw') == draws > 10


@pytest.mark.parametrize(
    ("passed", "colour"), [((True, True), "green"), ((True, None), "amber"), ((True, False), "red")]
)
def test_the_light_is_made_of_all_controls(
    passed: tuple[bool | None, ...], colour: str, parallel: tuple[Verdict, Trace]
) -> None:
    controls = tuple(
        c.model_copy(update={"passed": p})
        for c, p in zip([c for c in parallel[0].controls if c.kind != "resample"], passed, strict=False)
    )
    assert colour_of(parallel[0].model_copy(update={"controls": controls}))[0] == colour


def test_text_of_a_log_is_text() -> None:
    text = page(report_model(hostile()))
    assert "<script" not in text
    assert "<img" not in text
    assert 'href="javascript' not in text
    assert not set(text) & {"\x1b", "\u202e", "\x00"}
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize(
    ("old", "new", "marks"),
    [
        ("kept 95 jackets", "kept 75 jackets", ["same", "gone", "new", "same"]),
        ("", "all new", ["new"]),
        ("a", "a", ["same"]),
        ("x y " * 2_000, "z w " * 2_000, ["gone", "new", "same"]),
    ],
)
def test_words_are_compared(old: str, new: str, marks: list[str]) -> None:
    pieces = compared(old, new)
    assert [piece.mark for piece in pieces] == marks
    assert "".join(p.text for p in pieces if p.mark != "gone") == new
    if len(old) < 100:
        assert "".join(p.text for p in pieces if p.mark == "gone") in old


def test_a_thousand_steps_are_less_than_two_megabytes() -> None:
    trace = run(*((("Ann", "Bob", "Cat")[n % 3], f"{n}: " + "word " * 2_000) for n in range(1_000)))
    start = time.perf_counter()
    text = page(report_model(trace))
    assert len(text.encode()) < 2_000_000
    assert "--step 999" in text
    assert time.perf_counter() - start < 20


def test_a_verdict_a_case_and_a_log_each_get_a_page(tmp_path: Path, logs: Path) -> None:
    log, case, out = tmp_path / "parallel", tmp_path / "case.butfor", tmp_path / "page.html"
    log.write_text(scenario("parallel").record().to_json())
    printed = butfor("blame", log, "--model", "scripted:parallel", "--json", "--certificate", case)
    verdict = tmp_path / "verdict.json"
    verdict.write_text(printed.out)
    for read in (verdict, case):
        assert butfor("report", read, "-o", out).status == 0
        assert "But for step 2 (Middle)" in out.read_text()
    assert butfor("report", logs / "who_and_when" / "HC-24.json", "-o", out).status == 0
    assert "Suspects, from the log alone" in out.read_text()


def test_a_verdict_on_another_run_is_refused(tmp_path: Path) -> None:
    log, verdict = tmp_path / "parallel", tmp_path / "verdict.json"
    log.write_text(scenario("parallel").record().to_json())
    verdict.write_text(butfor("blame", log, "--model", "scripted:parallel", "--json").out)
    other = tmp_path / "relay.json"
    other.write_text(scenario("relay").record().to_json())
    refused = butfor("report", verdict, "--run", other, "-o", tmp_path / "page.html")
    assert (refused.status, "--run" in refused.err) == (2, True)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.slow
def test_in_a_browser_every_report_is_accessible_narrow_and_opens_its_draws(tmp_path: Path, logs: Path) -> None:
    pages = {name: as_html(*audited(name)) for name in scenarios()}
    pages["who and when"] = page(report_model(_imported(logs / "who_and_when" / "HC-24.json")))
    pages["hostile"] = page(report_model(hostile()))
    found: dict[str, object] = {}
    with chromium() as browser:
        for name, text in pages.items():
            file = tmp_path / "page.html"
            file.write_text(text)
            for width, scheme in ((360, "light"), (2_000, "dark")):
                tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                said: list[str] = []
                tab.on("console", lambda message, said=said: said.append(message.text))
                tab.goto(file.as_uri())
                for draw in tab.locator("section > .arm details.draw > summary").all()[:2]:
                    if draw.is_visible():
                        draw.press("Enter")
                wide = tab.evaluate("document.documentElement.scrollWidth")
                problems = [*violations(tab), *said, *([f"{wide} wide"] if wide > width else [])]
                problems += ["owned"] if tab.title() == "owned" else []
                found |= {f"{name} {width}": problems} if problems else {}
                tab.close()
    assert found == {}


@pytest.mark.slow
def test_in_a_browser_a_thousand_steps_open_within_a_second(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(report_model(run(*((f"agent {n % 20}", f"{n}: " + "word " * 80) for n in range(1_000))))))
    with chromium() as browser:
        tab = browser.new_page()
        tab.goto(file.as_uri())
        drawn = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
        milliseconds = tab.evaluate(drawn)
    print(f"drawn after {milliseconds:.0f} ms")
    assert milliseconds < 2_000  # the machine of the tests may be busy; alone it is well under a second


def _imported(log: Path) -> Trace:
    from butfor.replay.importers import import_log

    return import_log(log)
