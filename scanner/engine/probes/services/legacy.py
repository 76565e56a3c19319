"""Services that speak first: chargen, daytime, systat and netstat from before firewalls, IRC, BGP.

Nothing is sent but one word to IRC servers, some of which keep silent until they hear one.
"""

from __future__ import annotations

import asyncio
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
# Its notice, or what it answers to those who speak before they have registered (RFC 1459 section 6.1, code 451; ngIRCd
# has words of its own for web browsers).
_IRC = re.compile(
    rb"\A(?::[\w.-]{1,64} )?(?:NOTICE (?:AUTH|\*|Auth) :|451 [^\s:]{1,64} (?:[^\s:]{1,20} )?:"
    rb'|ERROR :"?Oops, HTTP request received\? This is IRC)'
)
_IRC_WORD = b"PING roundsman\r\n"
# The head of what inetd's usual programs for these two print: ps or w, and netstat.
_SYSTAT = re.compile(
    rb"\A\s*(?:(?:USER|UID)[ \t]+PID[ \t]|PID[ \t]+TTY[ \t]|[^\n]{0,60} load averages?: [\d., ]+\r?\n)"
)
_NETSTAT = re.compile(rb"\A\s*Active Internet connections\b")
_BGP_MARKER, _BGP_HEAD = b"\xff" * 16, 19
_BGP_OPEN, _BGP_NOTIFICATION = 1, 3
_BANNER_LIMIT = 512
_PAUSES = (0.0, 0.3, 1.0)
"""Seconds before each try: a router that has a connection of ours refuses the next until it has seen the first end."""


def is_daytime(banner: bytes) -> bool:
    """Tell whether the banner is nothing but a date and time of day (RFC 867)."""
    return bool(_DAYTIME.match(banner))


def is_irc(banner: bytes) -> bool:
    """Tell whether this is the notice with which IRC servers greet, or their answer to whoever has not registered."""
    return bool(_IRC.match(banner))


def is_systat(banner: bytes) -> bool:
    """Tell whether the banner is a list of processes or of users, as ``ps`` and ``w`` print it (RFC 866)."""
    return bool(_SYSTAT.match(banner))


def is_netstat(banner: bytes) -> bool:
    """Tell whether the banner is the list of connections that ``netstat`` prints."""
    return bool(_NETSTAT.match(banner))


def is_bgp(banner: bytes) -> bool:
    """Tell whether the banner is a whole OPEN or NOTIFICATION (RFC 4271 section 4.1).

    A router sends one unasked to neighbours that it would take, and to some that it refuses.
    """
    if len(banner) < _BGP_HEAD or not banner.startswith(_BGP_MARKER):
        return False
    return banner[18] in (_BGP_OPEN, _BGP_NOTIFICATION) and _BGP_HEAD < int.from_bytes(banner[16:18], "big") <= len(
        banner
    )


def _probe(
    protocol: str, port: int, recognises: Callable[[bytes], bool], *, word: bytes = b"", one_at_a_time: bool = False
) -> ServiceProbe:
    async def look(contact: Contact) -> ServiceFacts:
        banner = b""
        for pause in _PAUSES if one_at_a_time else _PAUSES[:1]:
            await asyncio.sleep(pause)
            async with contact.open() as conversation:
                if word:
                    await conversation.send(word)
                banner = await conversation.receive(_BANNER_LIMIT)
            if banner:
                break
        if not recognises(banner):
            raise UnexpectedReply(f"The {protocol} service greeted with something else than before.")
        return ServiceFacts(protocol.upper(), Access.UNKNOWN, exchanges=(exchange(word, banner),))

    return ServiceProbe(protocol, frozenset({port}), b"", recognises, look, one_at_a_time=one_at_a_time)


PROBES = (
    _probe("chargen", 19, is_chargen),
    _probe("daytime", 13, is_daytime),
    _probe("irc", 6667, is_irc, word=_IRC_WORD),
    _probe("systat", 11, is_systat),
    _probe("netstat", 15, is_netstat),
    _probe("bgp", 179, is_bgp, one_at_a_time=True),
)
