"""NTP: does it tell strangers its variables (mode 6) and (with permission) its clients (mode 7, monlist)?

Attributes: ``mode6`` and ``monlist``: ``answered`` or ``silent``; ``bytes_in`` and ``bytes_out`` of the largest
answer, as seen by the server.
"""

from __future__ import annotations

import re

from scanner.engine.errors import HostSilent, ProbeError
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level, Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

CLIENT = b"\x23" + bytes(39) + b"roundman"
"""Version 4, mode 3 (RFC 5905 section 7.3); the transmit time comes back as the origin time."""

READVAR = bytes((0x16, 2, 0, 1)) + bytes(8)
"""Version 2, mode 6, opcode 2: read the system's variables (RFC 9327 section 2)."""

MONLIST = bytes((0x17, 0, 3, 42)) + bytes(4)
"""Version 2, mode 7, implementation XNTPD, request 42: the list of recent clients (CVE-2013-5211)."""

_VERSION = re.compile(rb'version="(?:ntpd )?(ntpd|ntpsec|chronyd?)[ -](\d[\w.]{0,15})')


def recognises(reply: bytes) -> bool:
    """Tell whether the datagram is a server's answer (mode 4) to our request, by the echoed time."""
    return len(reply) >= 48 and reply[0] & 0x07 == 4 and reply[24:32] == CLIENT[40:48]


def is_readvar(reply: bytes) -> bool:
    """Tell whether the datagram is a mode 6 response without error that carries variables."""
    response = len(reply) > 12 and reply[0] & 0x07 == 6 and reply[1] & 0xDF == 0x82
    return response and int.from_bytes(reply[10:12], "big") > 0


def is_monlist(reply: bytes) -> bool:
    """Tell whether the datagram is a mode 7 response without error that lists at least one client."""
    response = len(reply) > 8 and reply[0] & 0x87 == 0x87 and reply[3] == 42
    return response and reply[4] >> 4 == 0 and int.from_bytes(reply[4:6], "big") & 0x0FFF > 0


async def look(contact: Contact) -> ServiceFacts:
    """Ask the time; at the level of reads the variables; with permission the list of clients.

    A server that limits its clients (``restrict limited``) may not tell the time once more after the greeting, and
    answer the rest all the same. Raises ``HostSilent`` when it answers nothing any more.
    """
    evidence: list[Exchange] = []
    await _ask(contact, CLIENT, evidence)
    attributes: list[tuple[str, str]] = []
    sizes: dict[str, int] = {}
    version = ("", "")
    if contact.level.at_least(Level.READ):
        reply = await _ask(contact, READVAR, evidence)
        attributes.append(("mode6", "answered" if is_readvar(reply) else "silent"))
        sizes = {"bytes_in": len(READVAR), "bytes_out": len(reply)} if is_readvar(reply) else {}
        found = _VERSION.search(reply)
        version = (found[1].decode(), found[2].decode()) if found else version
    if contact.level.at_least(Level.CREDENTIAL):
        reply = await _ask(contact, MONLIST, evidence)
        attributes.append(("monlist", "answered" if is_monlist(reply) else "silent"))
        if is_monlist(reply):
            sizes = {"bytes_in": len(MONLIST), "bytes_out": len(reply)}
    if not evidence:
        raise HostSilent("The NTP server no longer answers.")
    attributes += [(name, str(size)) for name, size in sizes.items()]
    access = Access.OPEN if sizes else Access.UNKNOWN
    return ServiceFacts("NTP", access, *version, attributes=tuple(attributes), exchanges=tuple(evidence))


async def _ask(contact: Contact, request: bytes, evidence: list[Exchange]) -> bytes:
    """Return the answer, or nothing when the server keeps silent as it should."""
    try:
        reply = await contact.ask(request)
    except ProbeError:
        return b""
    evidence.append(exchange(request, reply))
    return reply


PROBE = ServiceProbe(
    protocol="ntp",
    ports=frozenset({123}),
    greeting=CLIENT,
    recognises=recognises,
    look=look,
    transport=Transport.UDP,
)
