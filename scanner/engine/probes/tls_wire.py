"""ClientHello messages, built byte by byte so that they can offer what no TLS library offers any more.

RFC 8446 section 4.1.2 (TLS 1.3), RFC 5246 section 7.4.1.2 (TLS 1.2 and older), RFC 6101 (SSL 3.0),
draft-hickman-netscape-ssl-00 (SSL 2.0), GB/T 38636-2020 (TLCP). No key is exchanged.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.tls_suites import GROUPS_TLS12, GROUPS_TLS13, offer

CODES = {
    TlsVersion.SSL2: 0x0002,
    TlsVersion.TLCP: 0x0101,
    TlsVersion.SSL3: 0x0300,
    TlsVersion.TLS10: 0x0301,
    TlsVersion.TLS11: 0x0302,
    TlsVersion.TLS12: 0x0303,
    TlsVersion.TLS13: 0x0304,
}
OLD = (TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12)
"""Versions whose certificate and key exchange travel in the clear, ascending."""
FALLBACK_SCSV = 0x5600
"""RFC 7507 section 2."""
RENEGOTIATION_SCSV = 0x00FF
"""RFC 5746 section 3.3."""

SERVER_NAME, STATUS_REQUEST, SUPPORTED_GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS = 0, 5, 10, 11, 13
SIGNED_TIMESTAMPS, EXTENDED_MASTER_SECRET, SUPPORTED_VERSIONS, KEY_SHARE, RENEGOTIATION_INFO = 18, 23, 43, 51, 0xFF01

RSA_SIGNATURES = (0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401, 0x0501, 0x0601, 0x0301)
OTHER_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0303, 0x0807, 0x0808, 0x081A, 0x081B, 0x081C, 0x0708, 0x0402)
SHA1_SIGNATURES = (0x0201, 0x0203, 0x0202)
CLASSIC_SIGNATURES = (0x0401, 0x0403, 0x0501, 0x0503, 0x0601, 0x0603, *SHA1_SIGNATURES)
"""What a client of 2008 offered; some servers pick a newer algorithm that their key is too short for, and fail."""
ALL_SIGNATURES = (*OTHER_SIGNATURES[:3], *RSA_SIGNATURES, *OTHER_SIGNATURES[3:], *SHA1_SIGNATURES)
"""RFC 8446 section 4.2.3, RFC 5246 section 7.4.1.4.1, RFC 8734, RFC 8998."""

# A point every implementation must accept: the base point of P-256 (SEC 2 section 2.4.2), uncompressed.
_P256_BASE = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
COMMON_SHARES = ((29, os.urandom(32)), (23, _P256_BASE))


class Cursor:
    """Reads a message from front to back; a message that is too short raises ``UnexpectedReply``."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise UnexpectedReply("A TLS message is shorter than it claims.")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        """Return a field that is preceded by its length in ``size`` bytes."""
        return self.take(self.number(size))

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def vector(data: bytes, size: int) -> bytes:
    """Return ``data`` preceded by its length in ``size`` bytes."""
    return len(data).to_bytes(size) + data


def numbers(values: tuple[int, ...]) -> bytes:
    """Return 16-bit numbers one after the other."""
    return struct.pack(f">{len(values)}H", *values)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A hello for exactly one version.

    ``shares`` are TLS 1.3 key shares; none makes the server name its group in a HelloRetryRequest, at no cost to
    either side (RFC 8446 section 4.2.8). ``deflate`` offers compression. ``bare`` leaves out all extensions but the
    name. ``named`` puts the name into the hello of a version that knows no extensions, where it follows as data that
    such a server passes over. ``versions`` overrides the supported_versions extension.
    """

    version: TlsVersion
    suites: tuple[int, ...]
    name: str | None = None
    groups: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ALL_SIGNATURES
    shares: tuple[tuple[int, bytes], ...] = ()
    deflate: bool = False
    bare: bool = False
    named: bool = False
    versions: tuple[int, ...] = ()

    def message(self) -> bytes:
        """Return the handshake message without record framing."""
        modern = self.version is TlsVersion.TLS13
        body = numbers((min(CODES[self.version], 0x0303),)) + os.urandom(32)
        body += vector(os.urandom(32) if modern else b"", 1)
        body += vector(numbers(self.suites), 2)
        body += vector(b"\x01\x00" if self.deflate else b"\x00", 1)
        extensions = self._extensions()
        if extensions:
            body += vector(extensions, 2)
        return b"\x01" + vector(body, 3)

    def encode(self) -> bytes:
        """Return the bytes to send: one record (RFC 8446 section 5.1 has its version be 0x0301)."""
        code = CODES[self.version]
        return b"\x16" + numbers((min(code, 0x0301),)) + vector(self.message(), 2)

    def _extensions(self) -> bytes:
        plain = self.version in (TlsVersion.SSL3, TlsVersion.TLCP)
        if plain and not self.named:
            return b""
        modern = self.version is TlsVersion.TLS13
        fields: list[tuple[int, bytes]] = []
        if self.name:
            fields.append((SERVER_NAME, vector(b"\x00" + vector(self.name.encode("ascii", "replace"), 2), 2)))
        if not (modern or plain):
            fields.append((RENEGOTIATION_INFO, b"\x00"))
        if not (self.bare or plain):
            groups = self.groups or (GROUPS_TLS13 if modern else GROUPS_TLS12)
            fields.append((SUPPORTED_GROUPS, vector(numbers(groups), 2)))
            fields.append((POINT_FORMATS, b"\x01\x00"))
            fields.append((STATUS_REQUEST, b"\x01\x00\x00\x00\x00"))
            fields.append((SIGNED_TIMESTAMPS, b""))
            if not modern:
                fields.append((EXTENDED_MASTER_SECRET, b""))
            if CODES[self.version] >= 0x0303:
                fields.append((SIGNATURE_ALGORITHMS, vector(numbers(self.signatures), 2)))
        versions = self.versions or ((0x0304,) if modern else ())
        if versions:
            shares = b"".join(numbers((group,)) + vector(key, 2) for group, key in self.shares)
            fields.append((SUPPORTED_VERSIONS, vector(numbers(versions), 1)))
            fields.append((KEY_SHARE, vector(shares, 2)))
        return b"".join(numbers((kind,)) + vector(value, 2) for kind, value in fields)


