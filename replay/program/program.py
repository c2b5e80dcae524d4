"""Runs the user's own program: `record` writes down what it asks, `Program` carries it out again."""

import os
import shutil
import site
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from butfor.cache.apis import heard, spoken_in
from butfor.cache.apis.stable import stable_call
from butfor.cache.errors import ProgramFailed
from butfor.cache.provider import Offline, Provider
from butfor.replay.replayed import Edits, Recorded, Recording, Replayed
from butfor.replay.trace import Ended, Trace

from .acts import read_entries, recorded_acts, to_trace, tool_completion
from .answering import Answering
from .process import LARGEST_OUTPUT_BYTES, carry_out, stopped_by_signals
from .proxy import Proxy

_INJECTED = Path(__file__).parents[1] / "inside" / "start"
_LINKED = frozenset({".git", ".venv", "venv", "node_modules", ".tox", ".nox"})
_LEFT_OUT = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})
_LARGEST_COPY_BYTES = 500 * 2**20
_LAST_LINES = 8
_TEST_SECONDS = 600.0
_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")


class Leavings(NamedTuple):
    """What a run leaves that a judge reads."""

    files: tuple[str, ...] = ()
    """Paths in the working directory."""
    tests: tuple[str, ...] = ()
    """Pytest nodes, run in the working directory when the program has ended."""


