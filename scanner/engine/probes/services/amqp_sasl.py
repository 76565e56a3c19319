"""AMQP 1.0: which SASL mechanisms does a broker offer (OASIS AMQP 1.0, part 5, section 5.3), and does the anonymous one
let a stranger in?

Attributes: ``mechanisms``: joined by spaces; ``refusal``: ``credentials``.
"""

from __future__ import annotations

import contextlib

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.channel import Attributes
from scanner.engine.probes.wire import Fields

HEADER = b"AMQP\x03\x01\x00\x00"
ANONYMOUS = "ANONYMOUS"

_FRAME_HEAD = 8
_FRAME_LIMIT = 4096
_MECHANISMS, _INIT, _OUTCOME = b"\x00\x53\x40", b"\x00\x53\x41", b"\x00\x53\x44"
_LIST_8, _LIST_32, _ARRAY_8, _ARRAY_32, _SYMBOL_8, _SYMBOL_32, _OCTET = 0xC0, 0xD0, 0xE0, 0xF0, 0xA3, 0xB3, 0x50
"""Codes of the types that the two frames are written in (part 1, section 1.6)."""
_MOST = 32
"""Mechanisms that are read."""
_LET_IN, _REFUSED, _UNTOLD = 0, 1, -1
"""Outcomes (section 5.3.3.6): welcome; not with these credentials. The last stands for none."""


def _init() -> bytes:
    """A SASL frame that chooses the anonymous mechanism (section 5.3.3.2), without saying who we are."""
    mechanism = bytes([_SYMBOL_8, len(ANONYMOUS)]) + ANONYMOUS.encode()
    body = _INIT + bytes([_LIST_8, 1 + len(mechanism), 1]) + mechanism
    return (_FRAME_HEAD + len(body)).to_bytes(4, "big") + b"\x02\x01\x00\x00" + body


INIT = _init()


async def look(contact: Contact) -> tuple[Access, Attributes, tuple[Exchange, ...]]:
    """Read the mechanisms and, where the anonymous one is among them, ask with permission whether it is taken.

    That it is offered proves nothing: ActiveMQ offers it to everyone. A broker that keeps its mechanisms to itself, or
    has none, is not judged. Nothing is opened.
    """
    evidence: list[Exchange] = []
    with contextlib.suppress(ProbeError):
        async with contact.open() as conversation:
            offered = mechanisms(await _ask(conversation, HEADER, evidence))
            attributes: Attributes = (("mechanisms", " ".join(sorted(offered))),)
            outcome = _UNTOLD if ANONYMOUS in offered else _REFUSED
            if ANONYMOUS in offered and contact.level.at_least(Level.CREDENTIAL):
                outcome = await _outcome(conversation, evidence)
        access = {_LET_IN: Access.OPEN, _REFUSED: Access.RESTRICTED}.get(outcome, Access.UNKNOWN)
        refusal: Attributes = (("refusal", "credentials"),) if access is Access.RESTRICTED else ()
        return access, (*attributes, *refusal), tuple(evidence)
    return Access.UNKNOWN, (), tuple(evidence)


def mechanisms(frame: bytes) -> tuple[str, ...]:
    """Return the names in a frame of mechanisms: one, or an array of them. Raises ``UnexpectedReply``."""
    fields = _described(frame, _MECHANISMS)
    kind, count = fields.unsigned(1), 1
    if kind in (_ARRAY_8, _ARRAY_32):
        width = 1 if kind == _ARRAY_8 else 4
        fields.take(width)
        count, kind = fields.unsigned(width), fields.unsigned(1)
    if kind not in (_SYMBOL_8, _SYMBOL_32):
        raise UnexpectedReply("The AMQP broker did not name its mechanisms.")
    width = 1 if kind == _SYMBOL_8 else 4
    return tuple(line_bytes(fields.take(fields.unsigned(width)), 40) for _ in range(min(count, _MOST)))


async def _outcome(conversation: Conversation, evidence: list[Exchange]) -> int:
    """Return how the anonymous mechanism ended."""
    with contextlib.suppress(ProbeError):
        fields = _described(await _ask(conversation, INIT, evidence), _OUTCOME)
        return fields.unsigned(1) if fields.unsigned(1) == _OCTET else _UNTOLD
    return _UNTOLD


async def _ask(conversation: Conversation, request: bytes, evidence: list[Exchange]) -> bytes:
    """Send the header or a frame; return the frame that answers, behind the same header where that was sent."""
    await conversation.send(request)
    head = await conversation.receive_exactly(len(HEADER)) if request == HEADER else b""
    if head not in (b"", HEADER):
        raise UnexpectedReply("The AMQP broker wants no SASL.")
    size = await conversation.receive_exactly(4)
    length = int.from_bytes(size, "big")
    if not _FRAME_HEAD <= length <= _FRAME_LIMIT:
        raise UnexpectedReply("The AMQP broker's frame has an impossible length.")
    frame = size + await conversation.receive_exactly(length - len(size))
    evidence.append(exchange(request, head + frame))
    return frame


def _described(frame: bytes, descriptor: bytes) -> Fields:
    """Return what follows the head of the list that a frame of this kind holds. Raises ``UnexpectedReply``."""
    body = frame[4 * frame[4] :] if len(frame) > _FRAME_HEAD else b""
    fields = Fields(body)
    kind = (fields.take(len(descriptor)), fields.unsigned(1))
    if kind not in ((descriptor, _LIST_8), (descriptor, _LIST_32)):
        raise UnexpectedReply("The AMQP broker answered with another frame than was due.")
    fields.take(2 if kind[1] == _LIST_8 else 8)
    return fields
