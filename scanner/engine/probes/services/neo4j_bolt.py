"""Neo4j's Bolt port: is a client that offers no credentials let in?

Attributes: ``refusal``: ``credentials``, ``bolt``: the protocol version that was agreed on.
"""

from __future__ import annotations

import re
import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

# Preamble, then four proposals, the first of them a range: minor 4 and the three below it, of major 4.
HANDSHAKE = b"\x60\x60\xb0\x17" + bytes((0, 3, 4, 4, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0))
_AGREED = frozenset({b"\0\0\x04\x04", b"\0\0\x03\x04", b"\0\0\x02\x04", b"\0\0\x01\x04", b"\0\0\0\x04", b"\0\0\0\x03"})

_SUCCESS, _FAILURE = b"\xb1\x70", b"\xb1\x7f"
_UNAUTHORISED = b"Neo.ClientError.Security."
_VERSION = re.compile(rb"\x86server[\x80-\xd0][\x00-\xff]?Neo4j/(\d+\.\d+(?:\.\d+)?)")


def _text(text: str) -> bytes:
    """A PackStream string of fewer than 16 bytes."""
    return bytes((0x80 | len(text),)) + text.encode()


def _hello() -> bytes:
    """HELLO with the two fields that every 3.x and 4.x server wants, in one chunk."""
    message = b"\xb1\x01\xa2" + _text("user_agent") + _text("roundsman/1") + _text("scheme") + _text("none")
    return struct.pack(">H", len(message)) + message + b"\0\0"


HELLO = _hello()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is exactly one of the versions that we proposed."""
    return reply in _AGREED


async def look(contact: Contact) -> ServiceFacts:
    """Agree on a version, then (at the level of reads) say hello without credentials."""
    async with contact.open() as conversation:
        await conversation.send(HANDSHAKE)
        agreed = await conversation.receive_exactly(4)
        if agreed not in _AGREED:
            raise UnexpectedReply("Bolt agreed to a version that was not proposed.")
        attributes: Attributes = (("bolt", f"{agreed[3]}.{agreed[2]}"),)
        evidence = exchange(HANDSHAKE, agreed)
        if not contact.level.at_least(Level.READ):
            return ServiceFacts("NEO4J", Access.UNKNOWN, "Neo4j", "", attributes, (evidence,))
        reply = await _chunked(conversation, HELLO)
    seen = (evidence, exchange(HELLO, reply))
    if reply.startswith(_SUCCESS):
        version = _VERSION.search(reply)
        text = version[1].decode() if version else ""
        return ServiceFacts("NEO4J", Access.OPEN, "Neo4j", text, attributes, seen)
    if reply.startswith(_FAILURE) and _UNAUTHORISED in reply:
        attributes = (*attributes, ("refusal", "credentials"))
        return ServiceFacts("NEO4J", Access.RESTRICTED, "Neo4j", "", attributes, seen)
    raise UnexpectedReply("Bolt answered HELLO with neither success nor a security failure.")


async def _chunked(conversation: Conversation, request: bytes) -> bytes:
    """Send a message; return the first chunk of the answer."""
    await conversation.send(request)
    length = int.from_bytes(await conversation.receive_exactly(2), "big")
    return await conversation.receive_exactly(min(length, 4096))


PROBE = ServiceProbe("bolt", frozenset({7687}), HANDSHAKE, recognises, look)
