"""Python runs this at start-up in every program that butfor starts: it sets the interceptor up, and then
makes way.

It and what it loads stand on nothing but the standard library, because the program has an environment of its
own.
"""

import importlib.machinery
import importlib.util
import os
import sys
import types

_HERE = os.path.dirname(os.path.abspath(__file__))


def _install() -> None:
    package = types.ModuleType("_butfor_inside")
    package.__path__ = [os.path.dirname(_HERE)]
    sys.modules["_butfor_inside"] = package
    importlib.import_module("_butfor_inside.settings").keep()
    importlib.import_module("_butfor_inside.intercept").install()
    for name in [name for name in sys.modules if name.startswith("_butfor_inside.")]:
        # the names and tools that the program declares with butfor itself must be the ones seen here
        sys.modules[f"butfor.replay.inside.{name.partition('.')[2]}"] = sys.modules[name]


def _chain() -> None:
    """Run the sitecustomize that this one hides, if there is one."""
    path = [entry for entry in sys.path if os.path.abspath(entry or os.getcwd()) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("BUTFOR_MODE"):
    _install()
_chain()
