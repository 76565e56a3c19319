"""BACnet/IP: read one property, the maker's name, of the device that answers (ANSI/ASHRAE 135, clause 15.5)."""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Transport
from scanner.engine.probes.services.devices.base import one_request
from scanner.engine.probes.wire import Fields

_TYPE, _UNICAST = 0x81, 0x0A
_INVOKE, _READ_PROPERTY = 0x6D, 0x0C
_COMPLEX_ACK, _ERROR, _REJECT, _ABORT = 3, 5, 6, 7
_VENDOR_NAME = 121
_DESTINATION, _SOURCE = 0x20, 0x08
_NPDU = b"\x01\x04"
"""Version 1, an answer is expected (clause 6.2.2)."""
_APDU = bytes((0x00, 0x05, _INVOKE, _READ_PROPERTY)) + b"\x0c\x02\x3f\xff\xff" + bytes((0x19, _VENDOR_NAME))
"""A confirmed request for the property of the device object with instance 4194303, which stands for whoever gets it."""
READ_VENDOR = bytes((_TYPE, _UNICAST)) + (4 + len(_NPDU + _APDU)).to_bytes(2, "big") + _NPDU + _APDU
_VALUE = bytes((0x19, _VENDOR_NAME, 0x3E))
"""The property's number and the opening tag of its value."""
_TEXT, _LONG = 0x70, 5
"""Tag of a text: the low three bits are its length, or tell that the next octet is (clause 20.2.1.3.1)."""


def read(reply: bytes) -> tuple[str, str]:
    """Return the maker's name; empty when the device refuses to tell it."""
    fields = Fields(reply)
    if (fields.unsigned(1), fields.unsigned(1)) != (_TYPE, _UNICAST) or fields.unsigned(2) != len(reply):
        raise UnexpectedReply("This is no BACnet/IP message.")
    _skip_network_header(fields)
    kind, number = fields.unsigned(1) >> 4, fields.unsigned(1)
    if number != _INVOKE or kind not in (_COMPLEX_ACK, _ERROR, _REJECT, _ABORT):
        raise UnexpectedReply("This is no answer to our BACnet request.")
    if kind in (_REJECT, _ABORT):
        return "", ""
    if fields.unsigned(1) != _READ_PROPERTY:
        raise UnexpectedReply("Another BACnet service was answered than the one that was asked for.")
    return ("" if kind == _ERROR else _text(fields.take(fields.left).partition(_VALUE)[2])), ""


def _text(value: bytes) -> str:
    """Return a text of up to 253 octets, the first of which names its character set; empty for anything else."""
    if len(value) < 2 or value[0] & 0xF8 != _TEXT:
        return ""
    size, start = (value[1], 2) if value[0] & 7 == _LONG else (value[0] & 7, 1)
    return line_bytes(value[start + 1 : start + size], 60)


def _skip_network_header(fields: Fields) -> None:
    """Step over version, control and the addresses of a router's networks (clause 6.2)."""
    if fields.unsigned(1) != 1:
        raise UnexpectedReply("This BACnet message has an unknown version.")
    control = fields.unsigned(1)
    for flag in (_DESTINATION, _SOURCE):
        if control & flag:
            fields.take(2)
            fields.take(fields.unsigned(1))
    if control & _DESTINATION:
        fields.take(1)


PROBE = one_request("bacnet", "BACNET", 47808, READ_VENDOR, lambda _: True, read, Transport.UDP)
