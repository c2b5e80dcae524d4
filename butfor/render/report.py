"""What a person reads: the verdict, the evidence, the price; on a terminal, piped, or as Markdown."""

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from butfor.counterfactual.trial import Arm, Trial, Untested
from butfor.counterfactual.verdict import Cost, Said, Verdict
from butfor.replay.text import excerpt, printable
from butfor.replay.trace import Step, Trace

_SHOWN_STEPS = 40
_REASONS = {"later than the verdict": "later", "ruled out together": "ruled out"}


class Row(NamedTuple):
    """One line of the table of steps."""

    mark: str
    step: str
    agent: str
    tried: str
    corrected: str
    recorded: str
    effect: str


def as_terminal(found: Verdict, trace: Trace) -> RenderableType:
    """The report as rich draws it; the same words when piped."""
    parts: list[RenderableType] = [
        Text(f"  {found.sentence}", style="bold"),
        *map(Text, _evidence(found)),
        Text(""),
    ]
    parts.append(_table(found, trace))
    for title, text in _texts(found, trace):
        parts += [Text(""), Text(f"  {title}", style="bold"), text]
    parts += [Text(""), _facts(found)]
    return Group(*parts)


def as_text(found: Verdict, trace: Trace) -> str:
    """The report as plain text of 100 columns."""
    drawn = Console(width=100, no_color=True, highlight=False)
    with drawn.capture() as captured:
        drawn.print(as_terminal(found, trace))
    return captured.get()


def as_markdown(found: Verdict, trace: Trace) -> str:
    """The report as Markdown; text of the log stands in it as code, never as markup."""
    head = [f"# {_escaped(found.sentence)}", *(_escaped(line.strip()) for line in _evidence(found))]
    header = "| | step | agent | tried | corrected | recorded | effect |\n|---|---|---|---|---|---|---|"
    table = [header + "".join("\n| " + " | ".join(map(_escaped, row)) + " |" for row in _rows(found, trace))]
    said = [
        f"**Step {row.step} ({_escaped(row.agent)})**\n\nrecorded\n\n{_fenced(row.recorded)}\n\n"
        f"{row.origin}\n\n{_fenced(row.repaired)}"
        for row in found.continuation[:_SHOWN_STEPS]
    ]
    facts = ["\n".join(f"- {name}: {_escaped(value)}" for name, value in _fact_lines(found))]
    return "\n\n".join([*head, *table, *said, *facts]) + "\n"


def _evidence(found: Verdict) -> Iterator[str]:
    trial = _deciding(found)
    if trial and found.effect is not None and found.interval is not None:
        yield (
            f"  corrected {_ratio(trial.treated)} succeed, as recorded {_ratio(trial.control)}: effect "
            f"{found.effect:+.2f}, at least {found.interval[0]:+.2f}" + (f" ({trial.note})" if trial.note else "")
        )
    if found.decides:
        yield f"  would decide it: {found.decides}"
    yield f"  {_claim(found)}"
    if found.recorded and found.recorded.answer is not None:
        expected = f" ({excerpt(found.recorded.explanation, limit=80)})" if found.recorded.explanation else ""
        yield f"  the recorded run ended with {excerpt(found.recorded.answer, limit=80)!r}{expected}"


def _claim(found: Verdict) -> str:
    if found.executor == "program":
        return "real: the program itself ran again with one answer changed"
    played = f"agents{' and tools' if found.tools == 'model' else ''} were played by {found.model or 'nobody'}"
    return f"simulated from a {found.fidelity}: {played}"


def _table(found: Verdict, trace: Trace) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column("step", justify="right")
    table.add_column("agent", overflow="fold")
    table.add_column("tried", no_wrap=True)
    for name in ("corrected", "recorded"):
        table.add_column(name, justify="right")
    table.add_column("effect", no_wrap=True)
    for row in _rows(found, trace):
        table.add_row(*map(Text, row), style="bold red" if row.mark else "")
    return table


