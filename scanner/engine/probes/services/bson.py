"""The little of BSON that a greeting needs (bsonspec.org, version 1.1): small documents out, top-level fields in."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.wire import Fields

Plain = bool | int | str
Value = bool | int | float | str | bytes | None

_FIXED = {0x07: 12, 0x09: 8, 0x11: 8, 0x13: 16}
_EMPTY = frozenset({0x06, 0x0A, 0x7F, 0xFF})
_MAX_FIELDS = 200


def encode(document: Mapping[str, Plain | Mapping[str, Plain]]) -> bytes:
    """Return a document of booleans, 32-bit integers, strings and flat documents of these."""
    body = b"".join(_element(name.encode() + b"\0", value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\0"


def _element(name: bytes, value: Plain | Mapping[str, Plain]) -> bytes:
    if isinstance(value, Mapping):
        return b"\x03" + name + encode(value)
    if isinstance(value, bool):
        return b"\x08" + name + bytes((value,))
    if isinstance(value, int):
        return b"\x10" + name + struct.pack("<i", value)
    text = value.encode() + b"\0"
    return b"\x02" + name + struct.pack("<i", len(text)) + text


def decode(data: bytes) -> dict[str, Value]:
    """Return the top-level fields of a document, embedded documents and arrays as their bytes.

    Raises ``UnexpectedReply`` when the bytes are no document.
    """
    fields = Fields(data, "little")
    length = fields.signed(4)
    if not 5 <= length <= len(data):
        raise UnexpectedReply("The BSON document is not as long as it says.")
    document: dict[str, Value] = {}
    for _ in range(_MAX_FIELDS):
        kind = fields.unsigned(1)
        if kind == 0:
            return document
        name = fields.text_until_nul().decode("utf-8", errors="replace")
        document[name] = _value(kind, fields)
    raise UnexpectedReply("The BSON document has too many fields.")


def _value(kind: int, fields: Fields) -> Value:
    if kind in _FIXED:
        return fields.take(_FIXED[kind])
    if kind in _EMPTY:
        return None
    match kind:
        case 0x01:
            number: float = struct.unpack("<d", fields.take(8))[0]
            return number
        case 0x02 | 0x0D | 0x0E:
            return fields.take(fields.signed(4)).rstrip(b"\0").decode("utf-8", errors="replace")
        case 0x03 | 0x04:
            length = fields.signed(4)
            return struct.pack("<i", length) + fields.take(length - 4)
        case 0x05:
            return fields.take(fields.signed(4) + 1)
        case 0x08:
            return fields.unsigned(1) == 1
        case 0x10:
            return fields.signed(4)
        case 0x12:
            return fields.signed(8)
    raise UnexpectedReply(f"BSON type {kind:#04x} is not known.")


def array_length(value: Value) -> int:
    """Return how many elements an array has that :func:`decode` left as bytes; 0 for anything else."""
    return len(decode(value)) if isinstance(value, bytes) else 0
