"""A Java debug port (JDWP): whoever shakes hands may run code in the virtual machine, so the handshake is the proof.

Nothing is asked of the virtual machine. The greeting adds the first four bytes of a packet that is never finished:
a debugger's port sends back the handshake alone, an echo service everything.
"""

from __future__ import annotations

import asyncio

from scanner.engine.errors import ConnectionLost, ConnectionRefused, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

HANDSHAKE = b"JDWP-Handshake"
_UNFINISHED = b"\x00\x00\x00\x0b"
GREETING = HANDSHAKE + _UNFINISHED

_RETRY_AFTER = (0.1, 0.3, 0.6)
"""Seconds until a debug port that has just been left listens again."""


def recognises(reply: bytes) -> bool:
    """Tell whether the handshake came back, and not what followed it; a suspended program may add an event."""
    return reply.startswith(HANDSHAKE) and not reply.startswith(GREETING)


async def look(contact: Contact) -> ServiceFacts:
    """Shake hands and hang up. A debug port stops listening while it is connected and drops who comes too early, so it
    may need another try."""
    for wait in _RETRY_AFTER:
        try:
            return await _shake_hands(contact)
        except (ConnectionLost, ConnectionRefused):
            await asyncio.sleep(wait)
    return await _shake_hands(contact)


async def _shake_hands(contact: Contact) -> ServiceFacts:
    async with contact.open() as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_until(lambda data: len(data) >= len(HANDSHAKE), limit=256)
    if not recognises(reply):
        raise UnexpectedReply("The debug port did not shake hands.")
    return ServiceFacts("JDWP", Access.OPEN, exchanges=(exchange(GREETING, reply),))


PROBE = ServiceProbe(
    protocol="jdwp",
    ports=frozenset({5005, 8787, 9009}),
    greeting=GREETING,
    recognises=recognises,
    look=look,
    one_at_a_time=True,
)
