"""MAST-Data: the log of each of seven systems cut into turns, with the addressees where it names them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError
from butfor.replay.importers import import_folder, import_log, mast
from butfor.replay.trace import Trace

Told = Callable[[Trace], list[str]]


RUNS = {
    "0": (
        "Write a calculator.",
        [
            "0 Chief Product Officer llm",
            "1 Chief Executive Officer llm, reads 0 by addressee",
            "2 Programmer llm",
        ],
        "main.py\n```\nprint(2 + 2)\n```",
    ),
    "1": (
        "Write a function that adds.",
        [
            "0 Human human",
            "1 SimpleCoder llm, reads 0 by broadcast",
            "2 SimpleTester llm, reads 0 by broadcast, reads 1 by broadcast",
        ],
        "assert add(2, 2) == 4",
    ),
    "2": (
        "How many people live in Paris?",
        [
            "0 user human",
            "1 MagenticOneOrchestrator llm, reads 0 by broadcast",
            "2 WebSurfer llm, reads 0 by broadcast, reads 1 by broadcast",
            "3 ComputerTerminal tool, reads 2 by broadcast",
            "4 MagenticOneOrchestrator llm, continues 1, reads 2 by broadcast, reads 3 by broadcast",
        ],
        "FINAL ANSWER: 3,000,000",
    ),
    "3": (
        "Fix the bug in add.",
        [
            "0 Planner llm",
            "1 Navigator llm, reads 0 by addressee",
            "2 Navigator llm, continues 1",
            "3 Planner llm, continues 0, reads 2 by addressee",
        ],
        "Change it.\nIntern Name: Editor",
    ),
    "4": (
        "Like the first song.",
        [
            "0 Supervisor llm",
            "1 environment tool, reads 0 by addressee",
            "2 Spotify llm, reads 1 by addressee",
            "3 CodeExecutor tool, reads 2 by addressee",
            "4 send_message tool, reads 2 by addressee",
            "5 Supervisor llm, continues 0, reads 4 by addressee",
        ],
        "complete_task()",
    ),
    "5": (
        "",
        [
            "0 Manus llm",
            "1 browser_use tool, reads 0 by broadcast",
            "2 Manus llm, continues 0, reads 1 by broadcast",
        ],
        "3,000,000 it is.",
    ),
    "6": ("What is 2 + 2?", ["0 mathproxyagent llm", "1 assistant llm, reads 0 by broadcast"], "5"),
    "7": ("What is 3 + 3?", ["0 mathproxyagent llm", "1 assistant llm, reads 0 by broadcast"], "7"),
    "8": (
        "Write a function.",
        ["0 SimpleCoder llm", "1 SimpleTester llm, reads 0 by broadcast"],
        "assert f() is None",
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_each_system(logs: Path, told: Told, run: str) -> None:
    task, lines, last = RUNS[run]
    trace = import_log(f"{logs}/mast/records.json#{run}")
    assert told(trace) == lines
    assert trace.task == task
    assert trace.steps[-1].output == last
    assert trace.fidelity == "transcript"
    assert {a.model for a in trace.agents if a.kind == "llm"} == {"GPT-4o"}


def test_a_log_of_no_known_system_is_an_error_and_the_others_are_read(logs: Path) -> None:
    found = [result for _, result in import_folder(logs / "mast")]
    assert len(found) == 10
    assert [isinstance(result, Trace) for result in found] == [True] * 9 + [False]
    assert isinstance(found[9], LogFormatError)
    assert str(found[9]).startswith("records.json: [9]: this log of Unheard has no turns")


def test_the_lines_of_the_authors_repository(logs: Path) -> None:
    records = json.loads((logs / "mast" / "records.json").read_text(encoding="utf-8"))
    found = next(r for r in records if r["mas_name"] == "HyperAgent")
    whole = found["trace"]["trajectory"] if isinstance(found["trace"], dict) else found["trace"]
    inner = json.loads(whole) if isinstance(whole, str) and whole.lstrip().startswith("{") else whole
    lines = inner["trajectory"] if isinstance(inner, dict) else inner
    lines = lines if isinstance(lines, list) else lines.split("\n")
    text = json.dumps({"instance_id": "x", "problem_statement": ["Mend it."], "trajectory": lines})
    assert mast.sniff(text)
    trace = mast.load(text, name="run.json")
    assert trace.task == "Mend it."
    assert trace.steps[0].agent
