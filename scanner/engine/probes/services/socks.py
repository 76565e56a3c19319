"""SOCKS 5 (RFC 1928): would it connect a stranger onward?

The onward address is 192.0.2.1, which belongs to nobody (RFC 5737).
"""

from __future__ import annotations

from scanner.engine.errors import HostSilent, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

GREETING = b"\x05\x01\x00"
CONNECT = b"\x05\x01\x00\x01" + bytes((192, 0, 2, 1)) + (9).to_bytes(2, "big")
CONNECT_TIMEOUT = 12.0
"""Seconds for the proxy to give up on an address that does not exist."""

_NO_LOGIN, _REFUSED = b"\x05\x00", frozenset({b"\x05\xff", b"\x05\x02"})
"""Some name the log-in that they want, though it was not offered (RFC 1929), instead of accepting none."""
_FORBIDDEN = 2
_REPLIES = range(9)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a method selection of SOCKS 5: exactly two bytes, which take no log-in or want one."""
    return reply == _NO_LOGIN or reply in _REFUSED


async def look(contact: Contact) -> ServiceFacts:
    """Offer no log-in; where that is taken, ask for a connection to an address that leads nowhere.

    Any answer but "not allowed by ruleset" means that it tried. Still trying when the time is up means the same.
    """
    async with contact.open(timeout=CONNECT_TIMEOUT) as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_exactly(2, timeout=3)
        evidence = [exchange(GREETING, reply)]
        if reply in _REFUSED:
            attributes = (("refusal", "credentials"),)
            return ServiceFacts("SOCKS", Access.RESTRICTED, attributes=attributes, exchanges=tuple(evidence))
        access = Access.UNKNOWN
        if contact.level.at_least(Level.READ):
            await conversation.send(CONNECT)
            try:
                reply = await conversation.receive_exactly(4)
            except HostSilent:
                reply = b""
            evidence.append(exchange(CONNECT, reply))
            access = _verdict(reply)
    return ServiceFacts("SOCKS", access, exchanges=tuple(evidence))


def _verdict(reply: bytes) -> Access:
    if not reply:
        return Access.OPEN
    if reply[0] != 5 or reply[1] not in _REPLIES:
        raise UnexpectedReply("The proxy answered the request with something that is not SOCKS 5.")
    return Access.RESTRICTED if reply[1] == _FORBIDDEN else Access.OPEN


PROBE = ServiceProbe(
    protocol="socks", ports=frozenset({1080, 1081, 9050}), greeting=GREETING, recognises=recognises, look=look
)
