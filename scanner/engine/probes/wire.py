"""Reads the fixed fields of binary protocols out of bytes that may lie about their own lengths."""

from __future__ import annotations

from typing import Literal

from scanner.engine.errors import UnexpectedReply


class Fields:
    """A cursor over untrusted bytes. Every read raises ``UnexpectedReply`` when the bytes run out."""

    def __init__(self, data: bytes, order: Literal["big", "little"] = "big") -> None:
        self._data = data
        self._order = order
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        if not 0 <= count <= self.left:
            raise UnexpectedReply("The reply is shorter than its own length fields say.")
        self._at += count
        return self._data[self._at - count : self._at]

    def unsigned(self, size: int) -> int:
        """Return an unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), self._order)

    def signed(self, size: int) -> int:
        """Return a two's-complement integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), self._order, signed=True)

    def text_until_nul(self) -> bytes:
        """Return the bytes up to the next NUL and step over it."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise UnexpectedReply("A text in the reply has no end.")
        text = self.take(end - self._at)
        self._at += 1
        return text
