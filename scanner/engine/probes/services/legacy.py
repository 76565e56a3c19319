"""Small services from before firewalls that speak first: chargen, daytime; and IRC. Nothing is sent to them."""

from __future__ import annotations

import re
from collections.abc import Callable

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.udp_amplifiers import is_chargen

_DAYTIME = re.compile(
    rb"\A(?:\w{3,9},? +)?(?:\w{3,9} +\d{1,2}|\d{1,2} +\w{3,9})[, ]+"
    rb"(?:\d{4} +)?\d{2}:\d{2}:\d{2}(?: +\d{4})?[^\n]{0,20}\r?\n\Z"
)
_IRC = re.compile(rb"\A(?::[\w.-]{1,64} )?NOTICE (?:AUTH|\*|Auth) :")
_BANNER_LIMIT = 512


def is_daytime(banner: bytes) -> bool:
    """Tell whether the banner is nothing but a date and time of day (RFC 867)."""
    return bool(_DAYTIME.match(banner))


def is_irc(banner: bytes) -> bool:
    """Tell whether the banner is the notice with which IRC servers greet."""
    return bool(_IRC.match(banner))


def _probe(protocol: str, port: int, recognises: Callable[[bytes], bool]) -> ServiceProbe:
    async def look(contact: Contact) -> ServiceFacts:
        async with contact.open() as conversation:
            banner = await conversation.receive(_BANNER_LIMIT)
        if not recognises(banner):
            raise UnexpectedReply(f"The {protocol} service greeted with something else than before.")
        return ServiceFacts(protocol.upper(), Access.UNKNOWN, exchanges=(exchange(b"", banner),))

    return ServiceProbe(protocol, frozenset({port}), b"", recognises, look)


PROBES = (_probe("chargen", 19, is_chargen), _probe("daytime", 13, is_daytime), _probe("irc", 6667, is_irc))
