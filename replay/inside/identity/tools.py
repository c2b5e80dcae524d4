"""A tool call inside the program: written down, or answered from the recording, or run under butfor's eyes.

This module needs nothing but the standard library.
"""

import builtins
import contextvars
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from ..line import Line, awaited, now
from ..settings import MODE, SOCKET, TAPE, setting
from ..tape import Tape

_current: "contextvars.ContextVar[str | None]" = contextvars.ContextVar("butfor_tool", default=None)


class ToolError(Exception):
    """What a recorded tool raised, where its class is not a built-in one."""


def current() -> "str | None":
    """The id of the innermost tool call that runs."""
    return _current.get()


def _same(value: Any) -> Any:
    return value


async def acting(
    name: str,
    arguments: str,
    run: "Callable[[], Any]",
    *,
    dump: "Callable[[Any], Any]" = _same,
    load: "Callable[[Any], Any]" = _same,
    loop: bool = True,
) -> Any:
    """Carry out a tool call; `dump` and `load` turn its result into JSON and back.

    `run` returns what to await; without `loop` the result itself, and then nothing here is waited for.
    """
    if not setting(MODE):
        return await awaited(run(), loop=loop)
    doing = _Doing(name, arguments, dump, load)
    if setting(MODE) != "replay":
        with doing:
            return doing.ran(await awaited(run(), loop=loop))
    line = await Line.opened(setting(SOCKET), loop=loop)
    said, body = await line.ask({**doing.head, "loop": loop}, b"")
    if said["do"] == "run":
        with doing:
            doing.ran(await awaited(run(), loop=loop))
        said, body = await line.ask(*doing.report)
    line.close()
    return doing.result(said, body)


def acting_now(name: str, arguments: str, run: "Callable[[], Any]", **forms: "Callable[[Any], Any]") -> Any:
    """Carry out the tool call of synchronous code."""
    return now(acting(name, arguments, run, loop=False, **forms))


class _Doing:
    """One tool call while it is carried out: whatever asks a model meanwhile is inside it."""

    def __init__(self, name: str, arguments: str, dump: "Callable[[Any], Any]", load: "Callable[[Any], Any]") -> None:
        self._id = uuid4().hex[:12]
        self._dump, self._load = dump, load
        self._value: Any = None
        self._told: dict[str, Any] = {}
        self._error: BaseException | None = None
        self.head: dict[str, Any] = {
            "kind": "tool",
            "name": name,
            "arguments": arguments,
            "id": self._id,
            "inside": current(),
            "started": time.time(),
        }

    def __enter__(self) -> None:
        self._token = _current.set(self._id)

    def __exit__(self, kind: Any, error: "BaseException | None", trace: Any) -> bool:
        _current.reset(self._token)
        if error is not None:
            self._error = error
            self._told = {"error": f"{type(error).__name__}: {error}"}
        replaying = setting(MODE) == "replay"
        if not replaying and setting(TAPE):
            Tape.of(setting(TAPE)).append({**self.head, **self._told, "ended": time.time()})
        return replaying and isinstance(error, Exception)

    def ran(self, value: Any) -> Any:
        """Note what the tool returned; what is no JSON cannot be given again."""
        self._value = value
        try:
            self._told = {"result": self._dump(value)}
            json.dumps(self._told, allow_nan=False)
        except (TypeError, ValueError):
            self._told = {"opaque": str(value)}
        return value

    @property
    def report(self) -> "tuple[dict[str, Any], bytes]":
        """What to tell butfor of a tool that ran."""
        return {"do": "ran"}, json.dumps(self._told).encode()

    def result(self, said: "dict[str, Any]", body: bytes) -> Any:
        """What the tool call comes to."""
        if said["do"] == "refuse":
            raise ToolError(f"butfor: {said['why']}")
        if said["do"] == "yours":
            if self._error is not None:
                raise self._error
            return self._value
        told = json.loads(body)
        if "error" in told:
            kind, _, text = told["error"].partition(": ")
            known = getattr(builtins, kind, None)
            raise (known if isinstance(known, type) and issubclass(known, Exception) else ToolError)(text)
        return self._load(told["result"])