def _rows(found: Verdict, trace: Trace) -> Iterator[Row]:
    trials = {t.steps[0]: t for t in found.trials if len(t.steps) == 1 and t.interventions[0].kind == "correct"}
    reasons = {u.step: u for u in found.untested}
    blamed: set[int | None] = set(found.members) if found.members else {found.step}
    for shown in _shown(trace.steps, blamed, trials):
        if shown is None:
            yield Row("", "…", "", "", "", "", "")
            continue
        mark = "▸" if shown.index in blamed else ""
        yield _row(shown, mark, trials.get(shown.index), reasons.get(shown.index), found)


def _row(step: Step, mark: str, trial: Trial | None, untested: Untested | None, found: Verdict) -> Row:
    agent = excerpt(step.agent, limit=40)
    if trial:
        effect = _effect(trial)
        if mark:
            effect += " ◀ earliest" if found.step is not None else " ◀ together"
        return Row(mark, str(step.index), agent, "correct", _ratio(trial.treated), _ratio(trial.control), effect)
    if step.kind != "llm":
        words = {"tool": "tool result", "human": "a person", "control": "framework"}[step.kind]
        return Row(mark, str(step.index), agent, f"– {words}", "", "", "")
    reason = _REASONS.get(untested.reason, untested.reason) if untested else "not tried"
    return Row(mark, str(step.index), agent, f"– {reason}", "", "", "")


def _effect(trial: Trial) -> str:
    if trial.finding == "flips":
        return f"{trial.effect:+.2f}"
    if trial.finding == "undecided":
        return f"undecided ({_range(trial.interval)})"
    return f"at most {trial.interval[1]:+.2f}"


def _shown(steps: Sequence[Step], blamed: set[int | None], trials: "dict[int, Trial]") -> Iterator[Step | None]:
    """Every step of a short run; of a long one those tried, those blamed, and their neighbours."""
    if len(steps) <= _SHOWN_STEPS:
        yield from steps
        return
    near = {b + d for b in blamed if b is not None for d in (-1, 0, 1)}
    keep = sorted(({0, len(steps) - 1} | near | set(list(trials)[:_SHOWN_STEPS])) & set(range(len(steps))))
    previous = -1
    for index in keep:
        if index > previous + 1:
            yield None
        yield steps[index]
        previous = index


def _texts(found: Verdict, trace: Trace) -> Iterator[tuple[str, RenderableType]]:
    if found.continuation:
        yield "recorded, and one repaired run beside it", beside(found.continuation)
    troubles = [(u.step, u.detail) for u in found.untested if u.reason in ("failed", "leaked answer", "budget")]
    troubles += [(t.steps[0] if t.steps else -1, t.error) for t in found.trials if t.error]
    if troubles:
        lines = [f"  step {step}: {excerpt(detail, limit=240)}" for step, detail in troubles[:5]]
        more = [f"  … and {len(troubles) - 5} more (--json lists them)"] if len(troubles) > 5 else []
        yield "not tried to the end", Text("\n".join([*lines, *more]))


def beside(rows: Sequence[Said], *, other: str = "repaired") -> Table:
    """Two continuations of a run side by side, at most eight steps of them."""
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim", expand=True)
    table.add_column("step", justify="right")
    table.add_column("recorded", ratio=1, overflow="fold")
    table.add_column(other, ratio=1, overflow="fold")
    for row in rows[:8]:
        old = excerpt(row.recorded) if row.recorded is not None else "(the run had ended)"
        new = excerpt(row.repaired) if row.repaired is not None else "(the run has ended)"
        agent = excerpt(row.agent, limit=40)
        table.add_row(str(row.step), Text(f"{agent}: {old}"), Text(f"{agent} ({row.origin}): {new}"))
    if len(rows) > 8:
        table.add_row("", f"… {len(rows) - 8} more steps", "")
    return table


def _facts(found: Verdict) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _fact_lines(found):
        table.add_row(name, Text(value))
    return table


