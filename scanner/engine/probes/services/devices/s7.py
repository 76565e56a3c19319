"""Siemens S7: a transport connection (RFC 905 over RFC 1006) and the setup of communication. Nothing is read."""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.devices.base import DeviceProbe

CONNECT = bytes.fromhex("0300001611e00000726d00c1020100c2020102c0010a")
"""A connection request from our reference 0x726d to rack 0, slot 2, where the processor usually sits."""
SETUP = bytes.fromhex("0300001902f08032010000726d00080000f0000001000101e0")
"""A job of function 0xF0, setup of communication: how many jobs at once, and how long a message may be."""
_CONFIRM = 0xD0
_DATA, _S7, _RESPONSE, _FUNCTION = b"\x02\xf0\x80", 0x32, 3, 0xF0
_HEADER = 4
_LIMIT = 512


async def look(contact: Contact) -> ServiceFacts:
    """Connect, set communication up, and hang up."""
    async with contact.open() as conversation:
        confirmed = await _ask(conversation, CONNECT)
        if len(confirmed) < 11 or confirmed[5] != _CONFIRM or confirmed[6:8] != CONNECT[8:10]:
            raise UnexpectedReply("The controller did not confirm the transport connection.")
        reply = await _ask(conversation, SETUP)
    if not is_setup(reply):
        raise UnexpectedReply("What answered the transport connection does not speak S7.")
    return ServiceFacts("S7", Access.UNKNOWN, exchanges=(exchange(CONNECT, confirmed), exchange(SETUP, reply)))


def is_setup(reply: bytes) -> bool:
    """Tell whether the message is the response to our job, refused or not."""
    if len(reply) < 20 or reply[4:7] != _DATA or reply[7] != _S7:
        return False
    return reply[8] == _RESPONSE and reply[11:13] == SETUP[11:13] and reply[19] == _FUNCTION


async def _ask(conversation: Conversation, request: bytes) -> bytes:
    await conversation.send(request)
    head = await conversation.receive_exactly(_HEADER)
    size = int.from_bytes(head[2:4], "big")
    if head[:2] != b"\x03\x00" or not _HEADER < size <= _LIMIT:
        raise UnexpectedReply("This is no TPKT message.")
    return head + await conversation.receive_exactly(size - _HEADER)


PROBE = DeviceProbe("s7", frozenset({102}), look)
