"""Bad input gets one clear message (which file, where, what to do), exit status 2, nothing half written."""

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commandline import Ran, butfor

from butfor.replay.trace import Trace, final_answer
from butfor.scenarios import scenario

MODEL = ("--model", "scripted:relay")
WW: dict[str, Any] = {
    "question": "What is 2 + 2?",
    "ground_truth": "4",
    "history": [{"content": "5", "role": "user", "name": "Ann"}],
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def run() -> Path:
    """A failing run in a file."""
    return written("run.json", scenario("relay").record().to_json())


def written(name: str, content: str | bytes | dict[str, Any]) -> Path:
    path = Path(name)
    data = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def refused(*arguments: object, says: str) -> Ran:
    """Run the command, which must do nothing but say what is wrong."""
    before = contents()
    ran = butfor(*arguments)
    assert ran.status == 2, ran
    assert ran.out == ""
    assert [line[:8] for line in ran.err.splitlines() if line.startswith(("butfor: ", "Traceback"))] == ["butfor: "]
    assert says in ran.err
    assert contents() == before
    return ran


def contents() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in os.listdir() if Path(name).is_file()}


BAD: dict[str, tuple[str | bytes | dict[str, Any], str]] = {
    "unknown format": ({"records": [1, 2]}, "not a log that butfor knows"),
    "text": ("Once upon a time", "Name its format"),
    "truncated JSON": (json.dumps(WW)[:-4], "line 1, column"),
    "a truncated run": ('{"version": 1, "task": "x", "ag', "EOF"),
    "two logs": (json.dumps(WW) * 2, "Extra data"),
    "empty": ("", "the file is empty"),
    "blank": (" \n", "the file is empty"),
    "not UTF-8": (b'{"question": "\xff"}', "byte 14 is not UTF-8"),
    "half a character": (json.dumps(WW).replace('"5"', '"\\ud800"'), "half a character"),
    "nested too deeply": ("[" * 100_000, "nested too deeply"),
    "empty history": (WW | {"history": []}, "history is missing or empty"),
    "a message without content": (
        WW | {"history": [{"role": "user", "name": "Ann"}]},
        "history[0].content is missing",
    ),
    "a label past the end": (
        WW | {"mistake_step": "9", "mistake_agent": "Ann"},
        "mistake_step is 9, and the run has steps 0 to 0",
    ),
    "a label without an agent": (WW | {"mistake_step": "0"}, "mistake_agent is missing"),
    "a label of somebody else": (
        WW | {"mistake_step": "0", "mistake_agent": "Bob"},
        "'Bob', who says nothing",
    ),
    "a run of a later version": ('{"version": 99, "task": "x"}', "version"),
    "a damaged archive": (b"PK\x03\x04rubbish", "damaged"),
}


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD.keys())
def test_a_bad_log(content: str | bytes | dict[str, Any], says: str) -> None:
    log = written("bad.json", content)
    for command in (
        ("import", log, "-o", "run.json"),
        ("show", log),
        ("check", log),
        ("blame", log, *MODEL),
        ("whatif", log, "--step", 0, "--remove", "-o", "changed.json", *MODEL),
        ("pack", log, "-o", "case.butfor"),
    ):
        assert "bad.json" in refused(*command, says=says).err


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing.json", "No such file"), ("folder", "is a folder"), ("run.json/inside", "run.json")],
)
def test_a_log_that_is_not_there(run: Path, name: str, says: str) -> None:
    Path("folder").mkdir()
    for command in ("import", "show", "check"):
        refused(command, name, says=says)


def test_an_unknown_name_of_a_format(run: Path) -> None:
    refused("import", run, "--format", "morse", says="no importer is called 'morse'")


def test_a_log_of_100_megabytes_that_is_cut_short() -> None:
    message = json.dumps({"content": "All work and no play. " * 400, "role": "user", "name": "Ann"})
    text = f'{{"question": "q", "history": [{", ".join([message] * (100_000_000 // len(message)))}'
    log = written("large.json", text)
    assert log.stat().st_size > 99_000_000
    assert "large.json: line 1, column" in refused("import", log, "-o", "run.json", says="complete").err


