"""Apple's file sharing (AFP over DSI): the status that a server gives before any session (Apple, AFP Reference)."""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line_bytes
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.wire import Fields

_GET_STATUS, _REQUEST, _REPLY = 3, 0, 1
_ID = 0x726D
_HEADER = struct.Struct(">BBHIII")

_GET_SERVER_INFO = b"\x0f\0"

GREETING = _HEADER.pack(_REQUEST, _GET_STATUS, _ID, 0, len(_GET_SERVER_INFO), 0) + _GET_SERVER_INFO


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is DSI's to our status request, without error, and lists versions of AFP."""
    if len(reply) < _HEADER.size:
        return False
    flags, command, number, error, length, _ = _HEADER.unpack_from(reply)
    if (flags, command, number, error) != (_REPLY, _GET_STATUS, _ID, 0) or length != len(reply) - _HEADER.size:
        return False
    try:
        return any(name.startswith(b"AFP") for name in _versions(reply[_HEADER.size :]))
    except UnexpectedReply:
        return False


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the status once more; no session is opened."""
    async with contact.open() as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_until(_whole, limit=8192)
    if not recognises(reply):
        raise UnexpectedReply("The AFP server's status is not what it was before.")
    status = reply[_HEADER.size :]
    machine = _text(Fields(status[int.from_bytes(status[:2], "big") :]))
    product = line_bytes(machine, 60)
    return ServiceFacts("AFP", Access.UNKNOWN, product, exchanges=(exchange(GREETING, reply),))


def _versions(status: bytes) -> list[bytes]:
    """Return the counted list of AFP's versions, whose place the third and fourth octets tell."""
    fields = Fields(status[int.from_bytes(status[2:4], "big") :])
    return [_text(fields) for _ in range(fields.unsigned(1))]


def _text(fields: Fields) -> bytes:
    return fields.take(fields.unsigned(1))


def _whole(data: bytes) -> bool:
    return len(data) >= _HEADER.size and len(data) >= _HEADER.size + int.from_bytes(data[8:12], "big")


PROBE = ServiceProbe("afp", frozenset({548}), GREETING, recognises, look, own_ports_only=True)
