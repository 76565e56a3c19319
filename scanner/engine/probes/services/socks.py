"""SOCKS 5 (RFC 1928), and 4 where nothing else is spoken: would it connect a stranger onward?

The onward address is 192.0.2.1, which belongs to nobody (RFC 5737). SOCKS 4 has no greeting but the request itself, so
its first one is for 255.255.255.255: that fails in the proxy's own system, at once and without a packet (RFC 919).
"""

from __future__ import annotations

import time

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_NOBODY, _EVERYBODY = bytes((192, 0, 2, 1)), bytes((255, 255, 255, 255))
_PORT = (9).to_bytes(2, "big")

GREETING = b"\x05\x01\x00"
CONNECT = b"\x05\x01\x00\x01" + _NOBODY + _PORT
GREETING_4 = b"\x04\x01" + _PORT + _EVERYBODY + b"\0"
CONNECT_4 = b"\x04\x01" + _PORT + _NOBODY + b"\0"
CONNECT_TIMEOUT = 12.0
"""Seconds for the proxy to give up on an address that does not exist."""

TRIED_FOR = 2.0
"""Seconds from which a failure of SOCKS 4 is one of the connection: its only code for that, 91, means a refusal, too,
which comes at once."""

_CREDENTIALS: Attributes = (("refusal", "credentials"),)
_REJECTED: Attributes = (("refusal", "rejected"),)
"""By a rule, most likely; a proxy without a route to the address says the same, so whom it lets through is open."""

_NO_LOGIN, _REFUSED = b"\x05\x00", frozenset({b"\x05\xff", b"\x05\x02"})
"""Some name the log-in that they want, though it was not offered (RFC 1929), instead of accepting none."""
_FORBIDDEN = 2
_REPLIES = range(9)
_SIZE_4 = 8
_GRANTED_4, _FAILED_4, _NO_IDENT_4, _OTHER_IDENT_4 = range(90, 94)
_SILENT = 0


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a method selection of SOCKS 5: exactly two bytes, which take no log-in or want one."""
    return reply == _NO_LOGIN or reply in _REFUSED


def recognises_4(reply: bytes) -> bool:
    """Tell whether the reply is one of SOCKS 4: eight bytes, of which the second tells how the request ended."""
    return len(reply) == _SIZE_4 and reply[0] == 0 and _GRANTED_4 <= reply[1] <= _OTHER_IDENT_4


async def look(contact: Contact) -> ServiceFacts:
    """Offer no log-in; where that is taken, ask for a connection to an address that leads nowhere.

    Any answer but "not allowed by ruleset" means that it tried. Still trying when the time is up means the same. Who
    speaks no SOCKS 5 is asked in version 4, whose proxies hang up on it, wait for more, or answer in their own way.
    """
    try:
        return await _look_at_5(contact)
    except ProbeError as error:
        hung_up = isinstance(error, ConnectionLost) and not contact.pause  # it is asked again after a pause
        if hung_up or not contact.level.at_least(Level.READ):
            raise
        try:
            return await _look_at_4(contact)
        except ProbeError:
            raise error from None


async def _look_at_5(contact: Contact) -> ServiceFacts:
    async with contact.open(timeout=CONNECT_TIMEOUT) as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_exactly(2, timeout=3)
        evidence = [exchange(GREETING, reply)]
        if reply in _REFUSED:
            return ServiceFacts("SOCKS", Access.RESTRICTED, attributes=_CREDENTIALS, exchanges=tuple(evidence))
        if reply != _NO_LOGIN:
            raise UnexpectedReply("The proxy chose no way to log in of SOCKS 5.")
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


async def _look_at_4(contact: Contact) -> ServiceFacts:
    code, greeted = await _ask_4(contact, GREETING_4, timeout=3)
    if code == _SILENT:
        raise HostSilent("The proxy answers neither version of SOCKS.")
    began = time.monotonic()
    code, asked = await _ask_4(contact, CONNECT_4, timeout=CONNECT_TIMEOUT)
    access, attributes = _verdict_4(code, time.monotonic() - began)
    return ServiceFacts("SOCKS", access, attributes=attributes, exchanges=(greeted, asked))


async def _ask_4(contact: Contact, request: bytes, timeout: float) -> tuple[int, Exchange]:
    """Return the code that the request earns, ``_SILENT`` when the time is up before, and the evidence."""
    async with contact.open() as conversation:
        await conversation.send(request)
        try:
            reply = await conversation.receive_exactly(_SIZE_4, timeout=timeout)
        except HostSilent:
            return _SILENT, exchange(request, b"")
    if not recognises_4(reply):
        raise UnexpectedReply("The proxy answered the request with something that is not SOCKS 4.")
    return reply[1], exchange(request, reply)


def _verdict_4(code: int, seconds: float) -> tuple[Access, Attributes]:
    if code in (_GRANTED_4, _SILENT) or (code == _FAILED_4 and seconds >= TRIED_FOR):
        return Access.OPEN, ()
    if code == _FAILED_4:
        return Access.UNKNOWN, _REJECTED
    return Access.RESTRICTED, _CREDENTIALS


_PORTS = frozenset({1080, 1081, 4145, 9050})
"""IANA's, its neighbour, that of proxies planted on MikroTik's routers (which speak version 4), and Tor's."""

PROBES = (
    ServiceProbe(protocol="socks", ports=_PORTS, greeting=GREETING, recognises=recognises, look=look),
    ServiceProbe(
        protocol="socks",
        ports=_PORTS,
        greeting=GREETING_4,
        recognises=recognises_4,
        look=look,
        greeting_level=Level.READ,
        own_ports_only=True,
    ),
)
