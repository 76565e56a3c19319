"""MQTT brokers: is a client without credentials let in? Nothing is subscribed to.

Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``; ``code``: the CONNACK return code.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, clear_only

_CONNACK = 0x20
_CLEAN_SESSION = 0x02
_ACCEPTED = 0x00
_REFUSED = frozenset({4, 5, 0x86, 0x87, 0x8C})
"""Bad user name or password, not authorised (3.1.1); the same two and bad authentication method (5.0)."""
_OTHER = frozenset({1, 2, 3, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x88, 0x89, 0x8A, 0x95, 0x97, 0x9C, 0x9D, 0x9F})


def _connect() -> bytes:
    """CONNECT of MQTT 3.1.1: clean session, no user name, no password, no will, 10 seconds to live."""
    identifier = b"roundsman"
    body = struct.pack(">H", 4) + b"MQTT" + struct.pack(">BBH", 4, _CLEAN_SESSION, 10)
    body += struct.pack(">H", len(identifier)) + identifier
    return bytes((0x10, len(body))) + body


CONNECT = _connect()
DISCONNECT = b"\xe0\x00"


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a CONNACK with a return code that a specification defines."""
    if reply[:1] != bytes((_CONNACK,)) or len(reply) < 4:
        return False
    flags, code = reply[2], reply[3]
    shape = (reply[1] == 2 and len(reply) == 4) or (reply[1] >= 3 and len(reply) == reply[1] + 2)
    return shape and flags == 0 and (code == _ACCEPTED or code in _REFUSED or code in _OTHER)


async def look(contact: Contact) -> ServiceFacts:
    """Connect without credentials and disconnect. At the level of greetings nothing more is sent."""
    channel = clear_only(contact)
    if not contact.level.at_least(Level.READ):
        return ServiceFacts("MQTT", Access.UNKNOWN, attributes=channel)
    async with contact.open() as conversation:
        await conversation.send(CONNECT)
        reply = await conversation.receive_until(_whole, limit=256)
        if recognises(reply) and reply[3] == _ACCEPTED:
            await conversation.send(DISCONNECT)
    if not recognises(reply):
        raise UnexpectedReply("The MQTT broker answered CONNECT with something else.")
    access, refusal = judge_code(reply[3])
    attributes = (*channel, *refusal, ("code", str(reply[3])))
    return ServiceFacts("MQTT", access, attributes=attributes, exchanges=(exchange(CONNECT, reply),))


def _whole(data: bytes) -> bool:
    return len(data) >= 2 and len(data) >= data[1] + 2


def judge_code(code: int) -> tuple[Access, Attributes]:
    """Return what the return code of a CONNACK says of a client without credentials, and how it was refused."""
    if code == _ACCEPTED:
        return Access.OPEN, ()
    if code in _REFUSED:
        return Access.RESTRICTED, (("refusal", "credentials"),)
    return Access.UNKNOWN, ()


PROBE = ServiceProbe("mqtt", frozenset({1883, 8883}), CONNECT, recognises, look)
