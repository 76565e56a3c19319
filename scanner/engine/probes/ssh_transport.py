"""SSH's binary packets (RFC 4253 section 6): plain at first, then enciphered and authenticated."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.wire import Fields

PACKET_LIMIT = 35_000
"""The packet size that every implementation must handle; larger ones are not taken."""

CIPHERS = {"aes128-ctr": 16, "aes192-ctr": 24, "aes256-ctr": 32}
"""Key sizes in bytes (RFC 4344)."""

MACS: dict[str, tuple[Callable[[], Any], int]] = {
    "hmac-sha2-256": (hashlib.sha256, 32),
    "hmac-sha2-512": (hashlib.sha512, 64),
    "hmac-sha1": (hashlib.sha1, 20),
}
"""Hash and key size in bytes (RFC 6668, RFC 4253 section 6.4)."""


def string(data: bytes) -> bytes:
    """Encode an SSH string (RFC 4251 section 5)."""
    return len(data).to_bytes(4, "big") + data


def name_list(names: str) -> bytes:
    """Encode a name list that is already joined by commas."""
    return string(names.encode("ascii"))


def mpint(value: int) -> bytes:
    """Encode a positive multiple precision integer."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def take_string(fields: Fields) -> bytes:
    """Read an SSH string. Raises ``UnexpectedReply`` when it is longer than what came."""
    return fields.take(fields.unsigned(4))


def take_name_list(fields: Fields) -> tuple[str, ...]:
    """Read a name list, leniently decoded."""
    return tuple(filter(None, take_string(fields).decode("utf-8", "backslashreplace").split(",")))


class _Sealed:
    """One direction after NEWKEYS: a cipher stream and a MAC over the sequence number and the plain packet."""

    def __init__(self, stream: CipherContext, mac: str, key: bytes) -> None:
        self.stream = stream
        self._hash = MACS[mac][0]
        self._key = key

    def tag(self, sequence: int, packet: bytes) -> bytes:
        return hmac.digest(self._key, sequence.to_bytes(4, "big") + packet, self._hash().name)


class Packets:
    """Reads and writes packets of one conversation. ``received`` is what had already arrived."""

    def __init__(self, conversation: Conversation, received: bytes = b"") -> None:
        self._conversation = conversation
        self._pending = received
        self._sent = self._taken = 0
        self._out: _Sealed | None = None
        self._in: _Sealed | None = None

    def secure(self, cipher: str, mac: str, derive: Callable[[bytes, int], bytes]) -> None:
        """Use keys from now on in both directions (RFC 4253 section 7.2)."""
        size, mac_size = CIPHERS[cipher], MACS[mac][1]

        def aes(iv: bytes, key: bytes) -> Cipher[modes.CTR]:
            return Cipher(algorithms.AES(derive(key, size)), modes.CTR(derive(iv, 16)))

        self._out = _Sealed(aes(b"A", b"C").encryptor(), mac, derive(b"E", mac_size))
        self._in = _Sealed(aes(b"B", b"D").decryptor(), mac, derive(b"F", mac_size))

    async def send(self, payload: bytes) -> None:
        """Send one message."""
        block = 16 if self._out else 8
        padding = block - (len(payload) + 5) % block
        padding += block if padding < 4 else 0
        packet = (len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + os.urandom(padding)
        data = self._out.stream.update(packet) + self._out.tag(self._sent, packet) if self._out else packet
        self._sent += 1
        await self._conversation.send(data)

    async def receive(self) -> bytes:
        """Return the payload of the next packet. Raises ``UnexpectedReply`` and what ``Conversation`` raises."""
        sealed = self._in
        head = await self._take(16 if sealed else 4)
        plain = sealed.stream.update(head) if sealed else head
        length = int.from_bytes(plain[:4], "big")
        if not 2 <= length <= PACKET_LIMIT:
            raise UnexpectedReply("The server's packet has an impossible length.")
        rest = await self._take(length + 4 - len(head))
        plain += sealed.stream.update(rest) if sealed else rest
        if sealed:
            tag = sealed.tag(self._taken, plain)
            if not hmac.compare_digest(await self._take(len(tag)), tag):
                raise UnexpectedReply("The server's packet is not authentic.")
        self._taken += 1
        fields = Fields(plain[4:])
        padding = fields.unsigned(1)
        return fields.take(length - padding - 1)

    async def _take(self, count: int) -> bytes:
        if count < 0:
            raise UnexpectedReply("The server's packet is shorter than a block.")
        if len(self._pending) < count:
            self._pending += await self._conversation.receive_exactly(count - len(self._pending))
        data, self._pending = self._pending[:count], self._pending[count:]
        return data
