"""Tomcat's AJP connector (AJP/1.3): it answers a ping.

Whether it wants a shared secret shows only in a forwarded request, which is not sent.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

CPING = b"\x12\x34\x00\x01\x0a"
CPONG = b"AB\x00\x01\x09"


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is CPong."""
    return reply == CPONG


async def look(contact: Contact) -> ServiceFacts:
    """Send CPing."""
    async with contact.open() as conversation:
        await conversation.send(CPING)
        reply = await conversation.receive_exactly(len(CPONG))
    if not recognises(reply):
        raise UnexpectedReply("The AJP connector answered the ping with something else.")
    return ServiceFacts("AJP", Access.UNKNOWN, exchanges=(exchange(CPING, reply),))


PROBE = ServiceProbe("ajp", frozenset({8009}), CPING, recognises, look)
