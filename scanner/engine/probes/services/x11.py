"""X11: does the display take a client that shows no authorisation? (X Window System Protocol, section 8)

Attributes: ``refusal``: ``credentials`` when the display wants authorisation.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

SETUP = b"l\0" + (11).to_bytes(2, "little") + bytes(8)
"""Least significant byte first, protocol 11.0, no authorisation."""

_FAILED, _SUCCESS, _AUTHENTICATE = 0, 1, 2
_HEAD = 8


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a connection setup reply: its state, protocol 11 and a length that fits."""
    if len(reply) < _HEAD or reply[0] not in (_FAILED, _SUCCESS, _AUTHENTICATE):
        return False
    major, minor = int.from_bytes(reply[2:4], "little"), int.from_bytes(reply[4:6], "little")
    size = int.from_bytes(reply[6:8], "little") * 4
    if reply[0] == _SUCCESS:
        return (major, minor) == (11, 0) and size >= 32
    fits = len(reply) == _HEAD + size
    return fits and (reply[0] == _AUTHENTICATE or ((major, minor) == (11, 0) and 0 < reply[1] <= size))


async def look(contact: Contact) -> ServiceFacts:
    """Send the setup request and close; no window, no image, no key is ever asked for."""
    async with contact.open() as conversation:
        await conversation.send(SETUP)
        reply = await conversation.receive_exactly(_HEAD)
        if reply[0] != _SUCCESS:
            reply += await conversation.receive_exactly(min(int.from_bytes(reply[6:8], "little") * 4, 512))
    evidence = (exchange(SETUP, reply),)
    if reply[0] == _SUCCESS:
        return ServiceFacts("X11", Access.OPEN, exchanges=evidence)
    if not recognises(reply):
        raise UnexpectedReply("The display answered the setup request with something else.")
    return ServiceFacts("X11", Access.RESTRICTED, attributes=(("refusal", "credentials"),), exchanges=evidence)


PROBE = ServiceProbe(
    protocol="x11", ports=frozenset(range(6000, 6011)), greeting=SETUP, recognises=recognises, look=look
)
