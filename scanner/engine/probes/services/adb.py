"""Android Debug Bridge: does the device accept a connection without asking for a key?

No key is offered, so nothing pops up on the device's screen. Attributes: ``refusal``: ``credentials``.
"""

from __future__ import annotations

import re
import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

# Command, two arguments, payload length, payload checksum, command inverted; little-endian.
_HEADER = struct.Struct("<4sIIII4s")
_CONNECT, _AUTH, _START_TLS = b"CNXN", b"AUTH", b"STLS"
_PROTOCOL_VERSION, _MAX_PAYLOAD = 0x01000000, 4096
_STATES = (b"device:", b"recovery:", b"sideload:", b"bootloader:", b"rescue:")
_MODEL = re.compile(rb"ro\.product\.model=([^;\x00]{1,64})")


def _invert(command: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in command)


def _connect() -> bytes:
    payload = b"host::\0"
    head = (_CONNECT, _PROTOCOL_VERSION, _MAX_PAYLOAD, len(payload), sum(payload), _invert(_CONNECT))
    return _HEADER.pack(*head) + payload


CONNECT = _connect()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a device's own connect message, or its demand for a key or for TLS."""
    if len(reply) < _HEADER.size or reply[20:24] != _invert(reply[:4]):
        return False
    return reply[:4] in (_AUTH, _START_TLS) or (reply[:4] == _CONNECT and reply[24:].startswith(_STATES))


async def look(contact: Contact) -> ServiceFacts:
    """Say connect and hang up."""
    async with contact.open() as conversation:
        await conversation.send(CONNECT)
        reply = await conversation.receive_until(_whole, limit=4096)
    if not recognises(reply):
        raise UnexpectedReply("The debug bridge answered with something else.")
    evidence, product = (exchange(CONNECT, reply),), "Android Debug Bridge"
    if reply[:4] != _CONNECT:
        refusal = (("refusal", "credentials"),)
        return ServiceFacts("ADB", Access.RESTRICTED, product, "", refusal, evidence)
    model = _MODEL.search(reply)
    attributes = (("model", line(model[1].decode("utf-8", errors="replace"))),) if model else ()
    return ServiceFacts("ADB", Access.OPEN, product, "", attributes, evidence)


def _whole(data: bytes) -> bool:
    return len(data) >= _HEADER.size and len(data) >= _HEADER.size + int.from_bytes(data[12:16], "little")


PROBE = ServiceProbe("adb", frozenset({5555}), CONNECT, recognises, look)
