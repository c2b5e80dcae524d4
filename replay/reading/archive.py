"""Logs in archives: an Inspect `.eval` (a zip of JSON files) as the one JSON text that it stands for."""

import importlib
import io
import struct
import zipfile
import zlib

from butfor.cache.errors import LogFormatError

_ZIP = b"PK\x03\x04"
_ZSTANDARD = 93
_LOCAL_HEADER_BYTES = 30
_LARGEST_RATIO = 200
"""Logs are packed 3 to 100 times smaller; a bomb, 1000 times."""
_SMALL_BYTES = 2**24
"""What may be packed at any ratio."""


def is_archive(content: bytes) -> bool:
    """Whether a file's content is a zip archive."""
    return content.startswith(_ZIP)


def read_archive(content: bytes, *, name: str, largest: int) -> str:
    """`{"header": …, "samples": […]}`, from an archive's `header.json` and the files in its `samples/`.

    An evaluation that was cut off has no header yet; the journal's `start.json` is in its place. No more than
    `largest` bytes are unpacked.

    Raises:
        LogFormatError: the archive is damaged, too large, packed in a way that cannot be read here, or no
        such log.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, RuntimeError, OSError, struct.error) as error:
        raise LogFormatError(f"{name}: the archive is damaged: {error}") from None
    header = members.get("header.json") or members.get("_journal/start.json")
    files = [file for file in members if file.startswith("samples/") and file.endswith(".json")]
    samples = [members[file] for file in files]
    if header is None or not samples:
        raise LogFormatError(f"{name}: an archive, but no Inspect log (it has no header.json and samples/*.json)")
    if sum(info.file_size for info in (header, *samples)) > largest:
        raise LogFormatError(f"{name}: unpacked it is larger than {largest >> 20} MB; split it")
    bomb = next((i for i in (header, *samples) if i.file_size > _LARGEST_RATIO * i.compress_size + _SMALL_BYTES), None)
    if bomb:
        raise LogFormatError(f"{name}: {bomb.filename} unpacks to {bomb.file_size} bytes, more than a log would")
    texts = [_member(content, info, name) for info in (header, *samples)]
    return f'{{"header": {texts[0]}, "samples": [{", ".join(texts[1:])}]}}'


def _member(content: bytes, info: zipfile.ZipInfo, name: str) -> str:
    where = f"{name}: {info.filename}"
    try:
        data = _unpacked(_packed(content, info), info, where)
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise LogFormatError(f"{where} is damaged (its checksum does not fit)")
        return data.decode("utf-8")
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise LogFormatError(f"{where} is damaged: {error}") from None


def _packed(content: bytes, info: zipfile.ZipInfo) -> bytes:
    lengths = info.header_offset + _LOCAL_HEADER_BYTES - 4
    file_name, extra = struct.unpack("<HH", content[lengths : lengths + 4])
    start = info.header_offset + _LOCAL_HEADER_BYTES + file_name + extra
    return content[start : start + info.compress_size]


def _unpacked(data: bytes, info: zipfile.ZipInfo, where: str) -> bytes:
    limit = info.file_size + 1
    if info.compress_type == zipfile.ZIP_STORED:
        return data
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, limit)
    if info.compress_type == _ZSTANDARD:
        return _unpacked_zstandard(data, limit, where)
    raise LogFormatError(f"{where} is packed by method {info.compress_type} (expected deflate or Zstandard)")


def _unpacked_zstandard(data: bytes, limit: int, where: str) -> bytes:
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        raise LogFormatError(f"{where}: unpacking it takes zstandard; pip install 'butfor[logs]'") from None
    try:
        found: bytes = zstandard.ZstdDecompressor().stream_reader(data).read(limit)
        return found
    except (zstandard.ZstdError, MemoryError) as error:
        raise LogFormatError(f"{where} is damaged: {error}") from None
