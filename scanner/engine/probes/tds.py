"""TLS as SQL Server speaks it before version 8 of its protocol: inside packets of TDS (MS-TDS section 2.2.6.5).

Only the handshake goes this way, and that is all the inspection needs of it.
"""

from __future__ import annotations

import time

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.dial import Conversation

_PRELOGIN, _RESPONSE, _MORE, _END_OF_MESSAGE = 0x12, 0x04, 0x00, 0x01
_HEADER_SIZE = 8
_PACKET_SIZE = 4096
"""Bytes of the largest packet before another size is agreed on."""


class WithinTds(Conversation):
    """Bytes of TLS on a connection that carries packets of TDS, which it puts them into and takes them out of."""

    def __init__(self, outer: Conversation) -> None:
        self._outer = outer
        self._head = b""
        self._left = 0

    def close(self) -> None:
        """Close the connection."""
        self._outer.close()

    async def send(self, data: bytes) -> None:
        """Send ``data`` in packets; errors as those of the connection."""
        room = _PACKET_SIZE - _HEADER_SIZE
        pieces = [data[at : at + room] for at in range(0, len(data), room)]
        packets = [
            bytes((_PRELOGIN, _END_OF_MESSAGE if number == len(pieces) else _MORE))
            + (_HEADER_SIZE + len(piece)).to_bytes(2, "big")
            + bytes((0, 0, number % 256, 0))
            + piece
            for number, piece in enumerate(pieces, start=1)
        ]
        await self._outer.send(b"".join(packets))

    async def receive(self, limit: int = 4096, timeout: float | None = None) -> bytes:
        """Return the next bytes from inside the packets; empty when the peer closed. Errors as those of the
        connection, and ``UnexpectedReply`` when no packet comes."""
        content = b""
        began = time.monotonic()
        while not content:
            left = None if timeout is None else max(0.001, began + timeout - time.monotonic())
            data = await self._outer.receive(limit, left)
            if not data:
                return b""
            content = self._content(data)
        return content

    def _content(self, data: bytes) -> bytes:
        content = b""
        while data:
            if self._left:
                content += data[: self._left]
                data, self._left = data[self._left :], max(0, self._left - len(data))
                continue
            wanted = _HEADER_SIZE - len(self._head)
            self._head, data = self._head + data[:wanted], data[wanted:]
            if len(self._head) == _HEADER_SIZE:
                size = int.from_bytes(self._head[2:4], "big")
                if self._head[0] not in (_PRELOGIN, _RESPONSE) or size < _HEADER_SIZE:
                    raise UnexpectedReply("SQL Server's answer to the handshake is no packet of TDS.")
                self._head, self._left = b"", size - _HEADER_SIZE
        return content
