"""What is installed is what is there: each folder of modules listed and mapped, each other file as data."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = ("butfor", "cache", "counterfactual", "replay", "scenarios")


def ours(pattern: str) -> list[Path]:
    """The files of the packages; the links of `butfor/` to the other folders are not followed."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob(pattern))
    linked = [path for path in (ROOT / "butfor").iterdir() if path.is_symlink()]
    return [path for path in found if path.is_file() and not set(linked) & set(path.parents)]


def packages() -> dict[str, Path]:
    """Where each package is, by the name under which it is installed."""
    folders = [path.parent for path in ours("__init__.py")]
    names = [".".join(folder.relative_to(ROOT).parts) for folder in folders]
    full = [name if name.partition(".")[0] == "butfor" else f"butfor.{name}" for name in names]
    return dict(zip(full, folders, strict=True))


def test_every_package_is_listed_and_mapped() -> None:
    mapped = {name: str(folder.relative_to(ROOT)) for name, folder in packages().items()}
    assert SETTINGS["tool"]["setuptools"]["package-dir"] == mapped
    assert sorted(SETTINGS["tool"]["setuptools"]["packages"]) == sorted(mapped)


def test_every_other_file_is_listed_as_data() -> None:
    data = {
        found
        for package, patterns in SETTINGS["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for found in packages()[package].glob(pattern)
    }
    modules = {path for folder in packages().values() for path in folder.glob("*.py")}
    others = {path for path in ours("*") if "__pycache__" not in path.parts} - modules
    assert sorted(others - data) == []


def test_the_links_that_an_editable_install_follows() -> None:
    links = {path.name: path.readlink() for path in (ROOT / "butfor").iterdir() if path.is_symlink()}
    assert links == {name: Path("..") / name for name in FOLDERS[1:]}


def test_the_command() -> None:
    assert SETTINGS["project"]["scripts"] == {"butfor": "butfor.__main__:main"}
