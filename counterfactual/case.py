"""A packed case: a run, the settings of its audit, and every answer they used, in one file that needs no network.

A case is a zip file with `manifest.json` (checksums of the rest), `run.json`, `settings.json`, `verdict.json`,
`messages.json` and `answers.jsonl`. Nothing in it is executed, and no path in it is used.
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from butfor.cache.call import Completion, Message
from butfor.cache.errors import ExperimentError, LogFormatError
from butfor.cache.rows import from_row, to_row
from butfor.cache.store import CallStore, MemoryStore, Noting
from butfor.replay.importers import import_log
from butfor.replay.output import write
from butfor.replay.program.program import Program
from butfor.replay.text import excerpt
from butfor.replay.trace import Trace, read_trace

from .audit import Audit, Parts, open_store
from .settings import Settings
from .verdict import Verdict

_FORMAT = 1
_PARTS = ("run.json", "settings.json", "verdict.json", "messages.json", "answers.jsonl")
_LARGEST_BYTES = 2**30
_LARGEST_MANIFEST_BYTES = 2**16
_LARGEST_RATIO = 200
"""Text of runs is packed 3 to 100 times smaller; a bomb, 1000 times."""
_SMALL_BYTES = 2**24
"""What may be packed at any ratio."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Case(NamedTuple):
    """A run that can be checked and audited again from what is in it."""

    trace: Trace
    settings: Settings | None
    """Of the packed audit; `None` where only the run was packed."""
    found: Verdict | None
    """The verdict of the packed audit, derived from the packed answers."""
    store: MemoryStore
    keys: tuple[str, ...]
    """Of the answers in the store."""


def is_case(path: Path) -> bool:
    """Whether a file is a packed case, by its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "manifest.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return False


def pack(
    trace: Trace, settings: Settings | None, found: Verdict | None, answers: CallStore, keys: Iterable[str]
) -> bytes:
    """The bytes of a case; equal content gives equal bytes."""
    messages: dict[str, Message] = {}
    lines = []
    for key in sorted(keys):
        call, completion = answers.item(key)
        row, said = to_row(call)
        messages |= said
        answer = completion.model_dump(mode="json", exclude_none=True)
        lines.append(json.dumps({"key": key, "call": row, "answer": answer}, sort_keys=True))
    bodies = (
        trace.to_json(),
        "null\n" if settings is None else settings.model_dump_json(indent=1) + "\n",
        "null\n" if found is None else found.model_dump_json(indent=1) + "\n",
        json.dumps({d: m.model_dump(mode="json", exclude_defaults=True) for d, m in sorted(messages.items())}),
        "".join(f"{line}\n" for line in lines),
    )
    parts = {name: body.encode() for name, body in zip(_PARTS, bodies, strict=True)}
    manifest = {"format": _FORMAT, "sha256": {name: sha256(body).hexdigest() for name, body in parts.items()}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in {"manifest.json": json.dumps(manifest, indent=1).encode(), **parts}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), body, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def save(found: Verdict, path: Path) -> Path:
    """Pack a verdict of this process, with its run and every answer that its audit used.

    Raises:
        ExperimentError: it was not made in this process. ButforError: the file cannot be written.
    """
    evidence = found._evidence
    if evidence is None or not isinstance(evidence.settings, Settings):
        raise ExperimentError("only a verdict that was just made can be packed; blame the run again, from its answers")
    packed = pack(evidence.trace, evidence.settings, found, evidence.store, evidence.keys)
    return write(path, packed)


def unpack(path: Path) -> Case:
    """The case in a file.

    Raises:
        LogFormatError: the file is damaged, too large, or no case.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = _parts(archive, path)
        messages = {d: Message.model_validate(m) for d, m in _object(parts["messages.json"]).items()}
        store, keys = _answers(parts["answers.jsonl"], messages)
        settings = TypeAdapter(Settings | None).validate_json(parts["settings.json"])
        found = TypeAdapter(Verdict | None).validate_json(parts["verdict.json"])
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        ValidationError,
        OSError,
        EOFError,
        TypeError,
        AttributeError,
        zlib.error,
        struct.error,
        NotImplementedError,
        RuntimeError,
        RecursionError,
    ) as error:
        raise LogFormatError(f"{path}: not a case that butfor packed, or damaged: {excerpt(str(error))}") from None
    return Case(read_trace(parts["run.json"].decode(), name=f"{path.name}: run.json"), settings, found, store, keys)