class Program:
    """The executor that runs the user's command again, every call of it answered by a provider.

    Each run has a process, a home directory and a copy of the working directory of its own. `offline` forbids
    it every connection that leaves the machine, and to the models' addresses besides. `timeout` is in
    seconds. With `proxy` the calls come through a loopback server: for programs that are not Python, which
    cannot be forbidden more.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path | None = None,
        timeout: float = 600.0,
        leavings: Leavings | None = None,
        offline: bool = False,
        proxy: bool = False,
    ) -> None:
        self._proxy = proxy
        self._directory = (directory or Path.cwd()).absolute()
        self._command = tuple(_from_copy(part, self._directory) for part in command)
        self._timeout = timeout
        self._leavings = leavings or Leavings()
        self._offline = offline
        self._recordings: dict[int, tuple[Trace, Recording]] = {}

    def recording(self, trace: Trace) -> Recording:
        """The calls of the recorded run, as the program is recognised by them; built once for a trace.

        Raises:
            ProgramFailed: the trace was not recorded from a program.
        """
        if id(trace) not in self._recordings:
            self._recordings[id(trace)] = (trace, _recording(trace))
        return self._recordings[id(trace)][1]

    def check(self, trace: Trace) -> Trace:
        """The program run with no edits, offline; the trace itself, with its ending, where it is the same
        run.

        Raises:
            Divergence: it asked something that was not recorded. ProgramFailed: it could not be started, ran
            too long, or asked nothing.
        """
        recording = self.recording(trace)
        replayed = Replayed(recording, Edits(), live=Offline(recording.calls))
        return self._carried_out(trace, replayed, offline=True)

    def run(self, trace: Trace, provider: Provider) -> Trace:
        """The program run once.

        Raises:
            Divergence: it asked something that was not recorded, before anything was changed.
            CallError: one of its calls could not be answered.
            ProgramFailed: it could not be started, ran too long, or asked nothing.
        """
        return self._carried_out(trace, provider, offline=self._offline)

    def _carried_out(self, trace: Trace, provider: Provider, *, offline: bool) -> Trace:
        recording = self.recording(trace)
        with tempfile.TemporaryDirectory(prefix="butfor-run-", ignore_cleanup_errors=True) as folder:
            work = Path(folder) / "work"
            _copy(self._directory, work)
            with Answering(trace, recording, provider) as answering, ExitStack() as stack:
                environment = _environment(Path(folder) / "home")
                if self._proxy:
                    environment |= stack.enter_context(Proxy(socket=answering.socket)).environment
                else:
                    environment |= injected() | {
                        "BUTFOR_MODE": "replay",
                        "BUTFOR_SOCKET": answering.socket,
                        "BUTFOR_OFFLINE": "1" if offline else "",
                    }
                ran = carry_out(self._command, work, environment, timeout=self._timeout, stop=answering.failed)
            if answering.error is not None:
                raise answering.error
            if ran.late:
                raise ProgramFailed(
                    f"{_spelled(self._command)} ran longer than {self._timeout:g} s; raise the limit with --time-limit"
                )
            if not answering.acts:
                raise ProgramFailed(
                    f"{_spelled(self._command)} ended with status {ran.status} and asked no model{_last(ran.errors)}"
                )
            ended = Ended(status=ran.status, output=ran.output, **_left(self._leavings, work, environment))
        steps = [act.step for act in answering.acts]
        if all(step is not None for step in steps) and len(steps) == len(recording.recorded):
            return trace.model_copy(update={"ended": ended})
        again = to_trace(answering.acts, name=trace.source.name, ended=ended, expected=trace.expected)
        return again.model_copy(update={"task": trace.task, "team": trace.team})


def record(
    command: Sequence[str],
    *,
    name: str,
    tape: Path,
    timeout: float | None = None,
    leavings: Leavings | None = None,
    proxy: bool = False,
) -> Trace:
    """Run a command as it is, and record what it asks; what it prints goes where it always goes.

    `tape` is the file that calls are appended to while it runs; with `proxy`, they come through a loopback
    server.

    Raises:
        ProgramFailed: it could not be started, or it asked no model.
    """
    tape.touch(mode=0o600)
    with ExitStack() as stack:
        if proxy:
            ours = stack.enter_context(Proxy(tape=tape.absolute())).environment
        else:
            ours = injected() | {"BUTFOR_MODE": "record", "BUTFOR_TAPE": str(tape.absolute())}
        environment = {**os.environ, **ours}
        stop = stack.enter_context(stopped_by_signals())
        ran = carry_out(command, Path.cwd(), environment, timeout=timeout, stop=stop, shown=True)
    left = {} if ran.interrupted else _left(leavings or Leavings(), Path.cwd(), environment)
    ended = Ended(status=ran.status, output=ran.output, partial=ran.cut, **left)
    return from_tape(tape, name=name, ended=ended)


def from_tape(tape: Path, *, name: str, ended: Ended) -> Trace:
    """The trace of the calls on a tape.

    Raises:
        ProgramFailed: there are none.
    """
    entries, partial = read_entries(tape.read_text(encoding="utf-8"), name=tape.name)
    partial = partial or ended.partial
    return to_trace(recorded_acts(entries), name=name, ended=ended.model_copy(update={"partial": partial}))


def _recording(trace: Trace) -> Recording:
    recorded = []
    for step in trace.steps:
        if step.call is None or step.reply is None:
            continue
        if step.kind == "tool" and step.call.model.startswith("tool:"):
            completion = tool_completion(step.reply)
        else:
            completion = heard(spoken_in(step.call), step.reply)
        completion = completion.model_copy(update={"origin": "recorded", "step": step.index})
        recorded.append(Recorded(step.index, stable_call(step.call), completion))
    if not recorded:
        raise ProgramFailed(
            f"{trace.source.name or 'the run'} was not recorded from a program, so no program can be run "
            "against it; "
            "record one: butfor record -o run.json -- CMD …"
        )
    return Recording(recorded)


def _from_copy(part: str, directory: Path) -> str:
    """A part of the command as it holds in a copy of the directory: a path that leads out of it becomes
    absolute.
    """
    path = directory / part
    if not part.startswith("..") or not path.exists() or path.resolve().is_relative_to(directory.resolve()):
        return part
    return str(path.resolve())


def _copy(directory: Path, work: Path) -> None:
    size = 0

    def skip(folder: str, names: list[str]) -> set[str]:
        nonlocal size
        left = {n for n in names if n in _LEFT_OUT or n in _LINKED}
        size += sum(_size(Path(folder) / n) for n in names if n not in left)
        if size > _LARGEST_COPY_BYTES:
            raise ProgramFailed(
                f"{directory} holds more than {_LARGEST_COPY_BYTES >> 20} MB, too much to copy for every "
                "run; start butfor in a folder that holds only what the program needs"
            )
        return left

    shutil.copytree(directory, work, ignore=skip, symlinks=True, ignore_dangling_symlinks=True)
    for name in _LINKED:
        if (directory / name).is_dir():
            (work / name).symlink_to(directory / name)


def _size(path: Path) -> int:
    return path.lstat().st_size if path.is_file() else 0


def injected() -> dict[str, str]:
    """The environment in which a Python program loads the interceptor when it starts."""
    path = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([str(_INJECTED), *([path] if path else [])]),
        # the order of sets is no part of what is recorded, so it has to be the same every time
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0"),
    }


def _environment(home: Path) -> dict[str, str]:
    folders = {
        "XDG_DATA_HOME": "data",
        "XDG_CONFIG_HOME": "config",
        "XDG_STATE_HOME": "state",
        "XDG_CACHE_HOME": "cache",
    }
    own = {name: home / f".{folder}" for name, folder in folders.items()}
    for path in (home, *own.values()):
        path.mkdir(parents=True)
    user_packages = {"PYTHONUSERBASE": os.environ.get("PYTHONUSERBASE") or site.getuserbase()}
    keys = {name: os.environ.get(name) or "none" for name in _KEYS}  # some clients do not start without one
    kept = {name: str(path) for name, path in own.items()}
    return {**os.environ, **user_packages, **keys, **kept, "HOME": str(home)}


def _left(leavings: Leavings, work: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    files = {}
    for name in leavings.files:
        path = work / name
        if path.is_file():
            files[name] = path.read_bytes()[:LARGEST_OUTPUT_BYTES].decode(errors="backslashreplace")
    plain = {k: v for k, v in environment.items() if not k.startswith("BUTFOR_")}
    tests = {}
    for node in leavings.tests:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node]
        tests[node] = carry_out(command, work, plain, timeout=_TEST_SECONDS).status == 0
    return {"files": files, "tests": tests}


def _last(errors: str) -> str:
    lines = errors.strip().splitlines()[-_LAST_LINES:]
    return "; the last it said:\n" + "\n".join(lines) if lines else ""


def _spelled(command: Sequence[str]) -> str:
    return " ".join(command)
