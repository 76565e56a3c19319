"""Elasticsearch's transport port, by which nodes and old Java clients join a cluster; it has no log-in of its own.

It tells by these words whoever takes it for the port of the HTTP interface (Elasticsearch source, ``TcpTransport``).
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

GREETING = b"GET / HTTP/1.0\r\n\r\n"
_REFUSALS = (b"This is not an HTTP port", b"This is not a HTTP port")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is the refusal, and nothing else."""
    return reply.rstrip(b"\r\n") in _REFUSALS


async def look(contact: Contact) -> ServiceFacts:
    """Ask for a page, and read the refusal; no message of the transport's own is sent."""
    async with contact.open() as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_until(recognises, limit=512)
    if not recognises(reply):
        raise UnexpectedReply("Elasticsearch's transport port answered with something else.")
    return ServiceFacts("ELASTIC", Access.UNKNOWN, "Elasticsearch", exchanges=(exchange(GREETING, reply),))


PROBE = ServiceProbe(
    protocol="elasticsearch",
    ports=frozenset({9300}),
    greeting=GREETING,
    recognises=recognises,
    look=look,
    also_recognises=recognises,
    own_ports_only=True,
)
