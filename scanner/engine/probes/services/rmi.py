"""Java RMI, such as JMX or a registry: the acknowledgement of its stream protocol (RMI specification, 10.2).

Whether JMX wants a log-in can't be told from it, so nothing is called open.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

HEADER = b"JRMI" + struct.pack(">HB", 2, 0x4B)
_ACKNOWLEDGED = 0x4E


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is an acknowledgement and exactly the caller's address and port as the server sees it."""
    if len(reply) < 7 or reply[0] != _ACKNOWLEDGED:
        return False
    length = int.from_bytes(reply[1:3], "big")
    return len(reply) == 3 + length + 4 and reply[3 : 3 + length].isascii() and length > 0


async def look(contact: Contact) -> ServiceFacts:
    """Send the stream header and hang up."""
    async with contact.open() as conversation:
        await conversation.send(HEADER)
        reply = await conversation.receive_until(_whole, limit=512)
    if not recognises(reply):
        raise UnexpectedReply("The RMI port answered with something else.")
    return ServiceFacts("JAVA-RMI", Access.UNKNOWN, "Java RMI", exchanges=(exchange(HEADER, reply),))


def _whole(data: bytes) -> bool:
    return len(data) >= 3 and len(data) >= 7 + int.from_bytes(data[1:3], "big")


PROBE = ServiceProbe("java-rmi", frozenset({1090, 1098, 1099, 7199, 9010}), HEADER, recognises, look)
