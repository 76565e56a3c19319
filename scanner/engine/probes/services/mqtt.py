"""MQTT brokers: is a client without credentials let in? Nothing is subscribed to.

A client of version 3.1.1 is understood nearly everywhere; a broker that turns that version away is asked in version 5.

Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``; ``code``: the CONNACK return code.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import ConnectionLost, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, clear_only

_CONNACK = 0x20
_CLEAN_SESSION = 0x02
_ACCEPTED = 0x00
_REFUSED = frozenset({4, 5, 0x86, 0x87, 0x8C})
"""Bad user name or password, not authorised (3.1.1); the same two and bad authentication method (5.0)."""
_OTHER_VERSION = frozenset({1, 0x84})
"""Unacceptable protocol version (3.1.1), and the same of 5.0, which brokers of that version alone may say, too."""
_OTHER = frozenset({2, 3, 0x80, 0x81, 0x82, 0x83, 0x85, 0x88, 0x89, 0x8A, 0x95, 0x97, 0x9C, 0x9D, 0x9F})
_DEFINED = frozenset({_ACCEPTED}) | _REFUSED | _OTHER_VERSION | _OTHER
_VERSION_3_1_1, _VERSION_5 = 4, 5
_PORTS = frozenset({1883, 8883})


def _connect(version: int) -> bytes:
    """CONNECT: clean session, no user name, no password, no will, 10 seconds to live; of version 5 no properties."""
    identifier = b"roundsman"
    body = struct.pack(">H", 4) + b"MQTT" + struct.pack(">BBH", version, _CLEAN_SESSION, 10)
    body += b"\0" if version == _VERSION_5 else b""
    body += struct.pack(">H", len(identifier)) + identifier
    return bytes((0x10, len(body))) + body


CONNECT = _connect(_VERSION_3_1_1)
CONNECT_5 = _connect(_VERSION_5)
DISCONNECT = b"\xe0\x00"


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a CONNACK with a return code that a specification defines."""
    if reply[:1] != bytes((_CONNACK,)) or len(reply) < 4:
        return False
    flags, code = reply[2], reply[3]
    shape = (reply[1] == 2 and len(reply) == 4) or (reply[1] >= 3 and len(reply) == reply[1] + 2)
    return shape and flags == 0 and code in _DEFINED


async def look(contact: Contact) -> ServiceFacts:
    """Connect without credentials and disconnect. At the level of greetings nothing more is sent."""
    channel = clear_only(contact)
    if not contact.level.at_least(Level.READ):
        return ServiceFacts("MQTT", Access.UNKNOWN, attributes=channel)
    code, evidence = await _let_in(contact)
    access, refusal = judge_code(code)
    attributes = (*channel, *refusal, ("code", str(code)))
    return ServiceFacts("MQTT", access, attributes=attributes, exchanges=evidence)


async def _let_in(contact: Contact) -> tuple[int, tuple[Exchange, ...]]:
    """Return the code of what CONNECT earns, in the version that the broker speaks, and the evidence.

    One of version 5 alone may also hang up on others, without a word (MQTT 5.0 section 3.1.2.2).
    """
    try:
        code, first = await _ask(contact, CONNECT)
    except ConnectionLost:
        if not contact.pause:
            raise  # it may take one connection at a time, and is asked again after a pause
        code, said = await _ask(contact, CONNECT_5)
        return code, (exchange(CONNECT, b""), said)
    if code not in _OTHER_VERSION:
        return code, (first,)
    try:
        code, second = await _ask(contact, CONNECT_5)
    except ProbeError:
        return code, (first,)  # it speaks another version still
    return code, (first, second)


async def _ask(contact: Contact, request: bytes) -> tuple[int, Exchange]:
    async with contact.open() as conversation:
        await conversation.send(request)
        reply = await conversation.receive_until(_whole, limit=256)
        if recognises(reply) and reply[3] == _ACCEPTED:
            await conversation.send(DISCONNECT)
    if not recognises(reply):
        raise UnexpectedReply("The MQTT broker answered CONNECT with something else.")
    return reply[3], exchange(request, reply)


def _whole(data: bytes) -> bool:
    return len(data) >= 2 and len(data) >= data[1] + 2


def judge_code(code: int) -> tuple[Access, Attributes]:
    """Return what the return code of a CONNACK says of a client without credentials, and how it was refused."""
    if code == _ACCEPTED:
        return Access.OPEN, ()
    if code in _REFUSED:
        return Access.RESTRICTED, (("refusal", "credentials"),)
    return Access.UNKNOWN, ()


PROBE = ServiceProbe("mqtt", _PORTS, CONNECT, recognises, look)
PROBE_5 = ServiceProbe("mqtt", _PORTS, CONNECT_5, recognises, look, own_ports_only=True)
"""For brokers that hang up on every other version, on the ports that are theirs."""
