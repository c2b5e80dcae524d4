"""What the tests of programs stand in: a folder to work in, and a server of models."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from programs.llm_server import ModelServer, served


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A team with one planted mistake, for every API."""
    with served() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work
