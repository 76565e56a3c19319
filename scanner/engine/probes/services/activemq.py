"""Apache ActiveMQ's OpenWire port, by the WireFormatInfo that the broker sends first, and its STOMP port, by the error
that it gives to whatever is no frame of STOMP.

A banner says nothing of who may log in, so nothing is called open. Attributes: ``tls`` (see :mod:`.channel`).
"""

from __future__ import annotations

import re

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import clear_only

_WIRE_FORMAT_INFO = b"\x01ActiveMQ"
NO_FRAME = b"HELP\n\n\0"
"""A frame of STOMP (version 1.2, "STOMP Frames") with a command that there is not."""
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


def recognises_stomp(reply: bytes) -> bool:
    """Tell whether the reply is STOMP's error frame with the class of ActiveMQ's that found the fault."""
    return reply.startswith(b"ERROR\n") and b"\norg.apache.activemq.transport.stomp." in reply


async def look_at_stomp(contact: Contact) -> ServiceFacts:
    """Ask once more for what there is not; nobody connects."""
    async with contact.open() as conversation:
        await conversation.send(NO_FRAME)
        reply = await conversation.receive_until(recognises_stomp, limit=4096)
    evidence = (exchange(NO_FRAME, reply),)
    return ServiceFacts("ACTIVEMQ", Access.UNKNOWN, "Apache ActiveMQ", "", clear_only(contact), evidence)


def _whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= int.from_bytes(data[:4], "big") + 4


PROBE = ServiceProbe("activemq", frozenset({61616}), b"", recognises, look)
STOMP_PROBE = ServiceProbe("stomp", frozenset({61613}), NO_FRAME, recognises_stomp, look_at_stomp, own_ports_only=True)
