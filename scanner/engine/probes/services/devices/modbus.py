"""Modbus over TCP: read the device identification (function 43/14), of one unit."""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.hostile import line_bytes
from scanner.engine.probes.services.devices.base import one_request
from scanner.engine.probes.wire import Fields

_NUMBER, _UNIT = 0x526D, 0xFF
"""Unit 255 is the device at this very address (Modbus Messaging on TCP/IP 1.0b, section 4.4.2.1), not one behind it."""
_FUNCTION, _KIND, _BASIC = 0x2B, 0x0E, 0x01
_EXCEPTION = 0x80
_LEVELS = {0x01, 0x02, 0x03, 0x81, 0x82, 0x83}
READ_IDENTIFICATION = struct.pack(">HHHBBBBB", _NUMBER, 0, 5, _UNIT, _FUNCTION, _KIND, _BASIC, 0)
"""Modbus Application Protocol 1.1b3, section 6.21."""
_HEADER = 6


def whole(data: bytes) -> bool:
    """Tell whether the message has arrived as long as its header says."""
    return len(data) >= _HEADER and len(data) >= _HEADER + int.from_bytes(data[4:6], "big")


def read(reply: bytes) -> tuple[str, str]:
    """Return maker with product code, and revision; both empty when the device has no such function."""
    fields = Fields(reply)
    number, protocol, size = (fields.unsigned(2) for _ in range(3))
    if (number, protocol, size) != (_NUMBER, 0, fields.left) or fields.unsigned(1) != _UNIT:
        raise UnexpectedReply("This is no Modbus response to our request.")
    function = fields.unsigned(1)
    if function == _FUNCTION | _EXCEPTION and fields.left == 1 and 1 <= fields.unsigned(1) <= 0x0B:
        return "", ""
    head = fields.take(4)
    if function != _FUNCTION or head[:2] != bytes((_KIND, _BASIC)) or head[2] not in _LEVELS:
        raise UnexpectedReply("This is no device identification.")
    fields.take(1)
    texts: dict[int, str] = {}
    for _ in range(min(fields.unsigned(1), 10)):
        kind = fields.unsigned(1)
        texts[kind] = line_bytes(fields.take(fields.unsigned(1)), 60)
    return " ".join(filter(None, (texts.get(0), texts.get(1)))), texts.get(2, "")


PROBE = one_request("modbus", "MODBUS", 502, READ_IDENTIFICATION, whole, read)
