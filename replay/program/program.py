"""Runs the user's own program: `record` writes down what it asks, `Program` carries it out again."""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from butfor.cache.apis import heard, spoken_in
from butfor.cache.errors import ProgramFailed
from butfor.cache.provider import Offline, Provider
from butfor.replay.replayed import Edits, Recorded, Recording, Replayed
from butfor.replay.text import excerpt
from butfor.replay.trace import Ended, Trace
from butfor.replay.world import World

from .acts import read_entries, recorded_acts, to_trace, tool_completion
from .answering import Answering
from .namespace import Closed, Doors, Namespace, address, available
from .process import LARGEST_OUTPUT_BYTES, Ran, carry_out, stopped_by_signals
from .proxy import Proxy
from .same import pattern, recognised
from .snapshot import put_back
from .surroundings import Watch, given, held
from .unseen import to_models
from .workspace import Workspace, from_copy, injected

_LAST_LINES = 8
_TEST_SECONDS = 600.0


class Leavings(NamedTuple):
    """What a run leaves that a judge reads."""

    files: tuple[str, ...] = ()
    """Paths in the working directory."""
    tests: tuple[str, ...] = ()
    """Pytest nodes, run in the working directory when the program has ended."""


class Program:
    """The executor that runs the user's command again, every call of it answered by a provider.

    Each run has a process, a home directory and a copy of the working directory of its own, at the directory's
    own path where bubblewrap can be had. `offline` closes the network, but for the loopback addresses (`HOST:PORT`)
    in `reach`; `closed` says what holds it. `timeout` is in seconds. With `proxy` the calls come through a loopback
    server, for programs that are not Python. With `hold` the program finds the world that it was recorded in.

    Raises:
        ButforError: `reach` names no loopback address.
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
        reach: Sequence[str] = (),
        hold: bool = True,
    ) -> None:
        self._proxy = proxy
        self._hold = hold
        self._directory = (directory or Path.cwd()).absolute()
        self._command = tuple(command)
        self._timeout = timeout
        self._leavings = leavings or Leavings()
        self._offline = offline
        self._reach = {text: address(text) for text in reach}
        self._recordings: dict[int, tuple[Trace, Recording]] = {}

    @property
    def closed(self) -> Closed:
        """What keeps an offline run of it off the network."""
        if available():
            return "kernel"
        return "not held" if self._proxy else "python"

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
        if shutil.which(self._command[0], path=os.environ.get("PATH")) is None and "/" not in self._command[0]:
            raise ProgramFailed(f"{self._command[0]} cannot be started: No such file or directory")
        with tempfile.TemporaryDirectory(prefix="butfor-run-", ignore_cleanup_errors=True) as folder:
            work = Workspace(self._directory, Path(folder))
            world = trace.world or World() if self._hold else World()
            put_back(world, work.copy)
            with Answering(trace, recording, provider, hold=self._hold) as answering:
                ran, environment = self._ran(work, world, answering, offline=offline)
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
            status = _status(ran.status, trace.ended)
            ended = Ended(status=status, output=ran.output, **_left(self._leavings, work.copy, environment))
        steps = [act.step for act in answering.acts]
        if all(step is not None for step in steps) and len(steps) == len(recording.recorded):
            return trace.model_copy(update={"ended": ended})
        again = to_trace(answering.acts, name=trace.source.name, ended=ended, expected=trace.expected)
        return again.model_copy(update={"task": trace.task, "team": trace.team, "world": trace.world})

    def _ran(self, work: Workspace, world: World, answering: Answering, *, offline: bool) -> tuple[Ran, dict[str, str]]:
        """How the command ended, and the environment that it had."""
        environment = work.environment(offline=offline, reach=tuple(self._reach)) | held(world, offline=offline)
        for name in (name for name, value in world.environment.items() if value is None):
            environment.pop(name, None)
        with ExitStack() as stack:
            doors = dict(self._reach)
            if self._proxy:
                proxy = stack.enter_context(Proxy(socket=answering.socket))
                environment |= proxy.environment
                doors[f"{proxy.address[0]}:{proxy.address[1]}"] = proxy.address
            else:
                environment |= injected() | {
                    "BUTFOR_MODE": "replay",
                    "BUTFOR_SOCKET": answering.socket,
                    "BUTFOR_OFFLINE": "1" if offline else "",
                }
            if available():
                view = Namespace(self._directory, work.copy, lent=work.lent, offline=offline)
                opened = stack.enter_context(Doors(doors)) if offline else None
                led = opened.sockets if opened else {}
                command, at = view.wrapped(self._command, environment, doors=led), self._directory
            else:
                work.link()
                command, at = [from_copy(part, self._directory) for part in self._command], work.copy
                environment["PWD"] = str(work.copy)
            stdin = stack.enter_context(given(world)).file if world.stdin is not None else None
            ran = carry_out(command, at, environment, timeout=self._timeout, stop=answering.failed, stdin=stdin)
        return ran, environment


def record(
    command: Sequence[str],
    *,
    name: str,
    tape: Path,
    timeout: float | None = None,
    leavings: Leavings | None = None,
    proxy: bool = False,
    hold: bool = True,
    ignore: Sequence[str] = (),
) -> Trace:
    """Run a command as it is, and record what it asks; what it prints goes where it always goes.

    `tape` is the file that calls are appended to while it runs; with `proxy`, they come through a loopback
    server. With `hold`, what the program finds around it is noted, so that replays find the same; `ignore` are
    regular expressions of what will differ all the same.

    Raises:
        ProgramFailed: it could not be started, or it asked no model.
    """
    for one in ignore:
        pattern(one)
    tape.touch(mode=0o600)
    directory = Path.cwd()
    with ExitStack() as stack:
        if proxy:
            ours = stack.enter_context(Proxy(tape=tape.absolute())).environment
        else:
            ours = injected() | {"BUTFOR_MODE": "record", "BUTFOR_TAPE": str(tape.absolute())}
        watch = stack.enter_context(Watch(directory, apart=tape.absolute())) if hold else None
        environment = {**os.environ, **ours, **(watch.environment if watch else {})}
        stop = stack.enter_context(stopped_by_signals())
        stdin = watch.stdin if watch else None
        ran = carry_out(command, directory, environment, timeout=timeout, stop=stop, shown=True, stdin=stdin)
        world = (watch.world() if watch else World()).model_copy(update={"ignore": tuple(ignore)})
    left = {} if ran.interrupted else _left(leavings or Leavings(), directory, environment)
    ended = Ended(status=ran.status, output=ran.output, partial=ran.cut, **left)
    return from_tape(tape, name=name, ended=ended, world=world)


def from_tape(tape: Path, *, name: str, ended: Ended, world: World | None = None) -> Trace:
    """The trace of the calls on a tape.

    Raises:
        ProgramFailed: there are none.
    """
    read = read_entries(tape.read_text(encoding="utf-8"), name=tape.name)
    partial = read.partial or ended.partial or bool(to_models(read))
    trace = to_trace(recorded_acts(read.entries), name=name, ended=ended.model_copy(update={"partial": partial}))
    if world is not None:
        world = world.model_copy(update={"environment": read.environment, "unseen": read.unseen})
    return trace.model_copy(update={"world": world})


def _recording(trace: Trace) -> Recording:
    recorded = []
    ignore = trace.world.ignore if trace.world else ()
    for step in trace.steps:
        if step.call is None or step.reply is None:
            continue
        if step.kind == "tool" and step.call.model.startswith("tool:"):
            completion = tool_completion(step.reply)
        else:
            completion = heard(spoken_in(step.call), step.reply)
        completion = completion.model_copy(update={"origin": "recorded", "step": step.index})
        recorded.append(Recorded(step.index, recognised(step.call, ignore), completion))
    if not recorded:
        raise ProgramFailed(
            f"{trace.source.name or 'the run'} was not recorded from a program, so no program can be run "
            "against it; "
            "record one: butfor record -o run.json -- CMD …"
        )
    return Recording(recorded)


def _left(leavings: Leavings, work: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    files = {}
    for name in leavings.files:
        path = _inside(work, name)
        if path.is_file():
            files[name] = path.read_bytes()[:LARGEST_OUTPUT_BYTES].decode(errors="backslashreplace")
    plain = {k: v for k, v in environment.items() if not k.startswith("BUTFOR_")}
    tests = {}
    for node in leavings.tests:
        _inside(work, node.partition("::")[0])
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--", node]
        tests[node] = carry_out(command, work, plain, timeout=_TEST_SECONDS).status == 0
    return {"files": files, "tests": tests}


def _inside(work: Path, name: str) -> Path:
    """A file of the copy in which the program ran; links that lead out of it count as outside."""
    if "\0" in name or name.startswith("-"):  # pytest reads options even after "--"
        raise ProgramFailed(
            f"{excerpt(name)} is no file of the program's directory; a judge's file begins with no dash"
        )
    path = (work / name).resolve()
    if not path.is_relative_to(work.resolve()):
        raise ProgramFailed(f"{excerpt(name)} is outside of the program's directory, where a judge reads nothing")
    return path


def _status(status: int, recorded: Ended | None) -> int:
    """An exit status, where bubblewrap tells a signal as 128 and its number."""
    return -(status - 128) if recorded and recorded.status == 128 - status else status


def _last(errors: str) -> str:
    lines = errors.strip().splitlines()[-_LAST_LINES:]
    return "; the last it said:\n" + "\n".join(lines) if lines else ""


def _spelled(command: Sequence[str]) -> str:
    return " ".join(command)
