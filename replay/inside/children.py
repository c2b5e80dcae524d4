"""Processes that the program starts: each finds the interceptor, and draws numbers of its own.

A program may start them with an environment of its own making; what butfor needs is put back into it.
"""

import itertools
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .held import PLACE
from .settings import MODE, setting, settings

_START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start")
_ENVIRONMENT = 9
"""The place of `env` among the arguments of `Popen` that follow the command."""
_number = itertools.count()
_one_at_a_time = threading.Lock()


def install() -> "dict[str, Callable[[Any], None]]":
    """Look after what is started from now on; what to do to libraries once they are imported."""
    original: Any = subprocess.Popen.__init__

    def begin(popen: Any, args: Any, *rest: Any, **options: Any) -> None:
        if setting(MODE) and len(rest) > _ENVIRONMENT:
            rest = (*rest[:_ENVIRONMENT], with_ours(rest[_ENVIRONMENT]), *rest[_ENVIRONMENT + 1 :])
        elif setting(MODE):
            options["env"] = with_ours(options.get("env"))
        original(popen, args, *rest, **options)

    subprocess.Popen.__init__ = begin  # type: ignore[method-assign, assignment]
    for name in ("posix_spawn", "posix_spawnp", "execve"):
        setattr(os, name, _with_environment(getattr(os, name)))
    os.system = _inheriting(os.system)
    return {"multiprocessing.util": _wrap_spawn}


def with_ours(environment: Any) -> Any:
    """An environment for a child, this process's own for `None`."""
    given = dict(os.environ if environment is None else environment)
    ours = {**settings(), PLACE: _place()}
    binary = any(isinstance(name, bytes) for name in given)
    path = given.get(b"PYTHONPATH" if binary else "PYTHONPATH")
    entries = os.fsdecode(path).split(os.pathsep) if path else []
    if _START not in entries:
        ours["PYTHONPATH"] = os.pathsep.join([_START, *entries])
    if "PYTHONHASHSEED" in os.environ:
        ours.setdefault("PYTHONHASHSEED", os.environ["PYTHONHASHSEED"])
    code = os.fsencode if binary else str
    return {**given, **{code(name): code(value) for name, value in ours.items()}}


def _place() -> str:
    """The number of the next child, after those of the processes above it."""
    return f"{setting(PLACE)}.{next(_number)}"


def _with_environment(original: Any) -> Any:
    def start(path: Any, arguments: Any, environment: Any, **options: Any) -> Any:
        return original(path, arguments, with_ours(environment) if setting(MODE) else environment, **options)

    return start


def _inheriting(original: Any) -> Any:
    def start(*arguments: Any) -> Any:
        with _own_environment():
            return original(*arguments)

    return start


@contextmanager
def _own_environment() -> "Iterator[None]":
    """This process's environment as a child needs it, for what takes it over as it is."""
    if not setting(MODE):
        yield
        return
    with _one_at_a_time:
        needed = {name: value for name, value in with_ours(None).items() if os.environ.get(name) != value}
        before = {name: os.environ.get(name) for name in needed}
        os.environ.update(needed)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def _wrap_spawn(module: Any) -> None:
    module.spawnv_passfds = _inheriting(module.spawnv_passfds)
