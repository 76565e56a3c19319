"""iSCSI: which targets does the portal list to an initiator without credentials (RFC 7143)?

A discovery session offers no authentication, asks for the list and logs out; no target is ever logged in to.
Attributes: ``targets``: how many were listed; ``refusal``: ``credentials``.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe

_LOGIN, _TEXT, _LOGOUT = 0x43, 0x04, 0x46  # log-in and log-out are sent for immediate delivery (0x40)
_LOGIN_REPLY, _TEXT_REPLY = 0x23, 0x24
_TRANSIT, _FINAL = 0x80, 0x80
_SECURITY, _OPERATIONAL, _FULL_FEATURE = 0, 1, 3
_HEADER = 48
_TAG = b"rndm"
_SESSION = b"\x80rnd\0\0"
"""An ISID in the random format (section 11.12.5)."""
_INITIATOR = b"iqn.2026-01.example.roundsman:inspection"
_DATA_LIMIT = 8192
"""Bytes of data that one PDU may carry: MaxRecvDataSegmentLength's default (section 13.12)."""

_INITIATOR_ERROR = 2
_NOT_LET_IN = {1, 2}
"""Status details of an initiator error: authentication failed, not authorised (section 11.13.5)."""
_REJECTED = b"AuthMethod=Reject\0"
_TARGET = re.compile(rb"(?:\A|\0)TargetName=[^\0]{1,223}\0")


class _Reply(NamedTuple):
    flags: int
    status: tuple[int, int]
    sequence: int
    data: bytes


def _pdu(opcode: int, flags: int, specific: bytes, text: bytes = b"") -> bytes:
    """A PDU: its header, whose last 28 bytes the opcode lays out, and padded data (section 11.2)."""
    head = struct.pack(">BBH", opcode, flags, 0) + len(text).to_bytes(4, "big")
    return head + specific + text + bytes(-len(text) % 4)


def _login(stage: int, following: int, acknowledged: int, *keys: bytes) -> bytes:
    """A log-in request for a new session that asks to go from ``stage`` to ``following`` (section 11.12)."""
    specific = _SESSION + b"\0\0" + _TAG + struct.pack(">HHII16x", 0, 0, 1, acknowledged)
    return _pdu(_LOGIN, _TRANSIT | stage << 2 | following, specific, b"".join(key + b"\0" for key in keys))


GREETING = _login(
    _SECURITY,
    _OPERATIONAL,
    0,
    b"InitiatorName=" + _INITIATOR,
    b"SessionType=Discovery",
    b"AuthMethod=None",
)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a log-in response to our task, of protocol version 0, with a known status class."""
    if len(reply) < _HEADER or reply[0] != _LOGIN_REPLY or reply[16:20] != _TAG:
        return False
    return reply[2:5] == bytes(3) and int.from_bytes(reply[5:8], "big") <= _DATA_LIMIT and reply[36] <= 3


async def look(contact: Contact) -> ServiceFacts:
    """Begin a discovery session without credentials and, at the level of reads, ask for all targets."""
    async with contact.open() as conversation:
        first, said = await _ask(conversation, GREETING, _LOGIN_REPLY)
        evidence = [said]
        if (first.status[0] == _INITIATOR_ERROR and first.status[1] in _NOT_LET_IN) or _REJECTED in first.data:
            return _facts(Access.RESTRICTED, evidence, refusal="credentials")
        if first.status[0] != 0:
            raise UnexpectedReply(f"The iSCSI portal ended the log-in with status {first.status[0]}/{first.status[1]}.")
        if not contact.level.at_least(Level.READ):
            return _facts(Access.UNKNOWN, evidence)
        second, said = await _negotiate(conversation, first)
        evidence.append(said)
        listed, said = await _ask(conversation, _send_targets(second), _TEXT_REPLY)
        evidence.append(said)
        logout = _TAG + struct.pack(">HHII16x", 0, 0, 2, listed.sequence + 1)
        await conversation.send(_pdu(_LOGOUT, _FINAL, bytes(8) + logout))
    targets = len(_TARGET.findall(listed.data))
    return _facts(Access.OPEN if targets else Access.UNKNOWN, evidence, targets=str(targets))


async def _negotiate(conversation: Conversation, first: _Reply) -> tuple[_Reply, Exchange]:
    """Go on to the full feature phase; nothing of our own is asked for, so one exchange is enough."""
    request = _login(_OPERATIONAL, _FULL_FEATURE, first.sequence + 1)
    reply, said = await _ask(conversation, request, _LOGIN_REPLY)
    if reply.status[0] != 0 or not first.flags & reply.flags & _TRANSIT or reply.flags & 3 != _FULL_FEATURE:
        raise UnexpectedReply("The iSCSI portal did not finish the log-in of a discovery session.")
    return reply, said


def _send_targets(login: _Reply) -> bytes:
    specific = bytes(8) + _TAG + b"\xff\xff\xff\xff" + struct.pack(">II16x", 1, login.sequence + 1)
    return _pdu(_TEXT, _FINAL, specific, b"SendTargets=All\0")


async def _ask(conversation: Conversation, request: bytes, opcode: int) -> tuple[_Reply, Exchange]:
    await conversation.send(request)
    head = await conversation.receive_exactly(_HEADER)
    size = int.from_bytes(head[5:8], "big")
    data = await conversation.receive_exactly(min(size + -size % 4, _DATA_LIMIT)) if size else b""
    if head[0] != opcode or head[4] or head[16:20] != _TAG:
        raise UnexpectedReply("The iSCSI portal answered with another PDU than the one that was due.")
    sequence = int.from_bytes(head[24:28], "big")
    reply = _Reply(head[1], (head[36], head[37]), sequence, data[:size])
    return reply, exchange(request, head + data)


def _facts(access: Access, evidence: list[Exchange], **attributes: str) -> ServiceFacts:
    return ServiceFacts("ISCSI", access, attributes=tuple(attributes.items()), exchanges=tuple(evidence))


PROBE = ServiceProbe("iscsi", frozenset({3260, 860}), GREETING, recognises, look)
