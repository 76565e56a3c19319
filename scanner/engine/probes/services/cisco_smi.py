"""Cisco Smart Install: whoever reaches a client of it can rewrite its configuration, as it knows no log-in.

The question and its answer are those of Cisco's own checker (github.com/Cisco-Talos/smi_check), which asks a client
for nothing and changes nothing.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

QUESTION = struct.pack(">6I", 1, 1, 4, 8, 1, 0)
ANSWER = struct.pack(">6I", 4, 0, 3, 8, 1, 0)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a Smart Install client's, to the byte."""
    return reply == ANSWER


async def look(contact: Contact) -> ServiceFacts:
    """Ask once more and hang up."""
    async with contact.open() as conversation:
        await conversation.send(QUESTION)
        reply = await conversation.receive_exactly(len(ANSWER))
    if not recognises(reply):
        raise UnexpectedReply("The port did not answer as a Smart Install client does.")
    return ServiceFacts("CISCO-SMI", Access.UNKNOWN, "Cisco Smart Install", exchanges=(exchange(QUESTION, reply),))


PROBE = ServiceProbe("cisco-smi", frozenset({4786}), QUESTION, recognises, look, own_ports_only=True)