def _parts(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    left = _LARGEST_BYTES
    manifest_bytes = _member(archive, "manifest.json", path, _LARGEST_MANIFEST_BYTES)
    manifest = _object(manifest_bytes)
    if manifest.get("format") != _FORMAT:
        raise LogFormatError(f"{path}: packed in format {manifest.get('format')!r}; this butfor reads {_FORMAT}")
    parts = {}
    for name in _PARTS:
        parts[name] = _member(archive, name, path, left)
        left -= len(parts[name])
        if _object(json.dumps(manifest["sha256"]).encode())[name] != sha256(parts[name]).hexdigest():
            raise LogFormatError(f"{path}: {name} is not what was packed (its checksum differs)")
    return parts


def _member(archive: zipfile.ZipFile, name: str, path: Path, limit: int) -> bytes:
    """A member's bytes; what the directory says of its size is not believed."""
    entry = archive.getinfo(name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
        raise LogFormatError(f"{path}: {name} is packed in a way that butfor never packs (expected deflate)")
    if entry.file_size > min(limit, _LARGEST_RATIO * entry.compress_size + _SMALL_BYTES):
        raise LogFormatError(f"{path}: {name} unpacks to {entry.file_size} bytes, more than a case may hold")
    with archive.open(entry) as file:
        found = file.read(entry.file_size + 1)
    if len(found) != entry.file_size:
        raise LogFormatError(f"{path}: {name} is not as large as the archive says")
    return found


def _answers(lines: bytes, messages: Mapping[str, Message]) -> tuple[MemoryStore, tuple[str, ...]]:
    store = MemoryStore()
    keys = []
    for line in lines.decode().splitlines():
        entry = _object(line.encode())
        call = from_row(entry["call"], messages)
        store.add(entry["key"], call, Completion.model_validate(entry["answer"]))
        keys.append(entry["key"])
    return store, tuple(keys)


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("expected an object")
    return found


class Opened(NamedTuple):
    """A run, from a log or from a case, with what the case brings along."""

    trace: Trace
    settings: Settings | None = None
    """Of the packed audit."""
    case: Case | None = None

    def store(self, where: "str | Path | CallStore | None" = None) -> CallStore:
        """Where its answers are: in the case, else where it is said, else in the usual folder."""
        return self.case.store if self.case else open_store(where)

    def audit(
        self,
        settings: Settings,
        *,
        store: "str | Path | CallStore | None" = None,
        offline: bool = False,
        program: Sequence[str] | Program = (),
        parts: Parts | None = None,
        allow: Callable[[str, str], bool] | None = None,
    ) -> Audit:
        """What can be asked about it; offline for a case, and with the program where one is given."""
        parts = (parts or Parts())._replace(allow=allow) if allow else parts
        offline = offline or self.case is not None
        return Audit(settings, self.store(store), offline=offline, program=program, parts=parts)


def opened(run: "Trace | Case | str | Path", *, format: str | None = None) -> Opened:  # noqa: A002
    """The run in a log of any format, a native file or a packed case; a trace as it is.

    Raises:
        TraceError: the file cannot be read as one of them.
    """
    if isinstance(run, Trace):
        return Opened(run)
    if isinstance(run, Case):
        return Opened(run.trace, run.settings, run)
    path = Path(run)
    if is_case(path):
        case = unpack(path)
        return Opened(case.trace, case.settings, case)
    return Opened(import_log(path, format=format))


def remember(found: Verdict) -> None:
    """Keep beside the answers what a verdict rested on, so that its run can be packed later; where the store can."""
    evidence = found._evidence
    if evidence is None or not isinstance(evidence.store, Noting) or not isinstance(evidence.settings, Settings):
        return
    note = {
        "settings": evidence.settings.model_dump(mode="json"),
        "verdict": found.model_dump(mode="json"),
        "keys": sorted(evidence.keys),
    }
    evidence.store.note(f"audit/{evidence.trace.digest}", json.dumps(note))


class Remembered(NamedTuple):
    """What the last audit of a run rested on."""

    settings: Settings
    found: Verdict
    keys: tuple[str, ...]


def remembered(trace: Trace, store: CallStore) -> Remembered | None:
    """What the last audit of a run with this store rested on; `None` where there was none."""
    text = store.noted(f"audit/{trace.digest}") if isinstance(store, Noting) else None
    if text is None:
        return None
    note = json.loads(text)
    settings, found = Settings.model_validate(note["settings"]), Verdict.model_validate(note["verdict"])
    return Remembered(settings, found, tuple(note["keys"]))
