"""Kerberos: a key distribution centre answers strangers (RFC 4120). Attribute ``realm``: the realm that it serves.

It is asked for a ticket of a realm that no one has (RFC 6761 section 6.4), so nobody's log-in is tried.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services import ber
from scanner.engine.probes.services.base import ServiceProbe

_REALM, _NAME = b"ROUNDSMAN.INVALID", b"roundsman"
_VERSION, _AS_REQ, _ERROR = 5, 10, 30
_AES256, _AES128, _RC4 = 18, 17, 23
_GENERAL_STRING, _GENERALIZED_TIME, _BIT_STRING, _SEQUENCE = 0x1B, 0x18, 0x03, 0x30
_ERROR_TAG = 0x60 | _ERROR
_FIELD_REALM = 0xA9


def _field(number: int, content: bytes) -> bytes:
    return ber.tlv(0xA0 | number, content)


def _name(kind: int, *parts: bytes) -> bytes:
    strings = b"".join(ber.tlv(_GENERAL_STRING, part) for part in parts)
    return ber.tlv(_SEQUENCE, _field(0, ber.integer(kind)) + _field(1, ber.tlv(_SEQUENCE, strings)))


def _request() -> bytes:
    """Encode an AS-REQ without pre-authentication (RFC 4120 section 5.4.1)."""
    kinds = b"".join(ber.integer(kind) for kind in (_AES256, _AES128, _RC4))
    body = (
        _field(0, ber.tlv(_BIT_STRING, bytes(5)))
        + _field(1, _name(1, _NAME))
        + _field(2, ber.tlv(_GENERAL_STRING, _REALM))
        + _field(3, _name(2, b"krbtgt", _REALM))
        + _field(5, ber.tlv(_GENERALIZED_TIME, b"20370913024805Z"))
        + _field(7, ber.integer(0x526D6170))
        + _field(8, ber.tlv(_SEQUENCE, kinds))
    )
    request = _field(1, ber.integer(_VERSION)) + _field(2, ber.integer(_AS_REQ)) + _field(4, ber.tlv(_SEQUENCE, body))
    return ber.tlv(0x60 | _AS_REQ, ber.tlv(_SEQUENCE, request))


AS_REQUEST = _request()


def framed(message: bytes) -> bytes:
    """Put the length in front, as TCP wants it (RFC 4120 section 7.2.2)."""
    return len(message).to_bytes(4, "big") + message


def recognises(reply: bytes) -> bool:
    """Tell whether the datagram is a whole KRB-ERROR of version 5 (RFC 4120 section 5.9.1)."""
    try:
        fields = _fields(reply)
    except UnexpectedReply:
        return False
    return fields.get(0xA0) == ber.integer(_VERSION) and fields.get(0xA1) == ber.integer(_ERROR) and 0xA6 in fields


def recognises_framed(reply: bytes) -> bool:
    """Tell whether the stream is one KRB-ERROR with its length in front."""
    return len(reply) >= 4 and len(reply) == 4 + int.from_bytes(reply[:4], "big") and recognises(reply[4:])


def _fields(reply: bytes) -> dict[int, bytes]:
    tag, content, rest = ber.take(reply)
    inner, sequence, more = ber.take(content)
    if tag != _ERROR_TAG or inner != _SEQUENCE or rest or more:
        raise UnexpectedReply("This is no Kerberos error.")
    return dict(ber.elements(sequence))


async def look(contact: Contact) -> ServiceFacts:
    """Ask once more; the error names the realm."""
    if contact.endpoint.transport is Transport.UDP:
        reply = await contact.ask(AS_REQUEST)
    else:
        async with contact.open() as conversation:
            await conversation.send(framed(AS_REQUEST))
            size = int.from_bytes(await conversation.receive_exactly(4), "big")
            reply = await conversation.receive_exactly(min(size, 4096))
    if not recognises(reply):
        raise UnexpectedReply("The key distribution centre answered with something that is no Kerberos error.")
    _, realm, _ = ber.take(_fields(reply).get(_FIELD_REALM, ber.tlv(_GENERAL_STRING, b"")))
    attributes = (("realm", printable_bytes(realm, 80)),) if realm else ()
    return ServiceFacts("KERBEROS", Access.RESTRICTED, attributes=attributes, exchanges=(exchange(AS_REQUEST, reply),))


PROBES = (
    ServiceProbe("kerberos", frozenset({88}), framed(AS_REQUEST), recognises_framed, look, own_ports_only=True),
    ServiceProbe("kerberos", frozenset({88}), AS_REQUEST, recognises, look, Transport.UDP, own_ports_only=True),
)
