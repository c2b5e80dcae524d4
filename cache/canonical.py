"""Canonical JSON: one byte string for a value however it was written, and for text of any kind."""

import json
from json.encoder import encode_basestring_ascii
from sys import get_int_max_str_digits

import orjson
from pydantic import JsonValue

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical(value: object) -> str:
    """The value as JSON in ASCII, keys sorted; never refused, though it hold a number too long to be written."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_writable(value))


def canonical_text(text: str) -> bytes:
    """A text as JSON in ASCII; a lone surrogate is written as its escape."""
    if text.isascii() and "\x7f" not in text:
        return orjson.dumps(text)  # the same bytes as the standard encoder's, in a tenth of the time
    return encode_basestring_ascii(text).encode()


def canonical_arguments(arguments: str) -> JsonValue:
    """What a model wrote as a tool's arguments: by value where it parses, else as text."""
    try:
        parsed: JsonValue = json.loads(arguments)
        return ["json", canonical(plain_numbers(parsed))]
    except (ValueError, RecursionError):
        return ["text", arguments]


def plain_numbers(value: JsonValue) -> JsonValue:
    """1.0 and 1 are one number to every API, so they must be one key."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_numbers(item) for item in value]
    return value


def _writable(value: object) -> object:
    """The value with numbers of more digits than Python writes as hexadecimal text."""
    if isinstance(value, int) and value.bit_length() > 3 * (get_int_max_str_digits() or value.bit_length()):
        return f"\0{value:x}"
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    return value
