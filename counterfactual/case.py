"""A packed case: a run, the settings of its audit, and every answer they used, in one file that needs no network.

A case is a zip file with `manifest.json` (checksums of the rest), `run.json`, `settings.json`, `verdict.json`,
`messages.json` and `answers.jsonl`. Nothing in it is executed, and no path in it is used.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import TypeAdapter, ValidationError

from butfor.cache.call import Call, Completion, Message
from butfor.cache.errors import LogFormatError
from butfor.cache.rows import from_row, to_row
from butfor.cache.store import MemoryStore
from butfor.replay.trace import Trace, read_trace

from .settings import Settings
from .verdict import Verdict

_FORMAT = 1
_PARTS = ("run.json", "settings.json", "verdict.json", "messages.json", "answers.jsonl")
_LARGEST_BYTES = 2 * 2**30
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


class Answers(Protocol):
    """Where the answers to pack come from."""

    def item(self, key: str) -> tuple[Call, Completion]:
        """The call and the answer under one key."""
        ...


def is_case(path: Path) -> bool:
    """Whether a file is a packed case, by its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "manifest.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def pack(
    trace: Trace, settings: Settings | None, found: Verdict | None, answers: Answers, keys: Iterable[str]
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
        RecursionError,
    ) as error:
        raise LogFormatError(f"{path}: not a case that butfor packed, or damaged: {error}") from None
    return Case(read_trace(parts["run.json"].decode(), name=f"{path.name}: run.json"), settings, found, store, keys)


def _parts(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    size = sum(entry.file_size for entry in archive.infolist())
    if size > _LARGEST_BYTES:
        raise LogFormatError(f"{path}: unpacks to {size} bytes, more than a case may hold")
    manifest = _object(archive.read("manifest.json"))
    if manifest.get("format") != _FORMAT:
        raise LogFormatError(f"{path}: packed in format {manifest.get('format')!r}; this butfor reads {_FORMAT}")
    parts = {name: archive.read(name) for name in _PARTS}
    for name, body in parts.items():
        if manifest["sha256"][name] != sha256(body).hexdigest():
            raise LogFormatError(f"{path}: {name} is not what was packed (its checksum differs)")
    return parts


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
