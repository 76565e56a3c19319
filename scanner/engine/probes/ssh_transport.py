"""SSH's binary packets (RFC 4253 section 6): plain at first, then enciphered and authenticated."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.wire import Fields

PACKET_LIMIT = 35_000
"""The packet size that every implementation must handle; larger ones are not taken."""

GCM = {"aes128-gcm@openssh.com": 16, "aes256-gcm@openssh.com": 32}
"""Key sizes in bytes of ciphers that need no MAC beside them (RFC 5647, under OpenSSH's names)."""

CTR = {"aes128-ctr": 16, "aes192-ctr": 24, "aes256-ctr": 32}
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


Take = Callable[[int], Awaitable[bytes]]
"""Waits for that many bytes."""


class _Seal(Protocol):
    """One direction. ``outside`` is how many bytes of the length in front are no part of what fills whole blocks."""

    block: int
    outside: int

    def close(self, sequence: int, packet: bytes) -> bytes:
        """Return the bytes to send."""

    async def open(self, sequence: int, take: Take) -> bytes:
        """Return the next packet. Raises ``UnexpectedReply`` when it is not authentic, and what ``take`` raises."""


class _Plain:
    """Before NEWKEYS."""

    block, outside = 8, 0

    def close(self, sequence: int, packet: bytes) -> bytes:
        return packet

    async def open(self, sequence: int, take: Take) -> bytes:
        head = await take(4)
        return head + await take(_length(head))


class _CtrAndMac:
    """A cipher stream and a MAC over the sequence number and the plain packet."""

    block, outside = 16, 0

    def __init__(self, stream: CipherContext, mac: str, key: bytes) -> None:
        self._stream = stream
        self._hash = MACS[mac][0]
        self._key = key

    def close(self, sequence: int, packet: bytes) -> bytes:
        return self._stream.update(packet) + self._tag(sequence, packet)

    async def open(self, sequence: int, take: Take) -> bytes:
        head = self._stream.update(await take(16))
        plain = head + self._stream.update(await take(_length(head) + 4 - 16))
        tag = self._tag(sequence, plain)
        if not hmac.compare_digest(await take(len(tag)), tag):
            raise UnexpectedReply(_NOT_AUTHENTIC)
        return plain

    def _tag(self, sequence: int, packet: bytes) -> bytes:
        return hmac.digest(self._key, sequence.to_bytes(4, "big") + packet, self._hash().name)


class _Gcm:
    """RFC 5647 section 7: the length stays in the clear and is authenticated; the nonce counts the packets."""

    block, outside = 16, 4

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._cipher = AESGCM(key)
        self._fixed, self._count = nonce[:4], int.from_bytes(nonce[4:])

    def close(self, sequence: int, packet: bytes) -> bytes:
        return packet[:4] + self._cipher.encrypt(self._nonce(), packet[4:], packet[:4])

    async def open(self, sequence: int, take: Take) -> bytes:
        head = await take(4)
        sealed = await take(_length(head) + 16)
        try:
            return head + self._cipher.decrypt(self._nonce(), sealed, head)
        except InvalidTag as error:
            raise UnexpectedReply(_NOT_AUTHENTIC) from error

    def _nonce(self) -> bytes:
        nonce = self._fixed + self._count.to_bytes(8)
        self._count = (self._count + 1) % 2**64
        return nonce


_NOT_AUTHENTIC = "The server's packet is not authentic."


def _length(head: bytes) -> int:
    length = int.from_bytes(head[:4])
    if not 2 <= length <= PACKET_LIMIT:
        raise UnexpectedReply("The server's packet has an impossible length.")
    return length


class Packets:
    """Reads and writes packets of one conversation. ``received`` is what had already arrived."""

    def __init__(self, conversation: Conversation, received: bytes = b"") -> None:
        self._conversation = conversation
        self._pending = received
        self._sent = self._taken = 0
        self._out: _Seal = _Plain()
        self._in: _Seal = _Plain()

    def secure(self, cipher: str, mac: str, derive: Callable[[bytes, int], bytes]) -> None:
        """Use keys from now on in both directions (RFC 4253 section 7.2); with a cipher of ``GCM`` there is no MAC."""
        if cipher in GCM:
            self._out = _Gcm(derive(b"C", GCM[cipher]), derive(b"A", 12))
            self._in = _Gcm(derive(b"D", GCM[cipher]), derive(b"B", 12))
            return
        size, mac_size = CTR[cipher], MACS[mac][1]

        def aes(iv: bytes, key: bytes) -> Cipher[modes.CTR]:
            return Cipher(algorithms.AES(derive(key, size)), modes.CTR(derive(iv, 16)))

        self._out = _CtrAndMac(aes(b"A", b"C").encryptor(), mac, derive(b"E", mac_size))
        self._in = _CtrAndMac(aes(b"B", b"D").decryptor(), mac, derive(b"F", mac_size))

    async def send(self, payload: bytes) -> None:
        """Send one message."""
        block = self._out.block
        padding = block - (len(payload) + 5 - self._out.outside) % block
        padding += block if padding < 4 else 0
        packet = (len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + os.urandom(padding)
        data = self._out.close(self._sent, packet)
        self._sent += 1
        await self._conversation.send(data)

    async def receive(self) -> bytes:
        """Return the payload of the next packet. Raises ``UnexpectedReply`` and what ``Conversation`` raises."""
        plain = await self._in.open(self._taken, self._take)
        self._taken += 1
        fields = Fields(plain[4:])
        padding = fields.unsigned(1)
        return fields.take(len(plain) - 4 - padding - 1)

    async def _take(self, count: int) -> bytes:
        if count < 0:
            raise UnexpectedReply("The server's packet is shorter than a block.")
        if len(self._pending) < count:
            self._pending += await self._conversation.receive_exactly(count - len(self._pending))
        data, self._pending = self._pending[:count], self._pending[count:]
        return data
