"""From a name to the object it stands for: `resolve`, the one place in which butfor's nine kinds of plug-ins are found.

A name is a built-in one, an entry point in the group `butfor.<kind>`, or `module:object` (a module beside the working
directory included). What follows a further colon is the argument that the object is made with: `pattern:REGEX`,
`mine:by_length:40`.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeVar

from .errors import PluginError

T = TypeVar("T")

Kind = Literal[
    "importer", "provider", "store", "proposer", "ranker", "judge", "search", "executor", "renderer"
]  # fmt: skip

METHODS: Mapping[Kind, tuple[str, ...]] = {
    "importer": ("sniff", "load"),
    "provider": ("complete",),
    "store": ("get", "add", "flight", "calls", "likes", "item"),
    "executor": ("recording", "run"),
}
"""What an object of a kind can be asked; the other kinds are functions."""


def resolve(
    kind: Kind,
    name: str,
    objects: Mapping[str, T] | None = None,
    makers: Mapping[str, Callable[[str], T]] | None = None,
    **options: object,
) -> T:
    """The object of a kind that a name stands for.

    `objects` are the built-in ones, `makers` those that are made with an argument (`NAME:ARGUMENT`).
    An entry point that takes an argument is called with it and the `options`.

    Raises:
        PluginError: nothing has the name, its module cannot be imported, or it is no object of this kind.
    """
    objects, makers = objects or {}, makers or {}
    builtin = (*objects, *(f"{maker}:…" for maker in makers))
    if name in objects:
        return objects[name]
    first, colon, argument = name.partition(":")
    if first in makers:
        if not argument:
            raise PluginError(f"the {kind} {first} takes an argument; write {kind}={first}:…")
        return makers[first](argument)
    point = _entry_point(kind, first)
    if point is not None:
        found = point.load()
        return checked(kind, name, found(argument, **options) if argument else found)  # type: ignore[no-any-return]
    if not colon:
        raise PluginError(f"no {kind} is called {name!r}; {_known(kind, builtin)}")
    return checked(kind, name, _imported(kind, name, builtin))  # type: ignore[no-any-return]


def installed(kind: Kind) -> Iterator[Any]:
    """Every object of a kind that an installed distribution brings, in the order of their names."""
    for name in _entry_names(kind):
        yield resolve(kind, name)


def checked(kind: Kind, name: str, found: Any) -> Any:
    """The object, where it is one of this kind.

    Raises:
        PluginError: it is not; the message says what it lacks.
    """
    methods = METHODS.get(kind)
    if methods is None:
        if not callable(found):
            raise PluginError(
                f"{name} is no {kind}: it is {_described(found)}; a {kind} is a function or a callable object"
            )
        return found
    lacking = [method for method in methods if not callable(getattr(found, method, None))]
    if isinstance(found, type) or lacking:
        what = "a class; name an object of it" if isinstance(found, type) else f"{_described(found)}"
        wanted = ", ".join(f"{method}()" for method in methods)
        raise PluginError(f"{name} is no {kind}: it is {what}; a {kind} is an object with {wanted}")
    return found


def _imported(kind: Kind, name: str, builtin: tuple[str, ...]) -> Any:
    module, attribute, *arguments = name.split(":", 2)
    try:
        found: Any = _module(module)
    except (ImportError, ValueError, TypeError) as error:
        if isinstance(error, ModuleNotFoundError) and not f"{module}.".startswith(f"{error.name}."):
            raise PluginError(f"{module} cannot be imported: {error}; install what it needs") from None
        raise PluginError(
            f"no {kind} is called {module!r}, and it cannot be imported either ({error}); {_known(kind, builtin)}"
        ) from None
    try:
        found = reduce(getattr, attribute.split("."), found)
    except AttributeError:
        raise PluginError(f"{name} is no {kind}: {module} has no {attribute!r}") from None
    return found(arguments[0]) if arguments else found


def _known(kind: Kind, builtin: tuple[str, ...]) -> str:
    names = ", ".join(dict.fromkeys((*builtin, *_entry_names(kind))))
    return f"there are {names}; or name one as {kind}=module:object" if names else "name one as module:object"


def _module(name: str) -> Any:
    """A module, also one that lies in the working directory."""
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    finally:
        if added:
            sys.path.remove(here)


def _entry_point(kind: Kind, name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=f"butfor.{kind}", name=name)), None)


def _entry_names(kind: Kind) -> list[str]:
    return sorted({point.name for point in entry_points(group=f"butfor.{kind}")})


def _described(found: object) -> str:
    return f"{type(found).__name__} {found!r}"[:80]
