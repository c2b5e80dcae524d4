"""Makes docs/frameworks.md: every framework's program recorded, replayed, changed and blamed, in its own
environment.

`python tests/frameworks/table.py [-o FILE] [NAME …]`; without names, all of them. Exit status 1 where one
falls short.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PROGRAMS = Path(__file__).parent.parent / "programs"
sys.path[:0] = [str(PROGRAMS.parent)]

from programs.llm_server import served  # noqa: E402
from servers import unused_port  # noqa: E402

from butfor.replay.trace import Step, Trace, read_trace  # noqa: E402
from frameworks.environments import CLIENTS, FRAMEWORKS, Framework, python_of  # noqa: E402

RIGHT, WRONG = "2,102,650", "3,000,000"
JUDGE = ("--judge", "contains", "--expected", RIGHT)
HEAD = """# Frameworks

Made by `python tests/frameworks/table.py`: unmodified programs (tests/programs), each in an environment
of its own, against a loopback model server whose every answer ends in a random mark, so that a replayed
answer cannot be mistaken for a live one.
The tool says 2,102,650; the Researcher's answer after it says 3,000,000, and the others pass that on.

- **calls**: model calls recorded, and tool calls held back and answered in a replay (an agent behind
  a tool runs again)
- **offline**: calls answered by `butfor check` with the model server gone, and whether the output was the
  same
- **agents**: whether every agent got its own name
- **flips**: whether the corrected answer of the Researcher makes the run succeed (`butfor whatif`)
- **blame**: what `butfor blame` names; the planted mistake is the Researcher's answer after the tool's
"""


class Row(NamedTuple):
    """What one framework's program came to."""

    name: str
    calls: str
    offline: str
    agents: str
    flips: str
    blame: str
    seconds: float
    right: bool


def run(framework: Framework, *, stream: bool) -> Row:
    """Record, check, change and blame one program."""
    started = time.monotonic()
    port = unused_port()
    command = [str(python_of(framework)), str(PROGRAMS / f"{framework.program}.py")]
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": "x",
        "PYTHONPATH": str(PROGRAMS),
    }
    environment["STREAM"] = "1" if stream else ""
    with tempfile.TemporaryDirectory() as folder:
        environment["BUTFOR_CACHE"] = f"{folder}/answers"
        work = Path(folder) / "work"
        work.mkdir()

        def butfor(*arguments: str) -> subprocess.CompletedProcess[str]:
            line = [sys.executable, "-m", "butfor", *arguments, "--", *command]
            return subprocess.run(line, cwd=work, env=environment, capture_output=True, text=True, check=False)

        with served(port):
            made = butfor("record", "-o", "run.json")
        if made.returncode or not (work / "run.json").exists():
            why = made.stderr.strip().splitlines()[-1:] or ["no output"]
            return Row(framework.name, why[0], "–", "–", "–", "–", time.monotonic() - started, False)
        trace = read_trace((work / "run.json").read_text())
        checked = _json(butfor("check", "run.json", "--json"))
        named = {step.agent for step in trace.steps if step.kind == "llm"}
        if framework is CLIENTS:
            flips, blamed, good = "–", "–", True
        else:
            with served(port):
                flips, blamed, good = _changed(trace, butfor)
    row = Row(
        name=f"{framework.name}, streamed" if stream else framework.name,
        calls=_counted(trace),
        offline=_offline(checked),
        agents="yes" if named == set(framework.agents) else f"no: {', '.join(sorted(named))}",
        flips=flips,
        blame=blamed,
        seconds=time.monotonic() - started,
        right=good and bool(checked.get("identical")) and named == set(framework.agents),
    )
    print(f"{row.name}: {row.calls} | {row.offline} | {row.agents} | {row.flips} | {row.blame}", file=sys.stderr)
    return row


def _changed(trace: Trace, butfor: Any) -> tuple[str, str, bool]:
    wrong = next((step for step in trace.steps if _planted(step)), None)
    if wrong is None:
        return "no mistake was made", "–", False
    output = wrong.output.replace(WRONG, RIGHT)
    found = _json(butfor("whatif", "run.json", "--step", str(wrong.index), "--output", output, *JUDGE, "--json"))
    flipped = bool((found.get("changed") or {}).get("success"))
    audit = _json(butfor("blame", "run.json", "--corrector", "corrector:corrector", *JUDGE, "--json"))
    verdict, step = audit.get("verdict"), audit.get("step")
    says = f"{verdict}: step {step} ({audit.get('agent')})" if verdict == "blamed" else str(verdict or audit["error"])
    if step == wrong.index:
        says += ", the planted one"
    return "yes" if flipped else "no", says, flipped and step == wrong.index


def _planted(step: Step) -> bool:
    return step.kind == "llm" and WRONG in step.output and step.agent.lower().startswith("researcher")


def _counted(trace: Trace) -> str:
    asked = sum(step.kind == "llm" for step in trace.steps)
    tools = sum(step.kind == "tool" and not step.composite for step in trace.steps)
    return f"{asked} + {tools}"


def _offline(checked: dict[str, Any]) -> str:
    if "error" in checked:
        return str(checked["error"])
    return f"{checked['hits']}, {'identical' if checked['identical'] else '; '.join(checked['differences'])}"


def _json(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[0][:200]}
    return found if isinstance(found, dict) else {"error": "no object"}


def as_markdown(rows: Sequence[Row]) -> str:
    """The table."""
    head = "| | calls | offline | agents | flips | blame | seconds |\n|---|---|---|---|---|---|---|\n"
    lines = (
        f"| {r.name} | {r.calls} | {r.offline} | {r.agents} | {r.flips} | {r.blame} | {r.seconds:.0f} |\n" for r in rows
    )
    return f"{HEAD}\n{head}{''.join(lines)}"


def _twice(framework: Framework, *, stream: bool) -> Row:
    """A row, made anew where it fell short: a busy machine may pass a framework's own time limits."""
    row = run(framework, stream=stream)
    return row if row.right else run(framework, stream=stream)


def main() -> int:
    """Run what was asked for, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args()
    wanted = [f for f in (*FRAMEWORKS, CLIENTS) if not chosen.names or f.name in chosen.names]
    rows = [_twice(f, stream=s) for f in wanted for s in ((False, True) if f.streams else (False,))]
    text = as_markdown(rows)
    if chosen.output:
        chosen.output.write_text(text)
    else:
        print(text)
    return 0 if all(row.right for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
