"""NNTP (RFC 3977), by which news is read and passed on: may it continue inside TLS (RFC 4642)?

Attributes: ``tls`` (see :mod:`.channel`).
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade
from scanner.engine.probes.starttls import REPLY_WAIT

# 200 lets its clients post and 201 does not (RFC 3977 section 5.1.1); the words are the server's own.
_BANNER = re.compile(rb"\A20[01] [^\n]*\b(?:NNTP|NNRP|InterNetNews|Usenet|Leafnode)\b[^\n]*\n", re.IGNORECASE)
_START_TLS = re.compile(rb"(?mi)^STARTTLS\b")
_ASK = b"CAPABILITIES\r\n"
_LIMIT = 8192


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is a news server's: its code, and a word that only they have."""
    return _BANNER.match(banner) is not None


async def look(contact: Contact) -> ServiceFacts:
    """Read the greeting and ask for the capabilities, which old servers don't know; those have no TLS either."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(lambda data: data.endswith(b"\n"), timeout=REPLY_WAIT)
        if not recognises(banner):
            raise UnexpectedReply("The news server takes no one now.")
        await conversation.send(_ASK)
        reply = await conversation.receive_until(_told, limit=_LIMIT, timeout=REPLY_WAIT)
    attributes = upgrade(contact, offered=bool(_START_TLS.search(reply)))
    evidence = (exchange(b"", banner), exchange(_ASK, reply))
    return ServiceFacts("NNTP", Access.UNKNOWN, attributes=attributes, exchanges=evidence)


def _told(data: bytes) -> bool:
    """Tell whether the reply is whole: a list ends with a dot on a line of its own, a refusal with its line."""
    return data.endswith(b"\n") and (not data.startswith(b"101") or data.endswith((b"\n.\r\n", b"\n.\n")))


PROBE = ServiceProbe(protocol="nntp", ports=frozenset({119, 563}), greeting=b"", recognises=recognises, look=look)
