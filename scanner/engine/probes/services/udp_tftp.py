"""TFTP (RFC 1350): it asks nobody who they are. One file that doesn't exist is asked for, no name is ever guessed."""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

READ_REQUEST = b"\0\x01rm-nosuch-7f3a9c\0octet\0"
_ERROR = b"\0\x05"


def recognises(reply: bytes) -> bool:
    """Tell whether the datagram is a TFTP error: opcode 5, a code of 0 to 8, a text that ends in NUL."""
    return reply[:2] == _ERROR and len(reply) >= 5 and reply[2] == 0 and reply[3] <= 8 and reply.endswith(b"\0")


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the file; the answer comes from another port (RFC 1350 section 4)."""
    reply = await contact.ask(READ_REQUEST, any_port=True)
    if not recognises(reply):
        raise UnexpectedReply("The TFTP server answered with something that is no TFTP error.")
    return ServiceFacts("TFTP", Access.UNKNOWN, exchanges=(exchange(READ_REQUEST, reply),))


PROBE = ServiceProbe(
    protocol="tftp",
    ports=frozenset({69}),
    greeting=READ_REQUEST,
    recognises=recognises,
    look=look,
    transport=Transport.UDP,
    answers_elsewhere=True,
)
