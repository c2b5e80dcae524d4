"""What runs in the user's program stands on the standard library alone: nothing else is there for sure."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = Path(__file__).parents[3] / "replay" / "inside"


def imported(tree: ast.AST, *, depth: int) -> set[str]:
    """What a file imports when it is loaded; what a function imports is the program's own, and there when it runs."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= depth, "a relative import leads out of the folder"
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= imported(node, depth=depth)
    return {name.partition(".")[0] for name in found}


@pytest.mark.parametrize("path", sorted(INSIDE.rglob("*.py")), ids=lambda path: str(path.relative_to(INSIDE)))
def test_every_import_is_of_the_standard_library(path: Path) -> None:
    depth = len(path.relative_to(INSIDE).parts)
    assert imported(ast.parse(path.read_text()), depth=depth) <= sys.stdlib_module_names


def test_it_loads_where_nothing_else_is_installed(tmp_path: Path) -> None:
    source = f"import sys; sys.path.insert(0, {str(INSIDE / 'start')!r}); import sitecustomize; print(len(sys.modules))"
    bare = [sys.executable, "-I", "-S", "-c", source]
    tape = str(tmp_path / "tape")
    environment = {"BUTFOR_MODE": "record", "BUTFOR_TAPE": tape}
    done = subprocess.run(bare, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 20