@dataclass(frozen=True, slots=True)
class Ssl2Hello:
    """A CLIENT-HELLO of SSL 2.0; the server lists all that it shares at once."""

    suites: tuple[int, ...] = offer(TlsVersion.SSL2)
    version: TlsVersion = TlsVersion.SSL2

    def encode(self) -> bytes:
        """Return the record to send (draft-hickman-netscape-ssl-00 section 2.5)."""
        specs = b"".join(suite.to_bytes(3) for suite in self.suites)
        body = b"\x01\x00\x02" + numbers((len(specs), 0, 16)) + specs + os.urandom(16)
        return (0x8000 | len(body)).to_bytes(2) + body


Hello = ClientHello | Ssl2Hello

HELLO = ClientHello(
    version=TlsVersion.TLS13,
    suites=(*offer(TlsVersion.TLS13)[:3], *offer(TlsVersion.TLS12)[:80], RENEGOTIATION_SCSV),
    groups=(29, 23, 24, 25, 30, 256, 257),
    shares=COMMON_SHARES,
    versions=(0x0304, 0x0303, 0x0302, 0x0301),
).encode()
"""A hello that almost every server from TLS 1.0 to 1.3 answers; for finding out whether a port speaks TLS."""

SSL2_HELLO = Ssl2Hello().encode()
"""The same for a server that speaks nothing newer than SSL 2.0."""


def recognises(reply: bytes) -> bool:
    """Tell whether ``reply`` begins a ServerHello or alert record, or is an SSL 2.0 SERVER-HELLO."""
    if len(reply) < 6:
        return False
    if reply[0] & 0x80:
        return reply[2] == 4 and len(reply) >= 11 and reply[5:7] == b"\x00\x02"
    known_version = reply[1] == 3 or reply[1:3] == b"\x01\x01"
    if reply[0] == 0x16:
        return known_version and reply[5] == 2
    return reply[0] == 0x15 and known_version and reply[3:5] == b"\x00\x02" and reply[5] in (1, 2)
