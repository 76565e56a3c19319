"""One thing said to a port, and what comes back first: how ports are named."""

from __future__ import annotations

from collections.abc import Callable

from scanner.engine.errors import ConnectionLost, ProbeError, RefusedByScope
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Conversation

PIECES_WAIT = 0.3
"""Seconds that the rest of an answer may take: some services write theirs in pieces."""

REPLY_LIMIT = 2048
"""Bytes that are read to name a port."""


async def converse(
    contact: Contact,
    request: bytes,
    wait: float,
    enough: Callable[[bytes], bool] | None = None,
    *,
    piece: int = REPLY_LIMIT,
) -> tuple[bytes, bool]:
    """Send ``request`` (nothing when empty) and return the first reply and whether the peer just closed.

    A reply that is not ``enough``, and has no more than ``piece`` bytes, may have more pieces, which are waited for a
    moment. Raises ``RefusedByScope`` only.
    """
    try:
        async with contact.open() as conversation:
            if request:
                await conversation.send(request)
            reply = await conversation.receive(REPLY_LIMIT, timeout=wait)
            if reply and enough is not None and len(reply) <= piece and not enough(reply):
                reply += await _rest(conversation, reply, enough)
            return reply, not reply
    except RefusedByScope:
        raise
    except ConnectionLost:
        return b"", True
    except ProbeError:
        return b"", False


async def _rest(conversation: Conversation, begun: bytes, enough: Callable[[bytes], bool]) -> bytes:
    try:
        return await conversation.receive_until(
            lambda more: enough(begun + more), limit=REPLY_LIMIT, timeout=PIECES_WAIT
        )
    except ProbeError as error:
        return error.args[1] if len(error.args) > 1 else b""
