"""Acme's door controllers: do they tell a stranger which doors are open?"""

from __future__ import annotations

import re

from scanner.engine.plugins.api import Access, Contact, Level, ServiceFacts, ServiceProbe, UnexpectedReply, exchange

IDENT = b"IDENT\r\n"
STATUS = b"STATUS\r\n"

_HELLO = re.compile(rb"ACME-DOORS/1 ([0-9][0-9.]{0,15})\r\n")


def recognises(reply: bytes) -> bool:
    """Tell whether this is a controller's whole answer to ``IDENT``."""
    return _HELLO.fullmatch(reply) is not None


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the version and, where one safe read is allowed, for the state of the doors."""
    async with contact.open() as conversation:
        await conversation.send(IDENT)
        hello = await conversation.receive_until(_whole, limit=256)
        version = _HELLO.fullmatch(hello)
        if version is None:
            raise UnexpectedReply("The controller did not name its version.")
        access = Access.UNKNOWN
        evidence = [exchange(IDENT, hello)]
        if contact.level.at_least(Level.READ):
            await conversation.send(STATUS)
            reply = await conversation.receive_until(_whole, limit=256)
            access = _access(reply)
            evidence.append(exchange(STATUS, reply))
    return ServiceFacts("X-ACME-DOORS", access, "Acme Doors", version[1].decode(), exchanges=tuple(evidence))


def _access(reply: bytes) -> Access:
    if reply.startswith(b"OK "):
        return Access.OPEN
    if reply.startswith(b"DENIED"):
        return Access.RESTRICTED
    raise UnexpectedReply("The controller answered STATUS with neither OK nor DENIED.")


def _whole(data: bytes) -> bool:
    return data.endswith(b"\r\n")


PROBE = ServiceProbe(protocol="x-acme-doors", ports=frozenset({7878}), greeting=IDENT, recognises=recognises, look=look)
