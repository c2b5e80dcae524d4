"""Names on the command line to objects: a built-in name, an entry point `butfor.<kind>`, or `module:object`."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from .errors import ButforError

T = TypeVar("T")


def resolve(kind: str, name: str, builtin: Mapping[str, T]) -> T:
    """The object of a kind (`judge`, `search` …) that a name stands for.

    Raises:
        ButforError: nothing has the name, or the module cannot be imported.
    """
    if name in builtin:
        return builtin[name]
    for point in entry_points(group=f"butfor.{kind}"):
        if point.name == name:
            return point.load()  # type: ignore[no-any-return]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ButforError(f"no {kind} is called {name!r}; there are {', '.join(builtin)}, or name one as module:object")
    found: T = _imported(kind, module, attribute)
    return found


def _imported(kind: str, module: str, attribute: str) -> Any:
    try:
        found = import_module(module)
    except ImportError as error:
        raise ButforError(f"the {kind} {module}:{attribute} cannot be imported: {error}") from None
    if not hasattr(found, attribute):
        raise ButforError(f"the {kind} {module}:{attribute} is not there: {module} has no {attribute!r}")
    return getattr(found, attribute)
