"""A stranger's case, archive, pattern and text: nothing runs, opens, hangs or swells that was not asked for."""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from commandline import butfor

from butfor.scenarios.scenario import scenarios

PARTS = ("run.json", "settings.json", "verdict.json", "messages.json", "answers.jsonl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    log, packed = folder / "parallel.json", folder / "verdict.butfor"
    log.write_text(scenarios()["parallel"].record().to_json())
    ran = butfor("blame", log, "--model", "scripted:parallel", "--certificate", packed, "--cache", folder / "cache")
    assert ran.status == 0
    return packed


def forged(case: Path, target: Path, change: Callable[[dict[str, Any]], None], part: str = "settings.json") -> Path:
    """A case with one part changed, its checksums made right again: what a stranger can make."""
    with zipfile.ZipFile(case) as archive:
        bodies = {name: archive.read(name) for name in PARTS}
    value = json.loads(bodies[part])
    change(value)
    bodies[part] = json.dumps(value).encode()
    manifest = {"format": 1, "sha256": {name: sha256(body).hexdigest() for name, body in bodies.items()}}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, body in bodies.items():
            archive.writestr(name, body)
    return target


CODE = [
    ("judge", "os:getcwd"), ("judge", "pytest:test_app.py --basetemp=../precious"), ("judge", "file:/etc/passwd:root"),
    ("search", "pytest:main"), ("search", "screen:now"), ("proposer", "os:system"), ("executor", "antigravity:fly"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), CODE)
@pytest.mark.parametrize("name", ["blame", "verify"])
def test_what_of_a_case_is_code_or_reads_is_refused(
    certificate: Path, tmp_path: Path, name: str, kind: str, value: str
) -> None:
    case = forged(certificate, tmp_path / "evil.butfor", lambda settings: settings.update({kind: value}))
    before = set(sys.modules)
    ran = butfor(name, case)
    assert ran.status == 2
    assert f"pass --{kind} {value}" in ran.err
    assert ran.err.count("\n") == 1
    assert "antigravity" not in set(sys.modules) - before


def test_what_of_a_case_unblocks_is_not_taken_over(certificate: Path, tmp_path: Path) -> None:
    from butfor.counterfactual.case import opened
    from butfor.library import trusting

    def open_up(settings: dict[str, Any]) -> None:
        settings.update(proxy=True, run_tools="run", reach=["127.0.0.1:1"], hold=False, partial=True, time_limit=1e9)

    found = trusting(opened(forged(certificate, tmp_path / "evil.butfor", open_up)).settings, {})
    assert found is not None
    assert (found.proxy, found.run_tools, found.reach, found.hold, found.partial) == (False, "replay", (), True, False)
    assert found.time_limit == 600


def test_a_case_that_runs_code_of_its_log_is_refused(certificate: Path, tmp_path: Path) -> None:
    case = forged(certificate, tmp_path / "evil.butfor", lambda settings: settings.update(tools="sandbox"))
    assert "--tools sandbox" in butfor("blame", case).err


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_refused_at_once_and_small(tmp_path: Path, method: int) -> None:
    case = tmp_path / "bomb.butfor"
    with zipfile.ZipFile(case, "w", method) as archive:
        archive.writestr("manifest.json", "{}", zipfile.ZIP_DEFLATED)
        archive.writestr("run.json", b" " * (600 * 2**20))
    program = (
        "import sys; from butfor.__main__ import main\n"
        f"sys.argv = ['butfor', 'show', {str(case)!r}]\n"
        "try:\n    main()\nfinally:\n    print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "was not read" in ran.stderr or "bomb" in ran.stderr
    assert int(ran.stdout) < 256 * 1024
    assert time.monotonic() - began < 5


EVIL = "(a+)+$"


@pytest.mark.parametrize("judge", [f"pattern:{EVIL}", "pattern:(x|x)*y"])
def test_a_pattern_that_never_ends_ends_with_a_message(tmp_path: Path, judge: str) -> None:
    trace = scenarios()["relay"].record()
    steps = (*trace.steps[:-1], trace.steps[-1].model_copy(update={"output": "a" * 40 + "x" * 40 + "!"}))
    log = tmp_path / "run.json"
    log.write_text(trace.model_copy(update={"steps": steps}).to_json())
    began = time.monotonic()
    ran = butfor("blame", log, "--model", "scripted:relay", "--judge", judge, "--cache", tmp_path / "cache")
    assert time.monotonic() - began < 30
    assert ran.status in (1, 2, 3)
    assert "Traceback" not in ran.err


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m"


def test_control_characters_of_a_log_never_reach_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "err.json"
    log.write_text(json.dumps([
        {"role": "user", "content": f"task {HOSTILE}"}, {"role": "assistant", "name": HOSTILE, "content": HOSTILE},
    ]))  # fmt: skip
    for command in (["show"], ["show", "--full"], ["show", "--step", "1"], ["rank"], ["check"], ["plan"], ["advise"]):
        ran = butfor(command[0], log, *command[1:])
        assert not any(c in ran.out + ran.err for c in "\x1b\x07\x9b\u202e"), command
    ran = butfor("show", tmp_path / f"{HOSTILE}.json")
    assert ran.status == 2
    assert "\x1b" not in ran.err


@pytest.mark.parametrize("kind", ["link", "pipe", "/dev/stdout"])
def test_what_is_no_file_is_written_through(tmp_path: Path, kind: str) -> None:
    log, target = tmp_path / "run.json", tmp_path / "target"
    log.write_text(scenarios()["relay"].record().to_json())
    command = [sys.executable, "-m", "butfor", "import", str(log), "-o"]
    if kind == "link":
        (tmp_path / "real").write_text("old")
        target.symlink_to("real")
        subprocess.run([*command, str(target)], check=True, capture_output=True)
        assert target.is_symlink()
        assert json.loads((tmp_path / "real").read_text())["steps"]
    elif kind == "pipe":
        os.mkfifo(target)
        with subprocess.Popen([*command, str(target)], stdout=subprocess.DEVNULL) as writer:
            assert json.loads(target.read_text())["steps"]
        assert writer.returncode == 0
        assert target.is_fifo()
    else:
        ran = subprocess.run([*command, kind], check=True, capture_output=True, text=True)
        assert '"steps"' in ran.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "run.json"
    log.write_text(json.dumps([{"role": "user", "content": "日本語 🙂"}, {"role": "assistant", "content": "é ▸ ü"}]))
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    for command in (["show", str(log)], ["--help"], ["demo"], ["show", "no such file 🙂"]):
        ran = subprocess.run([sys.executable, "-m", "butfor", *command], capture_output=True, env=environment)
        assert b"Traceback" not in ran.stderr, command
        assert ran.returncode in (0, 2)


def test_a_fault_of_butfor_itself_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import butfor.render.run as drawing

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a wheel\ncame off")

    log = tmp_path / "run.json"
    log.write_text(scenarios()["relay"].record().to_json())
    monkeypatch.setattr(drawing, "as_terminal", broken)
    ran = butfor("show", log)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "RuntimeError: a wheel came off" in ran.err
    assert "BUTFOR_DEBUG=1" in ran.err
    monkeypatch.setenv("BUTFOR_DEBUG", "1")
    with pytest.raises(RuntimeError):
        butfor("show", log)
