"""NBD, the network block device: it speaks first, and knows no log-in of its own."""

from __future__ import annotations

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_MAGIC = b"NBDMAGIC"


def recognises(banner: bytes) -> bool:
    """Tell whether the banner has NBD's magic number, in the old or new style of the negotiation."""
    return banner.startswith(_MAGIC) and len(banner) >= 16


async def look(contact: Contact) -> ServiceFacts:
    """Read the greeting; no export is opened."""
    async with contact.open() as conversation:
        banner = await conversation.receive_exactly(16)
    return ServiceFacts("NBD", Access.UNKNOWN, exchanges=(exchange(b"", banner),))


PROBE = ServiceProbe(protocol="nbd", ports=frozenset({10809}), greeting=b"", recognises=recognises, look=look)
