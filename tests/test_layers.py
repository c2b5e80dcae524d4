"""Imports run one way, butfor > scenarios > counterfactual > replay > cache; `--help` loads nothing heavy."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("cache", "replay", "counterfactual", "scenarios", "butfor")
"""From the lowest to the highest; each may import those before it."""
HEAVY = {"joblib", "networkx", "numpy", "ollama", "openai", "scipy", "sklearn"}


def files(layer: str) -> list[Path]:
    """The modules of a layer; the links of `butfor/` to the other folders are not followed."""
    links = {path for path in (ROOT / layer).iterdir() if path.is_symlink()}
    return [path for path in sorted((ROOT / layer).rglob("*.py")) if links.isdisjoint(path.parents)]


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, spelled from the root package."""
    layer, *folders, _ = path.relative_to(ROOT).parts
    package = ["butfor", *([] if layer == "butfor" else [layer]), *folders]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield from ([f"{module}.{alias.name}" for alias in node.names] if module == "butfor" else [module])


def layer_of(module: str) -> str | None:
    root, _, rest = module.partition(".")
    if root != "butfor":
        return None
    first = rest.partition(".")[0]
    return first if first in LAYERS else "butfor"


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_what_is_below_it(layer: str) -> None:
    allowed = set(LAYERS[: LAYERS.index(layer) + 1]) | {None}
    found = [(path, module) for path in files(layer) for module in imported(path)]
    assert found
    assert [f"{path.relative_to(ROOT)}: {module}" for path, module in found if layer_of(module) not in allowed] == []


@pytest.mark.parametrize("layer", LAYERS[:-1])
def test_nobody_imports_a_folder_by_its_bare_name(layer: str) -> None:
    bare = [
        f"{path.relative_to(ROOT)}: {module}"
        for other in LAYERS
        for path in files(other)
        for module in imported(path)
        if module.partition(".")[0] == layer
    ]
    assert bare == []


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, butfor.__main__, butfor.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert HEAVY.isdisjoint(loaded.split())
