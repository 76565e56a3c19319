"""Apache ActiveMQ's OpenWire port, by the WireFormatInfo that the broker sends first.

A banner says nothing of who may log in, so nothing is called open. Attributes: ``tls`` (see :mod:`.channel`).
"""

from __future__ import annotations

import re

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import clear_only

_WIRE_FORMAT_INFO = b"\x01ActiveMQ"
_VERSION = re.compile(rb"ProviderVersion\x09\x00[\x01-\x20](\d+\.\d+\.\d+)")


def recognises(banner: bytes) -> bool:
    """Tell whether the first frame is a WireFormatInfo: a length, type 1 and the magic word."""
    return banner[4:13] == _WIRE_FORMAT_INFO and int.from_bytes(banner[:4], "big") < 4096


async def look(contact: Contact) -> ServiceFacts:
    """Read the broker's first frame."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(_whole, limit=4096)
    version = _VERSION.search(banner)
    return ServiceFacts(
        "ACTIVEMQ",
        Access.UNKNOWN,
        "Apache ActiveMQ",
        version[1].decode() if version else "",
        clear_only(contact),
        (exchange(b"", banner),),
    )


def _whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= int.from_bytes(data[:4], "big") + 4


PROBE = ServiceProbe("activemq", frozenset({61616}), b"", recognises, look)