def test_a_run_that_is_no_failure() -> None:
    trace = scenario("relay").record()
    right = trace.model_copy(update={"expected": final_answer(trace)})
    ran = refused("blame", written("right.json", right.to_json()), *MODEL, says="calls the recorded run a success")
    assert "nothing to blame" in ran.err


def test_a_run_without_an_expected_answer() -> None:
    trace = scenario("relay").record().model_copy(update={"expected": None})
    refused("blame", written("open.json", trace.to_json()), *MODEL, says="give --expected TEXT")


def _unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "give --model provider:model"),
        (["--model", "gpt-9"], "'gpt-9' does not say who answers"),
        (["--model", "nobody:gpt-9"], "no provider is called 'nobody'"),
        (["--model", "scripted:nothing"], "no scenario is called 'nothing'"),
        (["--model", "openai:gpt-9"], "set OPENAI_API_KEY"),
        (["--model", "openai:tiny@http://127.0.0.1:PORT/v1"], "start the server, or correct the address"),
        (["--model", "ollama:tiny@http://127.0.0.1:PORT"], "start it with `ollama serve`"),
        (["--model", "openai:tiny@ftp://somewhere"], "openai:MODEL@http://HOST:PORT/v1"),
        ([*MODEL, "--corrector", "gpt-9"], "'gpt-9' does not say who answers"),
        ([*MODEL, "--judge", "llm", "--judge-model", "gpt-9"], "'gpt-9' does not say who answers"),
    ],
)
def test_a_model_that_cannot_be_asked(run: Path, options: list[str], says: str) -> None:
    spelled = [option.replace("PORT", str(_unused_port())) for option in options]
    refused("blame", run, *spelled, says=says)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--repeats", "0", "repeats"),
        ("--jobs", "0", "jobs"),
        ("--confidence", "2", "confidence"),
        ("--effect", "0", "effect"),
        ("--timeout", "nan", "timeout"),
        ("--max-calls", "-1", "calls"),
        ("--max-total-tokens", "-1", "tokens"),
        ("--max-cost", "nan", "--max-cost"),
        ("--tools", "magic", "tools: Input should be 'fail'"),
        ("--schedule", "random", "'recorded' or 'model'"),
        ("--search", "deep", "no search is called 'deep'"),
        ("--judge", "deep", "no judge is called 'deep'"),
        ("--judge", "pattern:(", "not a regular expression"),
        ("--judge", "no_such_module:judge", "no judge is called 'no_such_module'"),
        ("--judge", "os:no_such_judge", "has no 'no_such_judge'"),
        ("--price", "openai:a=free", "IN/OUT"),
        ("--param", "temperature", "NAME=VALUE"),
        ("--expected", "", "--expected TEXT"),
    ],
)
def test_an_option_that_is_not_allowed(run: Path, option: str, value: str, says: str) -> None:
    refused("blame", run, *MODEL, option, value, says=says)


@pytest.mark.parametrize("arguments", [["blame", "run.json", "--repeats", "many"], ["show"], ["dance"]])
def test_a_command_line_that_cannot_be_read(run: Path, arguments: list[str]) -> None:
    ran = butfor(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "Usage: butfor" in ran.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "nothing to change"),
        (["--step", "4", "--remove"], "there is no step 4; the run has steps 0 to 3"),
        (["--step", "-1", "--remove"], "there is no step -1"),
        (["--step", "0"], "exactly one of"),
        (["--remove"], "each of them needs --step"),
        (["--step", "0", "--remove", "--resample"], "exactly one of"),
        (["--step", "0", "--output", "@missing.txt"], "missing.txt"),
        (["--swap", "Weigher"], "NAME=VALUE"),
        (["--swap", "Nobody=openai:a"], "no agent 'Nobody' acts in the run; these do: Reader, Weigher"),
        (["--swap", "Weigher=gpt-9"], "'gpt-9' does not say who answers"),
    ],
)
def test_a_change_that_cannot_be_made(run: Path, options: list[str], says: str) -> None:
    refused("whatif", run, *MODEL, *options, "-o", "changed.json", says=says)


