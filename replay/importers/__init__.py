"""Logs of every format to `Trace`s: one module a format, the format recognised by its content."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from butfor.cache.errors import LogFormatError, PluginError, TraceError, UnknownFormat
from butfor.cache.plugin import installed, resolve
from butfor.replay.reading.archive import is_archive, read_archive
from butfor.replay.reading.fields import parse_json
from butfor.replay.reading.literal import as_json
from butfor.replay.reading.losses import refuse_losses, suspicious
from butfor.replay.reading.refusal import refusal
from butfor.replay.reading.several import ManyRuns, Run, pick
from butfor.replay.trace import Trace

from . import (
    ag2,
    autogen,
    crewai,
    inspect_eval,
    langfuse,
    langgraph,
    langsmith,
    mast,
    native,
    openai_agents,
    openinference,
    otel_genai,
    plain_chat,
    program_calls,
    pydantic_ai,
    smolagents,
    who_and_when,
)
from .benchmarks import mast_repository, tau_bench
from .coding import atif, claude_code, codex, openhands, swe_agent
from .platforms import adk, ui_messages

__all__ = ["IMPORTERS", "Importer", "import_file", "import_folder", "import_log", "parse_json", "read_text"]

_SNIFFED_CHARACTERS = 65_536
_LARGEST_BYTES = 512 * 2**20


class Importer(Protocol):
    """One log format: a module or object with these two functions.

    A format whose files may hold several runs has the one function of `ManyRuns` as well.
    """

    def sniff(self, head: str) -> bool:
        """Whether a file that begins like this is in the format."""
        ...

    def load(self, text: str, *, name: str) -> Trace:
        """The trace in a log's text.

        Raises:
            LogFormatError: the log breaks the format; the message names the position.
        """
        ...


IMPORTERS: dict[str, Importer] = {
    "inspect": inspect_eval,
    "butfor": native,
    "claude-code": claude_code,
    "codex": codex,
    "atif": atif,
    "swe-agent": swe_agent,
    "openhands": openhands,
    "tau-bench": tau_bench,
    "mast-repository": mast_repository,
    "adk": adk,
    "ui-messages": ui_messages,
    "who-and-when": who_and_when,
    "program": program_calls,
    "autogen": autogen,
    "otel-genai": otel_genai,
    "openinference": openinference,
    "langsmith": langsmith,
    "crewai": crewai,
    "langgraph": langgraph,
    "ag2": ag2,
    "pydantic-ai": pydantic_ai,
    "openai-agents": openai_agents,
    "smolagents": smolagents,
    "langfuse": langfuse,
    "mast": mast,
    "plain-chat": plain_chat,
}
"""By the name that `--format` takes, in the order in which they are tried."""


def import_log(path: str | Path, *, format: str | None = None) -> Trace:  # noqa: A002
    """The trace in a log file of any supported format.

    `FILE#RUN` is one run of a file that holds several; the start of its id will do.

    Raises:
        UnknownFormat: no importer recognises the file.
        LogFormatError: the file cannot be read, breaks the format it appears to be in, or holds several runs.
    """
    file, run = _file_and_run(Path(path))
    text = read_text(file)
    importer = _importer(format) if format else _recognise(text, file.name)
    with _uncollected():
        return _imported(text, importer, file, run)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles, which goes through all of a long log again and again and finds nothing."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()


def _imported(text: str, importer: Importer, file: Path, run: str | None) -> Trace:
    try:
        if isinstance(importer, ManyRuns):
            runs = importer.runs(text, name=file.name)
            return _whole(pick(runs, name=file.name, run=run), text, file.name, runs)
        if run is not None:
            raise LogFormatError(f"{file.name}: its format knows one run a file; leave #{run} out")
        return _whole(importer.load(text, name=file.name), text, file.name)
    except RecursionError:
        raise LogFormatError(f"{file.name}: nested too deeply to be a log") from None


def import_folder(path: str | Path) -> Iterator[tuple[Path, Trace | TraceError]]:
    """Every run in the files of a folder, and of the folders in it, in the order of their names.

    What cannot be read comes as the error that says why. Hidden files are left out. A run of a file that
    holds several comes under the path that `import_log` takes: `FILE#RUN`.

    Raises:
        LogFormatError: there is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise LogFormatError(f"{folder} is no folder")
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden:
            yield from import_file(file)


def import_file(file: Path) -> Iterator[tuple[Path, Trace | TraceError]]:
    """Every run in a file; of several, each under the path that `import_log` takes."""
    try:
        text = read_text(file)
        importer = _recognise(text, file.name)
        if not isinstance(importer, ManyRuns):
            yield file, _whole(importer.load(text, name=file.name), text, file.name)
            return
        runs = importer.runs(text, name=file.name)
    except TraceError as error:
        yield file, error
        return
    except RecursionError:
        yield file, LogFormatError(f"{file.name}: nested too deeply to be a log")
        return
    for identifier, run in runs.items():
        one = file if len(runs) == 1 else file.with_name(f"{file.name}#{identifier}")
        try:
            yield one, _whole(run(), text, file.name, runs)
        except TraceError as error:
            yield one, error


def _whole(trace: Trace, text: str, name: str, runs: Mapping[str, Run] | None = None) -> Trace:
    """The trace, where it holds what the log says; native files say it themselves.

    Raises:
        LogFormatError: most of its model steps are empty, and the log's texts are in none of them.
    """
    if trace.source.format in ("butfor", "program") or not suspicious(trace):
        return trace
    others = [run() for run in (runs or {}).values()] if len(runs or {}) > 1 else []
    refuse_losses(trace, text, name=name, others=others)
    return trace


def read_text(path: Path) -> str:
    """A log's text; an archive (an Inspect `.eval`) and what Python's `str` wrote are the JSON that they stand for.

    Raises:
        LogFormatError: there is no such file, it is too large, or it is not text.
    """
    try:
        if path.is_dir():
            raise LogFormatError(f"{path} is a folder; name one log in it")
        if path.stat().st_size > _LARGEST_BYTES:
            raise LogFormatError(f"{path} is larger than {_LARGEST_BYTES >> 20} MB; split it")
        content = path.read_bytes()
        if is_archive(content):
            return read_archive(content, name=path.name, largest=_LARGEST_BYTES)
        return as_json(content.decode("utf-8-sig"), name=path.name)
    except UnicodeDecodeError as error:
        raise LogFormatError(f"{path}: byte {error.start} is not UTF-8; is it a text log?") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        problem = error.strerror if isinstance(error, OSError) else None
        raise LogFormatError(f"{path}: {problem or error}") from None


def _file_and_run(path: Path) -> tuple[Path, str | None]:
    file, mark, run = str(path).rpartition("#")
    if not mark or path.exists():
        return path, None
    return Path(file), run


def _importer(format: str) -> Importer:  # noqa: A002
    try:
        return resolve("importer", format, IMPORTERS)
    except PluginError as error:
        raise UnknownFormat(str(error)) from None


def _recognise(text: str, name: str) -> Importer:
    head = text[:_SNIFFED_CHARACTERS]
    if not head.strip():
        raise LogFormatError(f"{name}: the file is empty")
    known: tuple[Importer, ...] = (*IMPORTERS.values(), *installed("importer"))
    for importer in known:
        if importer.sniff(head):
            return importer
    if plain_chat.recognised(text, name=name):
        return plain_chat
    raise refusal(text, name=name, formats=IMPORTERS)
