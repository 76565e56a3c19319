"""Memcached: does it give its statistics to a stranger? Never a key, never a value.

Two ways to be recognised, hence two probes: by the text protocol, and by the binary one, which is all that a server
started with SASL takes. Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``.
"""

from __future__ import annotations

import re
import struct

from scanner.engine.errors import ConnectionLost, HostSilent, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import clear_only

PORTS = frozenset({11211})
VERSION = b"version\r\n"
STATS = b"stats\r\n"

_VERSION_REPLY = re.compile(rb"\AVERSION ([0-9][0-9A-Za-z.+~_-]{0,31})[^\r\n]{0,64}\r\n")
_UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"

# Magic, opcode, key length, extras length, data type, status, body length, opaque, CAS.
_HEADER = struct.Struct(">BBHBBHI4sQ")
_REQUEST, _RESPONSE = 0x80, 0x81
_OP_VERSION, _OP_STAT = 0x0B, 0x10
_OPAQUE = b"rman"
_STATUS_OK, _STATUS_AUTH_ERROR = 0x00, 0x20
BINARY_VERSION = _HEADER.pack(_REQUEST, _OP_VERSION, 0, 0, 0, 0, 0, _OPAQUE, 0)
BINARY_STATS = _HEADER.pack(_REQUEST, _OP_STAT, 0, 0, 0, 0, 0, _OPAQUE, 0)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply to ``version`` is memcached's: its version, or its demand to log in first."""
    return bool(_VERSION_REPLY.match(reply)) or reply == _UNAUTHENTICATED


def recognises_binary(reply: bytes) -> bool:
    """Tell whether the reply is a binary response to our version request, by magic, opcode and opaque."""
    return len(reply) >= _HEADER.size and reply[:2] == bytes((_RESPONSE, _OP_VERSION)) and reply[12:16] == _OPAQUE


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the version, then (at the level of reads) for the general statistics; in text, else in binary."""
    async with contact.open() as conversation:
        try:
            reply = await _line(conversation, VERSION, timeout=1.5)
        except (ConnectionLost, HostSilent):
            return await _look_in_binary(contact)
        evidence = [exchange(VERSION, reply)]
        if reply == _UNAUTHENTICATED:
            return _facts(contact, Access.RESTRICTED, "", evidence)
        version = _VERSION_REPLY.match(reply)
        if version is None:
            raise UnexpectedReply("Memcached answered its version request with something else.")
        access = Access.UNKNOWN
        if contact.level.at_least(Level.READ):
            reply = await _line(conversation, STATS)
            evidence.append(exchange(STATS, reply))
            access = Access.OPEN if reply.startswith(b"STAT ") else Access.UNKNOWN
    return _facts(contact, access, version[1].decode(), evidence)


async def _look_in_binary(contact: Contact) -> ServiceFacts:
    """The version is given also to those who did not log in; the statistics are not."""
    async with contact.open() as conversation:
        status, body, seen = await _binary(conversation, BINARY_VERSION)
        evidence = [seen]
        version = body.decode("ascii", errors="ignore") if status == _STATUS_OK else ""
        access = Access.RESTRICTED if status == _STATUS_AUTH_ERROR else Access.UNKNOWN
        if contact.level.at_least(Level.READ):
            status, _, seen = await _binary(conversation, BINARY_STATS)
            evidence.append(seen)
            access = {_STATUS_OK: Access.OPEN, _STATUS_AUTH_ERROR: Access.RESTRICTED}.get(status, Access.UNKNOWN)
    return _facts(contact, access, version, evidence)


async def _line(conversation: Conversation, request: bytes, timeout: float | None = None) -> bytes:
    await conversation.send(request)
    return await conversation.receive_until(lambda data: data.endswith(b"\r\n"), limit=4096, timeout=timeout)


async def _binary(conversation: Conversation, request: bytes) -> tuple[int, bytes, Exchange]:
    """Send one binary request; return the status and body of the first response, and the evidence."""
    await conversation.send(request)
    header = await conversation.receive_exactly(_HEADER.size)
    magic, _, _, _, _, status, length, _, _ = _HEADER.unpack(header)
    if magic != _RESPONSE or length > 1024:
        raise UnexpectedReply("Memcached's binary response is malformed.")
    body = await conversation.receive_exactly(length)
    return status, body, exchange(request, header + body)


def _facts(contact: Contact, access: Access, version: str, evidence: list[Exchange]) -> ServiceFacts:
    attributes = clear_only(contact)
    if access is Access.RESTRICTED:
        attributes = (*attributes, ("refusal", "credentials"))
    return ServiceFacts("MEMCACHED", access, "Memcached", version, attributes, tuple(evidence))


PROBE = ServiceProbe("memcached", PORTS, VERSION, recognises, look)
BINARY_PROBE = ServiceProbe("memcached", PORTS, BINARY_VERSION, recognises_binary, look)
