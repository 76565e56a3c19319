"""DICOM: is a stranger's association accepted (PS3.8 section 9.3)? It is released at once, unused."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Awaitable

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.devices.base import DeviceProbe

_REQUEST, _ACCEPT, _REJECT, _RELEASE = 1, 2, 3, 5
_APPLICATION, _VERIFICATION, _IMPLICIT = b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.1.1", b"1.2.840.10008.1.2"
_OUR_CLASS = b"2.25.109340530123456789"
_CALLED, _CALLING = b"ANY-SCP".ljust(16), b"ROUNDSMAN".ljust(16)
_HEADER = 6
_LIMIT = 16384


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def _pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(content)) + content


def _associate() -> bytes:
    """Encode a request for the verification service, the only one that touches no data."""
    context = b"\x01\0\0\0" + _item(0x30, _VERIFICATION) + _item(0x40, _IMPLICIT)
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, _OUR_CLASS)
    items = _item(0x10, _APPLICATION) + _item(0x20, context) + _item(0x50, user)
    return _pdu(_REQUEST, struct.pack(">HH", 1, 0) + _CALLED + _CALLING + bytes(32) + items)


ASSOCIATE = _associate()
RELEASE = _pdu(_RELEASE, bytes(4))


async def look(contact: Contact) -> ServiceFacts:
    """Ask for an association and release it."""
    async with contact.open() as conversation:
        await conversation.send(ASSOCIATE)
        head = await conversation.receive_exactly(_HEADER)
        size = int.from_bytes(head[2:], "big")
        if head[0] not in (_ACCEPT, _REJECT) or not 4 <= size <= _LIMIT:
            raise UnexpectedReply("This is no answer to a request for an association.")
        body = await conversation.receive_exactly(size)
        accepted = head[0] == _ACCEPT
        if not (is_acceptance(body) if accepted else is_rejection(body)):
            raise UnexpectedReply("The answer to our request for an association is malformed.")
        if accepted:
            await conversation.send(RELEASE)
            await _last_word(conversation.receive(_HEADER, timeout=1.0))
    access = Access.OPEN if accepted else Access.RESTRICTED
    return ServiceFacts("DICOM", access, exchanges=(exchange(ASSOCIATE, head + body),))


def is_acceptance(body: bytes) -> bool:
    """Tell whether an A-ASSOCIATE-AC names version 1 and DICOM's application context."""
    return len(body) > 68 and body[1] & 1 == 1 and _item(0x10, _APPLICATION) in body[68:]


def is_rejection(body: bytes) -> bool:
    """Tell whether an A-ASSOCIATE-RJ has a result, source and reason that there are."""
    return len(body) == 4 and body[1] in (1, 2) and body[2] in (1, 2, 3) and 1 <= body[3] <= 10


async def _last_word(receive: Awaitable[bytes]) -> None:
    with contextlib.suppress(ProbeError):
        await receive


PROBE = DeviceProbe("dicom", frozenset({104, 11112}), look)
