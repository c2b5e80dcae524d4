"""The world of the program, held still: uuids and random numbers from a seed, the clock from the recorded time.

The variables that the program's own code reads are noted while it is recorded.
"""

import ctypes
import datetime
import gc
import os
import random
import re
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable
from typing import Any

from .settings import TAPE, setting
from .tape import Tape

SEED, SHIFT, PLACE, FAKETIME = "BUTFOR_SEED", "BUTFOR_SHIFT", "BUTFOR_PLACE", "BUTFOR_FAKETIME"
"""What random values are drawn from; by how many seconds the clock is off; which process of the program this is; the
library that turns the clock of programs back that are not Python.
"""


def install(*, recording: bool) -> "dict[str, Callable[[Any], None]]":
    """Hold what the environment says is held; what to do to libraries once they are imported."""
    if setting(SHIFT) and "FAKETIME" not in os.environ:
        _shift(float(setting(SHIFT)))
        if setting(FAKETIME):  # for what this process starts, in any language
            others = os.environ.get("LD_PRELOAD")
            os.environ["LD_PRELOAD"] = " ".join([setting(FAKETIME), *([others] if others else [])])
            os.environ["FAKETIME"] = f"{float(setting(SHIFT)):+.0f}"
            os.environ["FAKETIME_DONT_FAKE_MONOTONIC"] = os.environ["NO_FAKE_STAT"] = "1"
    if recording and setting(SEED):
        _note_variables()
    return _draw(f"{setting(SEED)}/{setting(PLACE)}") if setting(SEED) else {}


def _draw(seed: str) -> "dict[str, Callable[[Any], None]]":
    source = random.Random(seed)  # noqa: S311 - the seed of a recording is drawn from the system
    number = source.getrandbits(32)
    random.seed(f"{seed}/random")

    def uuid4() -> uuid.UUID:
        return uuid.UUID(int=source.getrandbits(128), version=4)

    uuid.uuid4 = uuid4
    before: list[int] = []
    os.register_at_fork(
        before=lambda: before.append(source.getrandbits(64)),  # parent and child must not draw the same
        after_in_child=lambda: source.seed(before[-1]),
    )

    def numpy(module: Any) -> None:
        module.seed(number)
        original = module.default_rng

        def default_rng(seed: Any = None) -> Any:
            return original(source.getrandbits(64) if seed is None else seed)

        module.default_rng = default_rng

    return {"numpy.random": numpy}


def _shift(seconds: float) -> None:
    """Let the clock go on from another time: for Python only, so that certificates are still valid."""
    real, nanoseconds = time.time, time.time_ns
    time.time = lambda: real() + seconds
    time.time_ns = lambda: nanoseconds() + int(seconds * 1e9)
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, _from_now(getattr(time, name)))
    strftime, asctime = time.strftime, time.asctime
    time.strftime = lambda form, *moment: strftime(form, *(moment or (time.localtime(),)))
    time.asctime = lambda *moment: asctime(*(moment or (time.localtime(),)))
    _dates()


def _from_now(original: Any) -> Any:
    def since(seconds: "float | None" = None) -> Any:
        return original(time.time() if seconds is None else seconds)

    return since


def _dates() -> None:
    """Let `datetime` tell the held time too: in its own type, so that values, subclasses and checks stay what they are.

    `date.today` and `datetime.today` ask `time.time` by themselves; `now` and `utcnow` ask the system, and are replaced
    in the table of the type, which has no other door.
    """

    def now(cls: Any, tz: Any = None) -> Any:
        return cls.fromtimestamp(time.time(), tz)

    def utcnow(cls: Any) -> Any:
        return cls.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)  # noqa: UP017

    (table,) = gc.get_referents(datetime.datetime.__dict__)
    table["now"], table["utcnow"] = classmethod(now), classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


_FOLDERS = [os.path.dirname(__file__), *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))]
_LIBRARIES = tuple({os.path.realpath(folder) + os.sep for folder in _FOLDERS})
SECRET = re.compile(r"(?:^|_)(?:API_?KEY|KEY|KEY_ID|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
"""How the name of a variable ends that holds a key or the like."""
_SKIPPED = ("BUTFOR_", "PYTHON", "XDG_", "LD_")
_PLACES = frozenset({"PATH", "HOME", "PWD", "TMPDIR", "TEMP", "TMP", "SHELL", "USER", "LOGNAME", "VIRTUAL_ENV", "_"})


def _note_variables() -> None:
    """Write down which variables the program's own code reads, with what it finds."""
    seen: set[str] = set()
    original = os._Environ.__getitem__

    def getitem(environment: Any, name: Any) -> Any:
        if isinstance(name, str) and name not in seen and environment is os.environ and _by_program():
            seen.add(name)
            if name not in _PLACES and not name.startswith(_SKIPPED) and setting(TAPE):
                _note(name, environment.get(name))
        return original(environment, name)

    os._Environ.__getitem__ = getitem  # type: ignore[method-assign]


def _note(name: str, value: "str | None") -> None:
    if SECRET.search(name) or "://" in (value or ""):
        return  # an address is where things are, and may be elsewhere by the time of a replay
    Tape.of(setting(TAPE)).append({"kind": "world", "environment": {name: value}})


def _by_program() -> bool:
    """Whether the code that reads a variable is the program's own, and no library's."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in ("os", "_collections_abc", "collections.abc"):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or frame.f_code.co_filename.startswith("<frozen"):
        return False
    return not os.path.realpath(frame.f_code.co_filename).startswith(_LIBRARIES)