@pytest.mark.parametrize("target", [".", "/", "folder", "missing/out.json"])
def test_a_file_that_cannot_be_written(run: Path, target: str) -> None:
    Path("folder").mkdir()
    for command in (
        ("import", run),
        ("whatif", run, "--step", 0, "--output", "x", *MODEL),
        ("pack", run),
    ):
        refused(*command, "-o", target, says="cannot be written")


def test_the_recording_is_never_overwritten(run: Path) -> None:
    before = run.read_bytes()
    for command in (
        ("import", run),
        ("whatif", run, "--step", 0, "--output", "x", *MODEL),
        ("pack", run),
    ):
        refused(*command, "-o", run, says="run.json")
    assert run.read_bytes() == before


BREAKING: dict[str, Callable[[Path], object]] = {
    "its database deleted": lambda cache: (cache / "cache.db").unlink(),
    "its database emptied": lambda cache: (cache / "cache.db").write_bytes(b""),
    "its database overwritten": lambda cache: (cache / "cache.db").write_bytes(b"rubbish" * 5_000),
    "its mark deleted": lambda cache: (cache / "butfor-store.json").unlink(),
    "a file": lambda cache: (Path(shutil.move(cache, "moved")), cache.write_text("hello")),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that another process has filled and closed."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "run.json").write_text(scenario("relay").record().to_json())
    line = [sys.executable, "-m", "butfor", "blame", "run.json", *MODEL, "--cache", "answers"]
    subprocess.run(line, cwd=folder, check=True, capture_output=True)
    return folder / "answers"


@pytest.mark.parametrize("breaking", BREAKING.values(), ids=BREAKING.keys())
def test_a_broken_cache_is_no_empty_cache(run: Path, filled: Path, breaking: Callable[[Path], object]) -> None:
    cache = Path("answers")
    shutil.copytree(filled, cache)
    breaking(cache)
    for command in (("blame", run, *MODEL), ("pack", run, "-o", "case.butfor"), ("cache", "info")):
        ran = refused(*command, "--cache", cache, says="answers: ")
        assert "restore the folder from a backup, or choose another with --cache" in ran.err


def packed(run: Path) -> Path:
    assert butfor("blame", run, *MODEL).status == 0
    assert butfor("pack", run, "-o", "case.butfor").status == 0
    return Path("case.butfor")


def _parts(case: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(case) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _with(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def spoil(case: Path) -> None:
        parts = _parts(case)
        assert old in parts[name]
        with zipfile.ZipFile(case, "w") as archive:
            for part, body in parts.items():
                archive.writestr(part, body.replace(old, new, 1) if part == name else body)

    return spoil


def _without(name: str) -> Callable[[Path], None]:
    def spoil(case: Path) -> None:
        parts = _parts(case)
        with zipfile.ZipFile(case, "w") as archive:
            for part, body in parts.items():
                if part != name:
                    archive.writestr(part, body)

    return spoil


SPOILING: dict[str, Callable[[Path], object]] = {
    "cut short": lambda case: case.write_bytes(case.read_bytes()[:-30]),
    "an answer changed": _with("answers.jsonl", b'"cached"', b'"Cached"'),
    "its run changed": _with("run.json", b"boxes", b"Boxes"),
    "its checksums changed": _with("manifest.json", b'"sha256"', b'"md5"'),
    "without answers": _without("answers.jsonl"),
    "without a manifest": _without("manifest.json"),
}


@pytest.mark.parametrize("spoil", SPOILING.values(), ids=SPOILING.keys())
def test_a_damaged_case(run: Path, spoil: Callable[[Path], object]) -> None:
    case = packed(run)
    spoil(case)
    for command in ("show", "check", "blame"):
        refused(command, case, says="case.butfor")


def test_a_case_never_overwrites_another_half(run: Path) -> None:
    case = packed(run)
    before = case.read_bytes()
    Path("bad.json").write_text("{")
    refused("pack", "bad.json", "-o", case, says="bad.json")
    assert case.read_bytes() == before


def test_a_trace_is_judged_by_its_own_file(run: Path) -> None:
    """The fixture's run is read back as it was, so that the cases above fail for the reason they name."""
    assert Trace.model_validate_json(run.read_text()) == scenario("relay").record()
    assert butfor("check", run).status == 0
