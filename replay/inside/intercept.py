"""Inside the program: what is wrapped when it is first imported, and the guard on its connections.

In mode `record` a request goes where it always went, and one line per completed call is appended to a file. In
mode `replay` butfor is asked over a Unix socket, a connection a call: it answers, refuses, or lets the
request go live and hears what came back. This package needs nothing but the standard library.
"""

import importlib.abc
import importlib.util
import sys
from typing import Any

from . import children, clients, held, identity, unseen
from .asked import LOCAL, live, models
from .settings import MODE, OFFLINE, setting

_installed: "list[bool]" = []


def install() -> None:
    """Wrap what is imported already, and everything else when it is first imported; once."""
    if _installed:
        return
    _installed.append(True)
    held_hooks = held.install(recording=setting(MODE) == "record")
    hooks = {**clients.hooks(), **identity.hooks(), **held_hooks, **children.install()}
    for name, hook in hooks.items():
        if name in sys.modules:
            hook(sys.modules[name])
    sys.meta_path.insert(0, _AfterImport(hooks))
    if setting(MODE) == "replay":
        sys.addaudithook(_guard)
    else:
        unseen.install()


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function on a module once it has been imported."""

    def __init__(self, hooks: "dict[str, Any]") -> None:
        self._hooks = dict(hooks)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        hook = self._hooks.pop(name, None)
        if hook is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            self._hooks[name] = hook
            return None
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            hook(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _guard(event: str, arguments: Any) -> None:
    """Refuse connections around the interceptor: to the models' addresses, and offline all that leave this
    machine.
    """
    if event not in ("socket.connect", "socket.getaddrinfo") or live.get():
        return
    address = arguments[1] if event == "socket.connect" else arguments[:2]
    if not isinstance(address, tuple) or len(address) < 2:
        return
    host, port = str(address[0]), str(address[1])
    local = host in LOCAL or host.startswith("127.")
    around = event == "socket.connect" and ("localhost" if local else host, port) in models
    if around or (setting(OFFLINE) and not local):
        raise PermissionError(f"butfor: the network is blocked in a replay, and the program connects to {host}:{port}")
