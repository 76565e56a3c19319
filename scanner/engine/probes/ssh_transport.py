"""SSH's binary packets (RFC 4253 section 6): plain at first, then enciphered and authenticated."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.poly1305 import Poly1305

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.wire import Fields

PACKET_LIMIT = 35_000
"""The packet size that every implementation must handle; larger ones are not taken."""

GCM = {"aes128-gcm@openssh.com": 16, "aes256-gcm@openssh.com": 32}
"""Key sizes in bytes of ciphers that need no MAC beside them (RFC 5647, under OpenSSH's names)."""

CTR = {"aes128-ctr": 16, "aes192-ctr": 24, "aes256-ctr": 32}
"""Key sizes in bytes (RFC 4344)."""

CBC = {"aes128-cbc": 16, "aes192-cbc": 24, "aes256-cbc": 32, "3des-cbc": 24}
"""Key sizes in bytes (RFC 4253 section 6.3)."""

CHACHA = "chacha20-poly1305@openssh.com"
"""Needs no MAC beside it either (OpenSSH's PROTOCOL.chacha20poly1305)."""

AUTHENTIC = (*GCM, CHACHA)
"""The ciphers that need no MAC beside them."""

MACS: dict[str, tuple[Callable[[], Any], int, int]] = {
    "hmac-sha2-256": (hashlib.sha256, 32, 32),
    "hmac-sha2-512": (hashlib.sha512, 64, 64),
    "hmac-sha2-256-etm@openssh.com": (hashlib.sha256, 32, 32),
    "hmac-sha2-512-etm@openssh.com": (hashlib.sha512, 64, 64),
    "hmac-sha1": (hashlib.sha1, 20, 20),
    "hmac-sha1-etm@openssh.com": (hashlib.sha1, 20, 20),
    "hmac-sha1-96": (hashlib.sha1, 20, 12),
    "hmac-sha1-96-etm@openssh.com": (hashlib.sha1, 20, 12),
    "hmac-md5": (hashlib.md5, 16, 16),
    "hmac-md5-etm@openssh.com": (hashlib.md5, 16, 16),
    "hmac-md5-96": (hashlib.md5, 16, 12),
    "hmac-md5-96-etm@openssh.com": (hashlib.md5, 16, 12),
}
"""Hash, and sizes of key and code in bytes (RFC 6668, RFC 4253 section 6.4)."""

_AFTER = "-etm@openssh.com"
"""What ends the names of the MACs over the enciphered packet, whose length stays in the clear."""


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


@dataclass(frozen=True, slots=True)
class _Mac:
    """A MAC over the sequence number and a packet."""

    name: str
    key: bytes

    @property
    def size(self) -> int:
        return MACS[self.name][2]

    def over(self, sequence: int, data: bytes) -> bytes:
        return hmac.digest(self.key, sequence.to_bytes(4, "big") + data, MACS[self.name][0]().name)[: self.size]

    async def check(self, sequence: int, data: bytes, take: Take) -> None:
        if not hmac.compare_digest(await take(self.size), self.over(sequence, data)):
            raise UnexpectedReply(_NOT_AUTHENTIC)


class _MacOfPlain:
    """A cipher stream, and a MAC over the plain packet."""

    outside = 0

    def __init__(self, stream: CipherContext, block: int, mac: _Mac) -> None:
        self._stream = stream
        self._mac = mac
        self.block = block

    def close(self, sequence: int, packet: bytes) -> bytes:
        return self._stream.update(packet) + self._mac.over(sequence, packet)

    async def open(self, sequence: int, take: Take) -> bytes:
        head = self._stream.update(await take(self.block))
        plain = head + self._stream.update(await take(_length(head) + 4 - self.block))
        await self._mac.check(sequence, plain, take)
        return plain


class _MacOfSealed:
    """A cipher stream over all but the length, and a MAC over what it makes (OpenSSH's encrypt-then-MAC)."""

    outside = 4

    def __init__(self, stream: CipherContext, block: int, mac: _Mac) -> None:
        self._stream = stream
        self._mac = mac
        self.block = block

    def close(self, sequence: int, packet: bytes) -> bytes:
        sealed = packet[:4] + self._stream.update(packet[4:])
        return sealed + self._mac.over(sequence, sealed)

    async def open(self, sequence: int, take: Take) -> bytes:
        head = await take(4)
        sealed = await take(_length(head))
        await self._mac.check(sequence, head + sealed, take)
        return head + self._stream.update(sealed)


class _Chacha:
    """One key for the packet and its tag, another for the length; the nonce is the sequence number."""

    block, outside = 8, 4

    def __init__(self, key: bytes) -> None:
        self._packet, self._length = key[:32], key[32:]

    def close(self, sequence: int, packet: bytes) -> bytes:
        sealed = self._stream(self._length, sequence, 0, packet[:4]) + self._packets(sequence, packet[4:])
        return sealed + Poly1305.generate_tag(self._tag_key(sequence), sealed)

    async def open(self, sequence: int, take: Take) -> bytes:
        sealed_head = await take(4)
        head = self._stream(self._length, sequence, 0, sealed_head)
        sealed = await take(_length(head))
        try:
            Poly1305.verify_tag(self._tag_key(sequence), sealed_head + sealed, await take(16))
        except InvalidSignature as error:
            raise UnexpectedReply(_NOT_AUTHENTIC) from error
        return head + self._packets(sequence, sealed)

    def _packets(self, sequence: int, data: bytes) -> bytes:
        return self._stream(self._packet, sequence, 1, data)

    def _tag_key(self, sequence: int) -> bytes:
        return self._stream(self._packet, sequence, 0, bytes(32))

    def _stream(self, key: bytes, sequence: int, counter: int, data: bytes) -> bytes:
        start = counter.to_bytes(8, "little") + sequence.to_bytes(8, "big")
        return Cipher(algorithms.ChaCha20(key, start), mode=None).encryptor().update(data)


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


def _cipher(name: str, derive: Callable[[bytes, int], bytes], iv: bytes, key: bytes) -> Cipher[modes.CTR | modes.CBC]:
    """Return the cipher whose vector and key are derived by these letters."""
    if name in CTR:
        return Cipher(algorithms.AES(derive(key, CTR[name])), modes.CTR(derive(iv, 16)))
    if name == "3des-cbc":
        return Cipher(TripleDES(derive(key, CBC[name])), modes.CBC(derive(iv, 8)))
    return Cipher(algorithms.AES(derive(key, CBC[name])), modes.CBC(derive(iv, 16)))


class Packets:
    """Reads and writes packets of one conversation. ``received`` is what had already arrived."""

    def __init__(self, conversation: Conversation, received: bytes = b"") -> None:
        self._conversation = conversation
        self._pending = received
        self._sent = self._taken = 0
        self._out: _Seal = _Plain()
        self._in: _Seal = _Plain()

    def secure(self, cipher: str, mac: str, derive: Callable[[bytes, int], bytes]) -> None:
        """Use keys from now on in both directions (RFC 4253 section 7.2); ``AUTHENTIC`` ciphers need no MAC."""
        if cipher in GCM:
            self._out = _Gcm(derive(b"C", GCM[cipher]), derive(b"A", 12))
            self._in = _Gcm(derive(b"D", GCM[cipher]), derive(b"B", 12))
        elif cipher == CHACHA:
            self._out, self._in = _Chacha(derive(b"C", 64)), _Chacha(derive(b"D", 64))
        else:
            seal = _MacOfSealed if mac.endswith(_AFTER) else _MacOfPlain
            ours, theirs = _cipher(cipher, derive, b"A", b"C"), _cipher(cipher, derive, b"B", b"D")
            block = 8 if cipher == "3des-cbc" else 16
            self._out = seal(ours.encryptor(), block, _Mac(mac, derive(b"E", MACS[mac][1])))
            self._in = seal(theirs.decryptor(), block, _Mac(mac, derive(b"F", MACS[mac][1])))

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
