"""Apple's file sharing (AFP over DSI): the status that a server gives before any session (Apple, AFP Reference).

Attributes: ``guests``: ``offered`` when the server names the log-in method of guests; none is logged in.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes
from scanner.engine.probes.wire import Fields

_GET_STATUS, _REQUEST, _REPLY = 3, 0, 1
_ID = 0x726D
_HEADER = struct.Struct(">BBHIII")
_GUEST = b"No User Authent"

GREETING = _HEADER.pack(_REQUEST, _GET_STATUS, _ID, 0, 0, 0)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is DSI's to our status request, without error, and lists versions of AFP."""
    if len(reply) < _HEADER.size:
        return False
    flags, command, number, error, length, _ = _HEADER.unpack_from(reply)
    if (flags, command, number, error) != (_REPLY, _GET_STATUS, _ID, 0) or length != len(reply) - _HEADER.size:
        return False
    try:
        return any(name.startswith(b"AFP") for name in _names(reply[_HEADER.size :], 2))
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
    attributes: Attributes = (("guests", "offered"),) if _GUEST in _names(status, 4) else ()
    product = line(machine.decode("utf-8", "backslashreplace"), 60)
    return ServiceFacts("AFP", Access.UNKNOWN, product, "", attributes, (exchange(GREETING, reply),))


def _names(status: bytes, offset: int) -> list[bytes]:
    """Return the counted list of names whose place is told at ``offset``: 2 for versions, 4 for log-in methods."""
    place = int.from_bytes(status[offset : offset + 2], "big")
    fields = Fields(status[place:])
    return [_text(fields) for _ in range(fields.unsigned(1))]


def _text(fields: Fields) -> bytes:
    return fields.take(fields.unsigned(1))


def _whole(data: bytes) -> bool:
    return len(data) >= _HEADER.size and len(data) >= _HEADER.size + int.from_bytes(data[8:12], "big")


PROBE = ServiceProbe("afp", frozenset({548}), GREETING, recognises, look, own_ports_only=True)
