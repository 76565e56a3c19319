"""DM (达梦): the answer to the start message that its drivers send before a log-in, with the server's version.

The form is that of the maker's published Go driver: a header of 64 bytes, little-endian, whose twentieth byte is the
exclusive or of those before it, then length-prefixed texts. Attributes: ``tls`` (see :mod:`.channel`).
"""

from __future__ import annotations

import re
import struct
from functools import reduce
from operator import xor
from typing import NamedTuple

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade
from scanner.engine.probes.wire import Fields

_START = 200
_HEADER = 64
_CHECKED = 19
_MESSAGE_VERSION = 8
_DRIVER = b"7.6.0.0"
_BODY_LIMIT = 4096
_VERSION = re.compile(rb"\A\d{1,2}\.\d{1,2}\.\d{1,3}\.\d{1,4}\Z")


class _Answer(NamedTuple):
    code: int
    """0, or the negative number of an error."""
    tls: bool
    version: str


def _sum(header: bytes) -> int:
    return reduce(xor, header[:_CHECKED])


def _start() -> bytes:
    """Neither compression nor encryption, no certificate, no name: only what the driver must say of itself."""
    body = struct.pack("<i", len(_DRIVER)) + _DRIVER + b"\0"
    head = struct.pack("<ihi9x", 0, _START, len(body))
    options = struct.pack("<ii6xBH", 0, 0, 1, _MESSAGE_VERSION)
    return (head + bytes([_sum(head)]) + options).ljust(_HEADER, b"\0") + body


START = _start()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a whole message with a right check byte that gives a version, or an error's texts."""
    try:
        _answer(reply)
    except UnexpectedReply:
        return False
    return True


async def look(contact: Contact) -> ServiceFacts:
    """Start once more and hang up before the log-in."""
    async with contact.open() as conversation:
        await conversation.send(START)
        reply = await conversation.receive_until(_whole, limit=_HEADER + _BODY_LIMIT)
    answer = _answer(reply)
    channel = upgrade(contact, answer.tls) if answer.code >= 0 else ()
    return ServiceFacts("DM", Access.UNKNOWN, "DM", answer.version, channel, (exchange(START, reply),))


def _answer(reply: bytes) -> _Answer:
    """Read the reply. Raises ``UnexpectedReply`` when it is not the answer of a DM server."""
    head, body = Fields(reply, "little"), Fields(reply[_HEADER:], "little")
    head.take(4 + 2)
    length, code = head.unsigned(4), head.signed(4)
    head.take(6)
    tls = head.unsigned(4)
    if length != len(reply) - _HEADER or reply[_CHECKED] != _sum(reply):
        raise UnexpectedReply("The reply has not the form of a DM server's messages.")
    for _ in range(3):
        body.take(body.unsigned(4))
    message = body.take(body.unsigned(4))
    if code < 0 and message:
        return _Answer(code, tls=False, version="")
    version = body.take(body.unsigned(4))
    if not _VERSION.match(version):
        raise UnexpectedReply("The DM server gave neither a version nor an error.")
    return _Answer(code, tls > 0, version.decode())


def _whole(data: bytes) -> bool:
    return len(data) >= _HEADER and len(data) >= _HEADER + int.from_bytes(data[6:10], "little")


PROBE = ServiceProbe("dameng", frozenset({5236}), START, recognises, look)