def _fact_lines(found: Verdict) -> Iterator[tuple[str, str]]:
    if found.flips:
        latest = f"{found.flips.latest}" if found.flips.complete else "not searched (--search exhaustive)"
        yield "flip interval", f"earliest {found.flips.earliest}, latest {latest}"
    if found.controls:
        yield (
            "controls",
            " · ".join(_control(c.kind, c.step, c.passed, c.arm, c.detail) for c in found.controls),
        )
    for caveat in found.caveats:
        yield "caveat", caveat
    for share in found.agents:
        low, high = share.interval
        yield (
            excerpt(share.agent, limit=24),
            (
                f"all {share.steps} messages corrected: {_ratio(share.arm)} succeed, effect {share.effect:+.2f} "
                f"({low:+.2f} … {high:+.2f}); share of the blame {share.share:+.2f}"
            ),
        )
    yield "cost", cost_line(found.cost)
    for warning in found.warnings:
        yield "mind", warning
    for player, conclusion in found.players.items():
        yield "under", f"{player}: {conclusion}"
    if found.verdict in ("no flip", "nothing tried"):
        yield "next", "a better corrector (--corrector), or your own correction (butfor whatif --step N --output …)"


def _control(kind: str, step: int, passed: bool | None, arm: Arm | None, detail: str) -> str:
    name = {"elsewhere": f"same fix at step {step}", "resample": "another draw"}.get(kind, kind)
    shown = _ratio(arm) if arm and arm.draws else ("holds" if passed else f"not run ({excerpt(detail, limit=60)})")
    return f"{name} {shown}" + ("  ✗ contradicts the verdict" if passed is False else "")


def cost_line(cost: Cost) -> str:
    """What was spent, in a line."""
    tokens = cost.input_tokens + cost.output_tokens
    parts = [
        f"{cost.live_calls} live calls",
        f"{cost.cached_calls} from cache",
        f"{_thousands(tokens)} tokens",
    ]
    if tokens:
        parts.append("price unknown" if cost.dollars is None else f"${cost.dollars:.4f}")
        parts.append(f"{cost.seconds:.0f} s of waiting")
    return ", ".join(parts)


def _deciding(found: Verdict) -> Trial | None:
    wanted = found.members or ((found.step,) if found.step is not None else ())
    correcting = (t for t in found.trials if all(i.kind == "correct" for i in t.interventions))
    return next((t for t in correcting if wanted and t.steps == wanted), None)


def _ratio(arm: Arm) -> str:
    return f"{arm.successes}/{arm.draws}" if arm.draws else "–"


def _range(interval: tuple[float, float]) -> str:
    return f"{interval[0]:+.2f} … {interval[1]:+.2f}"


def _thousands(count: int) -> str:
    return f"{count / 1000:.0f}k" if count >= 10_000 else f"{count}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", printable(text)).replace("\n", " ")


def _fenced(text: str | None) -> str:
    shown = printable(text or "(nothing)")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{shown}\n{fence}"


_PLAIN = str.maketrans({
    "▸": ">", "◀": "<", "✓": "+", "✗": "x", "…": "...", "–": "-", "·": "-", "→": "->", "✎": "*", "●": "@", "○": "o",
    "◌": "~", "“": '"', "”": '"', "−": "-", "’": "'",
})  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that the output's encoding does not have: a like mark, or `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "replace").decode(), error.end


codecs.register_error("butfor.plain", _plain)


def _piped_width() -> int:
    """Columns of text into a pipe: `COLUMNS` where it is a number, else 100."""
    asked = os.environ.get("COLUMNS", "")
    return max(40, int(asked)) if asked.isascii() and asked.isdigit() else 100


def console(*, error: bool = False) -> Console:
    """A console that draws on a terminal and writes plain text of 100 columns into a pipe."""
    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "backslashreplace"):
        stream.reconfigure(errors="butfor.plain")
    probe = Console(stderr=error, highlight=False, soft_wrap=False)
    return probe if probe.is_terminal else Console(stderr=error, highlight=False, width=_piped_width(), no_color=True)
