"""Products that hand a desktop over: TeamViewer, which speaks first, and Radmin. Nobody is logged in.

Their protocols are not published; what is known of them are the first messages, as nmap's collection of service
probes and libprotoident record them.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

# Magic number, command, length (32); four random bytes, eight of flags, then fixed ones up to the end of the frame.
_TEAMVIEWER = re.compile(
    rb"\A\x17\x24\x0a\x20\x00.{4}..[\x00\x80]\x00{5}\x01\x00{3}[\x10\x11]\x80\x00{14}\Z", re.DOTALL
)
_TEAMVIEWER_SIZE = 37

RADMIN_HELLO = b"\x01\x00\x00\x00\x01\x00\x00\x00\x08\x08"
"""A frame of one byte, with its sum, whose content asks the server what it is."""
_RADMIN = re.compile(rb"\A\x01\x00{3}\x25(.)\x00([\x01\x02])[\x10\x12]\x08\2\x00\1[\x08\x0a]", re.DOTALL)
"""A frame of 37 bytes: its sum ends in the flags that come again behind the version, 2 or 3 less one."""
_RADMIN_BLOCKED = re.compile(rb"\A\x01\x00\x00\x00\x09\x00\x00\x10\x4f\x2f\x10\x00\x00\x04\x00\x00\x00\x1c")


def recognises_teamviewer(banner: bytes) -> bool:
    """Tell whether the banner is TeamViewer's first frame, and nothing else."""
    return bool(_TEAMVIEWER.match(banner))


def recognises_radmin(reply: bytes) -> bool:
    """Tell whether the reply is Radmin's own hello of version 2 or 3, or its refusal of this address."""
    return bool(_RADMIN.match(reply) or _RADMIN_BLOCKED.match(reply))


async def look_at_teamviewer(contact: Contact) -> ServiceFacts:
    """Read the first frame once more."""
    async with contact.open() as conversation:
        banner = await conversation.receive_exactly(_TEAMVIEWER_SIZE)
    if not recognises_teamviewer(banner):
        raise UnexpectedReply("TeamViewer greeted with something else than before.")
    return ServiceFacts("TEAMVIEWER", Access.UNKNOWN, "TeamViewer", exchanges=(exchange(b"", banner),))


async def look_at_radmin(contact: Contact) -> ServiceFacts:
    """Say hello once more and hang up."""
    async with contact.open() as conversation:
        await conversation.send(RADMIN_HELLO)
        reply = await conversation.receive_until(recognises_radmin, limit=256)
    evidence = (exchange(RADMIN_HELLO, reply),)
    if _RADMIN_BLOCKED.match(reply):
        refusal: Attributes = (("refusal", "host-acl"),)
        return ServiceFacts("RADMIN", Access.RESTRICTED, "Radmin", attributes=refusal, exchanges=evidence)
    found = _RADMIN.match(reply)
    if found is None:
        raise UnexpectedReply("Radmin answered its greeting with something else than before.")
    version = str(1 + found[2][0])
    return ServiceFacts("RADMIN", Access.RESTRICTED, "Radmin", version, exchanges=evidence)


PROBES = (
    ServiceProbe("teamviewer", frozenset({5938}), b"", recognises_teamviewer, look_at_teamviewer),
    ServiceProbe("radmin", frozenset({4899}), RADMIN_HELLO, recognises_radmin, look_at_radmin, own_ports_only=True),
)
