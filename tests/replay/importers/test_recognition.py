"""Every sample is recognised by its content, by one format only, however early its beginning is cut."""

import json
from pathlib import Path

import pytest

from butfor.cache.errors import LogFormatError, UnknownFormat
from butfor.replay.importers import IMPORTERS, import_folder, import_log, read_text

FORMATS = {
    "adk": "adk",
    "ag2": "ag2",
    "atif": "atif",
    "autogen": "autogen",
    "claude_code": "claude-code",
    "codex": "codex",
    "crewai": "crewai",
    "inspect": "inspect",
    "langfuse": "langfuse",
    "langgraph": "langgraph",
    "langsmith": "langsmith",
    "mast": "mast",
    "mast_repository": "mast-repository",
    "openhands": "openhands",
    "openai_agents": "openai-agents",
    "openinference": "openinference",
    "otel_genai": "otel-genai",
    "plain_chat": "plain-chat",
    "pydantic_ai": "pydantic-ai",
    "smolagents": "smolagents",
    "tau_bench": "tau-bench",
    "ui_messages": "ui-messages",
}
LOGS = Path(__file__).parents[2] / "logs"
_BY_NAME = {"actions.json": "swe-agent", "problem_and_answer.json": "mast-repository", "rewarded.json": "tau-bench"}
"""Chats in the shape of a format that has its own importer, which takes them first."""
SAMPLES = [file for folder in FORMATS for file in sorted((LOGS / folder).iterdir())]
HEAD = 65_536


def _recognised(head: str) -> list[str]:
    """Every format that a file may be in; a plain chat is what no other format claims."""
    found = [name for name, importer in IMPORTERS.items() if importer.sniff(head)]
    return [name for name in found if name != "plain-chat"] or found


def _text(file: Path) -> str:
    if file.suffix == ".eval":
        pytest.importorskip("zstandard")
    return read_text(file)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_sample_is_in_one_format(file: Path) -> None:
    text = _text(file)
    assert _recognised(text[:HEAD]) == [_BY_NAME.get(file.name, FORMATS[file.parent.name])]


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_beginning_of_a_sample_is_taken_for_another_format(file: Path) -> None:
    text = _text(file)[:HEAD]
    cuts = (len(text) * part // 100 for part in (40, 53, 61, 75, 87, 94, 99))
    taken = {name for size in cuts for name in _recognised(text[:size])}
    assert taken <= {FORMATS[file.parent.name], _BY_NAME.get(file.name, "")}


def test_the_formats_with_their_own_tests() -> None:
    history = [{"content": "Hello.", "role": "user", "name": "Planner"}]
    assert _recognised(json.dumps({"question": "?", "history": history})) == ["who-and-when"]
    assert _recognised('{"version": 1, "task": "?", "agents": [], "steps": []}') == ["butfor"]
    assert {"butfor", "who-and-when", *FORMATS.values()} <= set(IMPORTERS)


def test_hostile_beginnings_are_sniffed_quickly_and_in_vain() -> None:
    for head in (
        '{"a": "' + '\\"' * 32_000,
        "[" * HEAD,
        '{"' * 32_000,
        '"' * HEAD,
        "\\" * HEAD,
        " " * HEAD,
        "",
    ):
        assert _recognised(head) == []


@pytest.mark.parametrize(
    ("content", "error", "problem"),
    [
        (b"", LogFormatError, "the file is empty"),
        (b"  \n ", LogFormatError, "the file is empty"),
        (b"just words", UnknownFormat, "not a log that butfor knows"),
        (b'{"some": "thing"}', UnknownFormat, "not a log that butfor knows: it holds 1 record with the keys some"),
        (b'{"id": 1, "traceId": 2, "input": "", "output": ""}', UnknownFormat, "nearest format is langfuse, without"),
        (b'{"some": "thing"', LogFormatError, r"line 1, column 17: Expecting ',' delimiter"),
        (b"\xff\xfe{}", LogFormatError, "byte 0 is not UTF-8"),
        (b'[{"role": "user", "role": "user", "content": ""}]', LogFormatError, "'role' stands twice"),
        (b'[{"role": "user", "content": "\\ud800"}]', LogFormatError, r"half a character \(.ud800\)"),
        (b'[{"role": "user", "content": 1e999}]', LogFormatError, "1e999 is too large"),
        (b'[{"role": "user", "content": ' + b"9" * 5000 + b"}]", LogFormatError, "limit"),
        (b'[{"role": "user", "content": ' + b"[" * 99_999, LogFormatError, "nested too deeply"),
    ],
)
def test_what_is_no_log_is_an_error_that_names_the_file(
    tmp_path: Path, content: bytes, error: type[Exception], problem: str
) -> None:
    file = tmp_path / "run.log"
    file.write_bytes(content)
    with pytest.raises(error, match=rf"run\.log.*{problem}"):
        import_log(file)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "chat.json").write_text('[{"role": "user", "content": "Hi."}]', encoding="utf-8")
    (tmp_path / "a.txt").write_text("just words", encoding="utf-8")
    (tmp_path / ".hidden.json").write_text("{", encoding="utf-8")
    (first, problem), (second, trace) = import_folder(tmp_path)
    assert (first, second) == (tmp_path / "a.txt", tmp_path / "b" / "chat.json")
    assert isinstance(problem, UnknownFormat)
    assert trace == import_log(second)
    with pytest.raises(LogFormatError, match="is a folder; name one log in it"):
        import_log(tmp_path)
    with pytest.raises(LogFormatError, match="is no folder"):
        next(import_folder(tmp_path / "nowhere"))


def test_a_run_of_a_file_that_holds_one(tmp_path: Path) -> None:
    file = tmp_path / "a#1.json"
    file.write_text('{"version": 1, "task": "?"}', encoding="utf-8")
    with pytest.raises(LogFormatError, match=r"a#1\.json: agents: Field required"):
        import_log(file)
    with pytest.raises(LogFormatError, match="its format knows one run a file; leave #2 out"):
        import_log(f"{file}#2")


def test_a_format_by_name(logs: Path) -> None:
    trace = import_log(logs / "ag2" / "group_chat.json", format="plain-chat")
    assert trace.source.format == "plain-chat"
    with pytest.raises(UnknownFormat, match="no importer is called 'nothing'"):
        import_log(logs / "ag2" / "group_chat.json", format="nothing")
