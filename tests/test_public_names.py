"""The front door: every public name is there, documented and lazy; every example of the documentation runs."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import butfor
from butfor.scenarios.scenario import scenarios

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])


def examples() -> list[tuple[str, str]]:
    """The Python blocks of the documentation that are whole programs, with the page they stand on."""
    found = []
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        found += [(f"{page.name}-{n}", block) for n, block in enumerate(blocks)]
    return found


def test_all_names_are_there_and_no_others() -> None:
    for name in butfor.__all__:
        assert getattr(butfor, name) is not None
    assert sorted(dir(butfor)) == sorted(butfor.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = butfor.nonsense


def test_what_is_typed_is_what_is_there() -> None:
    tree = ast.parse((ROOT / "butfor" / "__init__.py").read_text())
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    names = {alias.name for node in ast.walk(typed) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names | {"__version__"} == set(butfor.__all__)


@pytest.mark.parametrize("name", [name for name in butfor.__all__ if name not in ("__version__", "Choices")])
def test_every_public_name_is_documented(name: str) -> None:
    assert (inspect.getdoc(getattr(butfor, name)) or "").strip()


def test_importing_it_loads_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import butfor; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert {name for name in ast.literal_eval(loaded) if name.partition(".")[0] == "butfor"} == {"butfor"}
    assert "pydantic" not in loaded


@pytest.mark.parametrize(("page", "block"), examples(), ids=[page for page, _ in examples()])
def test_every_example_of_the_documentation_runs(page: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "parallel.json").write_text(scenarios()["parallel"].record().to_json())
    ran = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_script_of_the_library_page_shows_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "parallel.json").write_text(scenarios()["parallel"].record().to_json())
    block = dict(examples())["library.md-0"]
    assert len([line for line in block.splitlines() if line.strip()]) <= 25
    ran = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "But for step 2 (Middle), this run would have succeeded." in ran.stdout
    assert ran.stdout.splitlines()[-1] == "True"
