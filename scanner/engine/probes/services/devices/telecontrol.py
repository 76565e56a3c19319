"""Telecontrol: IEC 60870-5-104 and DNP3. Each is asked whether the link is alive; no data is asked for or let flow."""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.services.devices.base import one_request

TEST_ACTIVATE = b"\x68\x04\x43\0\0\0"
TEST_CONFIRM = b"\x68\x04\x83\0\0\0"
"""A test frame and its confirmation (IEC 60870-5-104 section 5.2); STARTDT, which starts the data, is never sent."""

_MASTER, _OUTSTATION = 1024, 1
_REQUEST_LINK_STATUS = 0xC9
"""From a master, primary, function 9 (IEEE 1815 section 9.2.4)."""
_LINK_STATUS, _NOT_SUPPORTED = 11, 15
_PRIMARY = 0x40
_FRAME = 10


def checksum(data: bytes) -> bytes:
    """Return the CRC of DNP3's link layer: polynomial 0x3D65, reflected, complemented (IEEE 1815 section 9.2.4.3)."""
    value = 0
    for octet in data:
        value ^= octet
        for _ in range(8):
            value = (value >> 1) ^ 0xA6BC if value & 1 else value >> 1
    return struct.pack("<H", value ^ 0xFFFF)


def frame(control: int, destination: int, source: int) -> bytes:
    """Return a link frame without data."""
    head = struct.pack("<BBBBHH", 0x05, 0x64, 5, control, destination, source)
    return head + checksum(head)


LINK_STATUS_REQUEST = frame(_REQUEST_LINK_STATUS, _OUTSTATION, _MASTER)
"""To one address only, the commonest; an outstation with another keeps silent, and is then not recognised."""


def read_iec104(reply: bytes) -> tuple[str, str]:
    """Hold the reply against the confirmation."""
    if reply != TEST_CONFIRM:
        raise UnexpectedReply("The test frame was not confirmed.")
    return "", ""


def read_dnp3(reply: bytes) -> tuple[str, str]:
    """Hold the reply against a secondary frame from the outstation to us."""
    if len(reply) != _FRAME:
        raise UnexpectedReply("This is no link frame of DNP3.")
    control = reply[3]
    if reply != frame(control, _MASTER, _OUTSTATION) or control & _PRIMARY:
        raise UnexpectedReply("This is no answer to our request for the link's status.")
    if control & 0x0F not in (_LINK_STATUS, _NOT_SUPPORTED):
        raise UnexpectedReply("The request for the link's status was answered with another function.")
    return "", ""


PROBES = (
    one_request("iec104", "IEC104", 2404, TEST_ACTIVATE, lambda data: len(data) >= len(TEST_CONFIRM), read_iec104),
    one_request("dnp3", "DNP3", 20000, LINK_STATUS_REQUEST, lambda data: len(data) >= _FRAME, read_dnp3),
)
