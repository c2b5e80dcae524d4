"""The commands on the pages about many runs do what the pages say."""

import re
import shlex
from pathlib import Path

import pytest
from commandline import butfor
from fleets import folder

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"nightly.md": 0, "proving-a-fix.md": 0}


@pytest.mark.parametrize("page", PAGES)
def test_a_command_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUTFOR_CACHE", str(tmp_path / "cache"))
    folder(tmp_path / "logs", *["Counter"] * 8, *[None] * 8)
    (tmp_path / "prompt.md").write_text("count twice")
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    for line in "".join(blocks).splitlines():
        words = shlex.split(line.replace("ollama:qwen3", "fleets:TEAM"))
        ran = butfor(*words[1:])
        assert ran.status == PAGES[page], ran.err
