"""The Berkeley r-commands on 512 to 514: host-based trust and passwords in clear."""

from __future__ import annotations

import re

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

# What rexecd, rlogind and rshd say to a client that comes from an unprivileged port: an error octet and a line.
_BANNER = re.compile(rb"\A\x01(?:Where are you\?|rlogind: |rshd: |remshd: |rexecd: |Permission denied)")


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is the error that the r-daemons give to clients without a privileged port."""
    return bool(_BANNER.match(banner))


async def look(contact: Contact) -> ServiceFacts:
    """Read the refusal once more; nothing is sent."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(lambda data: b"\n" in data, limit=256)
    return ServiceFacts("RSH", Access.RESTRICTED, exchanges=(exchange(b"", banner),))


PROBE = ServiceProbe(protocol="rsh", ports=frozenset({512, 513, 514}), greeting=b"", recognises=recognises, look=look)
