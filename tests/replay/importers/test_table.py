"""docs/logs.md says of each format what its samples show; `python tests/replay/importers/test_table.py` writes it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from butfor.replay.importers import IMPORTERS, import_folder, import_log
from butfor.replay.trace import Trace

ROOT = Path(__file__).parents[3]
LOGS = ROOT / "tests" / "logs"
DOCUMENT = ROOT / "docs" / "logs.md"
BEGINS, ENDS = "<!-- table -->\n", "<!-- end of table -->\n"
LACKS = {
    "adk": "what each agent was given",
    "ag2": "what each speaker was given; prompts",
    "atif": "what each step was given",
    "autogen": "in a task result, what each agent was given",
    "claude-code": "thinking; what each turn was given",
    "codex": "reasoning; sessions of subagents in files of their own",
    "crewai": "agents that no event names",
    "inspect": "edges between samples",
    "langfuse": "agents where no observation, node or attribute names one",
    "langgraph": "in final messages, the inputs of the nodes",
    "langsmith": "agents where no run names one",
    "mast": "inputs, tools' ids; labels are of whole runs",
    "mast-repository": "inputs, tools' ids",
    "openai-agents": "inputs that are kept on the provider's server",
    "openhands": "what each step was given; environment actions",
    "openinference": "tools that no span stands for",
    "otel-genai": "messages, where their capture was off",
    "plain-chat": "what each speaker was given",
    "pydantic-ai": "the agent's name; runs of other agents",
    "smolagents": "managed agents' own steps",
    "swe-agent": "thoughts apart from answers",
    "tau-bench": "what each turn was given",
    "ui-messages": "who else than one assistant spoke",
    "who-and-when": "what each speaker was given; tools' ids",
}


def _runs() -> Iterator[tuple[str, Trace]]:
    for folder in sorted(path for path in LOGS.iterdir() if path.is_dir()):
        for file, found in import_folder(folder):
            if isinstance(found, Trace):
                yield file.relative_to(LOGS).as_posix(), found


def table() -> str:
    """A line for each format: what its samples hold, all of them together."""
    by_format: dict[str, list[tuple[str, Trace]]] = {}
    for name, trace in _runs():
        by_format.setdefault(trace.source.format, []).append((name, trace))
    lines = [
        "| format | runs sampled | fidelity | agents | steps | edges rest on | what it cannot hold |",
        "|---|---|---|---|---|---|---|",
    ]
    for known in sorted(by_format):
        traces = [trace for _, trace in by_format[known]]
        rests = Counter(str(read.basis) for trace in traces for step in trace.steps for read in step.reads)
        cells = [
            f"`{known}`",
            str(len(traces)),
            ", ".join(sorted({trace.fidelity for trace in traces})),
            _range([sum(agent.kind == "llm" for agent in trace.agents) for trace in traces]),
            _range([len(trace.steps) for trace in traces]),
            ", ".join(basis for basis, _ in sorted(rests.items(), key=lambda pair: (-pair[1], pair[0]))) or "–",
            LACKS.get(known, ""),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _range(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"


def test_the_table_is_that_of_the_samples() -> None:
    pytest.importorskip("zstandard")
    pytest.importorskip("yaml")
    assert DOCUMENT.read_text(encoding="utf-8").partition(BEGINS)[2].partition(ENDS)[0] == table()


def test_every_format_that_people_have_is_sampled() -> None:
    assert {trace.source.format for _, trace in _runs()} >= set(LACKS) <= set(IMPORTERS)


@pytest.mark.parametrize("name", ["plain_chat/rewarded.json#3", "langfuse/message_parts.json"])
def test_a_line_of_the_table_is_what_import_gives(name: str) -> None:
    assert import_log(LOGS / name) == dict(_runs())[name]


if __name__ == "__main__":
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGINS)
    DOCUMENT.write_text(f"{before}{BEGINS}{table()}{ENDS}{rest.partition(ENDS)[2]}", encoding="utf-8")
