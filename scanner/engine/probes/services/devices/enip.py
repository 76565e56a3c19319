"""EtherNet/IP: ListIdentity, over TCP and UDP (CIP Networks Library volume 2, section 2-4.3)."""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Transport
from scanner.engine.probes.services.devices.base import one_request
from scanner.engine.probes.wire import Fields

_COMMAND, _IDENTITY = 0x63, 0x0C
_CONTEXT = b"roundman"
_HEADER = struct.Struct("<HHII8sI")
LIST_IDENTITY = _HEADER.pack(_COMMAND, 0, 0, 0, _CONTEXT, 0)


def whole(data: bytes) -> bool:
    """Tell whether the message has arrived as long as its header says."""
    return len(data) >= _HEADER.size + int.from_bytes(data[2:4], "little") and len(data) >= _HEADER.size


def read(reply: bytes) -> tuple[str, str]:
    """Return the product's name and its revision."""
    if len(reply) < _HEADER.size:
        raise UnexpectedReply("This is no EtherNet/IP message.")
    command, size, _, status, context, _ = _HEADER.unpack_from(reply)
    if (command, size, status, context) != (_COMMAND, len(reply) - _HEADER.size, 0, _CONTEXT):
        raise UnexpectedReply("This is no answer to our ListIdentity.")
    fields = Fields(reply[_HEADER.size :], "little")
    if fields.unsigned(2) < 1 or fields.unsigned(2) != _IDENTITY:
        raise UnexpectedReply("ListIdentity was answered without an identity.")
    item = Fields(fields.take(fields.unsigned(2)), "little")
    item.take(2 + 16 + 6)  # version, socket address, vendor, device type and product code
    major, minor = item.unsigned(1), item.unsigned(1)
    item.take(6)
    return line_bytes(item.take(item.unsigned(1)), 60), f"{major}.{minor:03}"


PROBES = (
    one_request("ethernet-ip", "ENIP", 44818, LIST_IDENTITY, whole, read),
    one_request("ethernet-ip", "ENIP", 44818, LIST_IDENTITY, whole, read, Transport.UDP),
)
