"""A stranger's case sets numbers and nothing else, and its archive is read within bounds."""

import contextlib
import io
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from butfor.cache.errors import ButforError, ExperimentError, LogFormatError, ProgramFailed
from butfor.cache.store import MemoryStore
from butfor.counterfactual.case import pack, unpack
from butfor.counterfactual.settings import Settings
from butfor.library import trusting
from butfor.replay.output import write
from butfor.replay.pattern import pattern
from butfor.replay.program.program import Leavings, _left
from butfor.scenarios import scenario


@pytest.mark.parametrize(
    "hostile",
    [
        {"judge": "pytest:--basetemp=../precious"},
        {"judge": "pytest:-pevil"},
        {"judge": "file:/etc/passwd:root"},
        {"judge": "os:system"},
        {"search": "pytest:main"},
        {"search": "bisect:x"},
        {"proposer": "os:system"},
        {"executor": "os:environ"},
    ],
)
def test_what_runs_reads_or_unblocks_is_named_again(hostile: dict[str, Any]) -> None:
    settings = Settings(**hostile)
    kind, value = next(iter(hostile.items()))
    with pytest.raises(ExperimentError, match=f"{kind}="):
        trusting(settings, {})
    assert trusting(settings, {kind: value}) == settings


@pytest.mark.parametrize("judge", ["exact", "contains", "pattern:a+", "output:done", "status", "llm", None])
def test_pure_judges_and_numbers_need_no_trust(judge: str | None) -> None:
    settings = Settings(judge=judge, jobs=2, search="bisect")
    assert trusting(settings, {}) == settings


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "link/secret.txt"])
def test_files_of_a_judge_lie_in_the_copy(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    work = tmp_path / "work"
    work.mkdir()
    (work / "link").symlink_to(tmp_path)
    with pytest.raises(ProgramFailed, match="outside"):
        _left(Leavings(files=(name,)), work, {})
    with pytest.raises(ProgramFailed, match="outside"):
        _left(Leavings(tests=(f"{name}::test_it",)), work, {})


def test_a_pytest_node_is_no_option(tmp_path: Path) -> None:
    precious, work = tmp_path / "precious", tmp_path / "work"
    precious.mkdir()
    work.mkdir()
    (precious / "kept").touch()
    (work / "test_it.py").write_text("def test_it(tmp_path): assert tmp_path")
    node = "--basetemp=../precious"
    with pytest.raises(ProgramFailed, match="no dash"):
        _left(Leavings(tests=(node,)), work, {})
    assert (precious / "kept").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("claimed", [None, 100])
def test_a_bomb_ends_at_once(tmp_path: Path, method: int, claimed: int | None) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive, archive.open("manifest.json", "w", force_zip64=True) as member:
        for _ in range(40):
            member.write(bytes(1 << 20))
    data = bytearray(file.getvalue())
    if claimed is not None:
        size_at = data.rfind(b"PK\x01\x02") + 24
        data[size_at : size_at + 4] = claimed.to_bytes(4, "little")
    path = tmp_path / "bomb.butfor"
    path.write_bytes(data)
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(LogFormatError, match=r"bomb\.butfor"):
        unpack(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - began < 1
    assert peak < 16 << 20


def test_an_honest_case_opens(tmp_path: Path) -> None:
    trace = scenario("tools").record()
    path = tmp_path / "case.butfor"
    path.write_bytes(pack(trace, Settings(jobs=2), None, MemoryStore(), ()))
    assert unpack(path).trace == trace


@pytest.mark.parametrize("regex", ["(a+)+$", "(a|a)*b", r"(\w+\s?)*!"])
def test_a_pattern_that_never_ends_is_stopped(regex: str) -> None:
    began = time.monotonic()
    with contextlib.suppress(ButforError):  # the engine may be clever enough to end without a match
        assert pattern(regex, setting="ignore=").search("a" * 60 + "?") is None
    assert time.monotonic() - began < 10


def test_a_pattern_too_slow_for_any_engine_is_told() -> None:
    with pytest.raises(ButforError, match="takes longer than 2 s"):
        pattern(r"(.*?,){12}P", setting="ignore=").search("1,2,3,4,5,6,7,8,9,10,11," * 20)


def test_what_is_written_is_its_owner_s(tmp_path: Path) -> None:
    assert write(tmp_path / "run.json", "{}").stat().st_mode & 0o777 == 0o600
