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
    patience: Callable[[bytes], float] = lambda _: PIECES_WAIT,
) -> tuple[bytes, bool]:
    """Send ``request`` (nothing when empty) and return the first reply and whether the peer just closed.

    A reply that is not ``enough`` may have more pieces, which are waited for as many seconds as ``patience`` tells of
    what has come. Raises ``RefusedByScope`` only.
    """
    try:
        async with contact.open() as conversation:
            if request:
                await conversation.send(request)
            reply = await conversation.receive(REPLY_LIMIT, timeout=wait)
            if reply and enough is not None and not enough(reply) and (wait := patience(reply)):
                reply += await _rest(conversation, reply, enough, wait)
            return reply, not reply
    except RefusedByScope:
        raise
    except ConnectionLost:
        return b"", True
    except ProbeError:
        return b"", False


async def _rest(conversation: Conversation, begun: bytes, enough: Callable[[bytes], bool], wait: float) -> bytes:
    try:
        return await conversation.receive_until(lambda more: enough(begun + more), limit=REPLY_LIMIT, timeout=wait)
    except ProbeError as error:
        return error.args[1] if len(error.args) > 1 else b""
