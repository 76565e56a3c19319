"""ManageSieve (RFC 5804), by which people edit the filters of their mailboxes: may it continue inside TLS?

Attributes: ``tls`` (see :mod:`.channel`).
"""

from __future__ import annotations

import re

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade
from scanner.engine.probes.starttls import REPLY_WAIT, sieve_told

# Capabilities come in any order, and this one always (section 1.7); the first line is one of them.
_BANNER = re.compile(rb'\A"[A-Z]{2,20}"(?: [^\n]*)?\r?\n', re.IGNORECASE)
_NAMED = re.compile(rb'(?m)^"IMPLEMENTATION" "', re.IGNORECASE)
_START_TLS = re.compile(rb'(?m)^"STARTTLS"', re.IGNORECASE)


def recognises(banner: bytes) -> bool:
    """Tell whether the banner lists the capabilities of a ManageSieve server, its implementation among them."""
    return bool(_BANNER.match(banner) and _NAMED.search(banner))


async def look(contact: Contact) -> ServiceFacts:
    """Read the capabilities, with which the server greets."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(sieve_told, limit=8192, timeout=REPLY_WAIT)
    product = "Dovecot" if b"Dovecot" in banner else ""
    attributes = upgrade(contact, offered=bool(_START_TLS.search(banner)))
    return ServiceFacts("SIEVE", Access.UNKNOWN, product, attributes=attributes, exchanges=(exchange(b"", banner),))


PROBE = ServiceProbe(protocol="sieve", ports=frozenset({4190}), greeting=b"", recognises=recognises, look=look)
