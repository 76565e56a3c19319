"""Apache Cassandra and ScyllaDB (CQL binary protocol, version 3): does STARTUP end in READY?

Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``, ``authenticator``: the server's class.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, same_port
from scanner.engine.probes.wire import Fields

# Version (with the direction in its top bit), flags, stream, opcode, body length.
_HEADER = struct.Struct(">BBhBI")
_VERSION = 3
_REPLY = 0x80
_ERROR, _STARTUP, _READY, _AUTHENTICATE, _OPTIONS, _SUPPORTED = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
_STREAM = 0x524D
_UNASKED: tuple[Access, Attributes] = (Access.UNKNOWN, ())


def _frame(opcode: int, body: bytes = b"") -> bytes:
    return _HEADER.pack(_VERSION, 0, _STREAM, opcode, len(body)) + body


def _string(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


OPTIONS = _frame(_OPTIONS)
STARTUP = _frame(_STARTUP, struct.pack(">H", 1) + _string("CQL_VERSION") + _string("3.0.0"))


def recognises(reply: bytes) -> bool:
    """Tell whether the reply to OPTIONS is a SUPPORTED frame, or Cassandra's refusal of the protocol version."""
    if len(reply) < _HEADER.size or not reply[0] & _REPLY:
        return False
    _, _, stream, opcode, _ = _HEADER.unpack_from(reply)
    return (opcode == _SUPPORTED and stream == _STREAM and b"CQL_VERSION" in reply) or also_recognises(reply)


def also_recognises(reply: bytes) -> bool:
    """Recognise the error frame that any other protocol's first byte earns."""
    return bool(reply[:1]) and reply[0] & _REPLY > 0 and b"Invalid or unsupported protocol version" in reply[:80]


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the options, then (at the level of reads) start up and see whether credentials are wanted."""
    async with contact.open() as conversation:
        await conversation.send(OPTIONS)
        reply = await conversation.receive_until(_whole, limit=4096)
        evidence = [exchange(OPTIONS, reply)]
        access, attributes = _UNASKED
        if contact.level.at_least(Level.READ) and reply[4] == _SUPPORTED:
            await conversation.send(STARTUP)
            reply = await conversation.receive_until(_whole, limit=4096)
            evidence.append(exchange(STARTUP, reply))
            access, attributes = _judge(reply)
    attributes = (*await same_port(contact), *attributes)
    return ServiceFacts("CASSANDRA", access, "Apache Cassandra", "", attributes, tuple(evidence))


def _judge(reply: bytes) -> tuple[Access, Attributes]:
    opcode = reply[4]
    if opcode == _READY:
        return Access.OPEN, ()
    if opcode == _AUTHENTICATE:
        body = Fields(reply[_HEADER.size :])
        name = body.take(body.unsigned(2)).decode("utf-8", errors="replace")
        return Access.RESTRICTED, (("refusal", "credentials"), ("authenticator", line(name, 100)))
    raise UnexpectedReply("Cassandra answered STARTUP with neither READY nor AUTHENTICATE.")


def _whole(data: bytes) -> bool:
    return len(data) >= _HEADER.size and len(data) >= _HEADER.size + int.from_bytes(data[5:9], "big")


PROBE = ServiceProbe(
    protocol="cassandra",
    ports=frozenset({9042, 9142}),
    greeting=OPTIONS,
    recognises=recognises,
    also_recognises=also_recognises,
    look=look,
)
