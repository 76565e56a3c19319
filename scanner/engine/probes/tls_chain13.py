"""Reads the certificate that TLS 1.3 encrypts: half a handshake, ended once the Certificate message is in.

RFC 8446 sections 4.4.2 and 7.1. Used only where no older version shows the chain in the clear.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from scanner.engine.errors import ConnectionLost, ProbeError, UnexpectedReply
from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.starttls import upgrade
from scanner.engine.probes.tls_ask import FLIGHT_LIMIT, Asker
from scanner.engine.probes.tls_flight import CHAIN_LIMIT, MESSAGE_LIMIT, FlightReader, ocsp_response
from scanner.engine.probes.tls_shares import Share, choose
from scanner.engine.probes.tls_wire import (
    ALL_SIGNATURES,
    OTHER_SIGNATURES,
    RSA_SIGNATURES,
    SIGNED_TIMESTAMPS,
    STATUS_REQUEST,
    ClientHello,
    Cursor,
    numbers,
    vector,
)

# Suite: hash, key length, cipher (RFC 8446 appendix B.4).
_CIPHERS: dict[int, tuple[str, int, Callable[[bytes], AESCCM | AESGCM | ChaCha20Poly1305]]] = {
    0x1301: ("sha256", 16, AESGCM),
    0x1302: ("sha384", 32, AESGCM),
    0x1303: ("sha256", 32, ChaCha20Poly1305),
    0x1304: ("sha256", 16, AESCCM),
    0x1305: ("sha256", 16, partial(AESCCM, tag_length=8)),
}


@dataclass(frozen=True, slots=True)
class EncryptedFlight:
    """What the encrypted part of the server's flight shows, up to the Certificate message."""

    certificates: tuple[bytes, ...] = ()
    asks_certificate: bool = False
    stapled: bool = False
    ocsp: bytes = b""
    timestamps: bool = False


class ChainReader:
    """Reads the chains of one server with the suites and groups that it was found to accept."""

    def __init__(self, asker: Asker, suites: tuple[int, ...], groups: tuple[int, ...]) -> None:
        self._asker = asker
        self._suites = tuple(suite for suite in suites if suite in _CIPHERS)
        self._group = choose(groups)

    async def read(self, known: Sequence[bytes] = ()) -> list[EncryptedFlight]:
        """Return a flight for each key type, RSA and other, that none of the ``known`` leaves has.

        Most servers have one certificate only, and refuse to show one of the other type. Raises ``ProbeError`` when
        nothing is known and nothing can be read.
        """
        if not self._suites:
            if known:
                return []
            raise UnexpectedReply("The certificate is encrypted with a suite that is not supported here.")
        flights: list[EncryptedFlight] = []
        if not known:
            flights.append(await self._handshake(ALL_SIGNATURES))
            known = [flights[0].certificates[0]]
        types = {_is_rsa(leaf) for leaf in known}
        if len(types) == 1:
            with contextlib.suppress(ProbeError):
                flights.append(await self._handshake(OTHER_SIGNATURES if types == {True} else RSA_SIGNATURES))
        return list(dict.fromkeys(flights))

    async def _handshake(self, signatures: tuple[int, ...]) -> EncryptedFlight:
        share = Share(self._group)
        hello = ClientHello(
            TlsVersion.TLS13,
            self._suites,
            self._asker.name,
            groups=(self._group,),
            signatures=signatures,
            shares=((self._group, share.public),),
        )
        message = hello.message()
        record = b"\x16\x03\x01" + vector(message, 2)
        self._asker.connections += 1
        dialer = self._asker.contact.dialer
        async with dialer.connect(self._asker.contact.endpoint, budget=FLIGHT_LIMIT) as conversation:
            if self._asker.starttls:
                conversation = await upgrade(conversation, self._asker.starttls, self._asker.name)
            await conversation.send(record)
            deadline = time.monotonic() + self._asker.wait
            reader = FlightReader()
            plain = b""
            opener: _RecordOpener | None = None
            while True:
                data = await conversation.receive(16_384, max(0.001, deadline - time.monotonic()))
                if not data:
                    raise ConnectionLost("The server closed the connection before its certificate was whole.")
                if opener is None:
                    reader.feed(data)
                    if not reader.over:
                        continue
                    if reader.flight.alert is not None or not reader.flight.share:
                        raise ConnectionLost("The server refused the handshake that was to show its certificate.")
                    opener = _RecordOpener(reader, message, share)
                    data = reader.rest
                self._asker.count(len(data))
                for fragment in opener.feed(data):
                    plain += fragment
                    if len(plain) > MESSAGE_LIMIT:
                        raise UnexpectedReply("The server's encrypted flight is too long to be honest.")
                    flight = _read_flight(plain)
                    if flight.certificates:
                        return flight


class _RecordOpener:
    """Decrypts the server's handshake records (RFC 8446 sections 5.2 and 7.3)."""

    def __init__(self, reader: FlightReader, client_hello: bytes, own: Share) -> None:
        digest, key_length, cipher = _CIPHERS[reader.flight.suite]
        expand = partial(_expand_label, digest)
        size = hashlib.new(digest).digest_size
        try:
            shared = own.secret(reader.flight.share)
        except ValueError as error:
            raise UnexpectedReply("The server's key share is not valid.") from error
        early = hmac.digest(bytes(size), bytes(size), digest)
        derived = expand(early, "derived", hashlib.new(digest).digest(), size)
        transcript = hashlib.new(digest, client_hello + reader.server_hello).digest()
        traffic = expand(hmac.digest(derived, shared, digest), "s hs traffic", transcript, size)
        self._cipher = cipher(expand(traffic, "key", b"", key_length))
        self._iv = int.from_bytes(expand(traffic, "iv", b"", 12))
        self._sequence = 0
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the handshake bytes of each whole record, one at a time.

        Whoever has seen enough stops: what some servers send right behind their flight has other keys already.
        """
        self._buffer += data
        while len(self._buffer) >= 5:
            header, length = self._buffer[:5], int.from_bytes(self._buffer[3:5])
            if length > 18_432:
                raise UnexpectedReply("A TLS record is longer than allowed.")
            if len(self._buffer) < 5 + length:
                return
            body, self._buffer = self._buffer[5 : 5 + length], self._buffer[5 + length :]
            if header[0] == 23:
                yield self._open(header, body)
            elif header[0] == 21:
                raise ConnectionLost("The server ended the handshake that was to show its certificate.")

    def _open(self, header: bytes, body: bytes) -> bytes:
        nonce = (self._iv ^ self._sequence).to_bytes(12)
        self._sequence += 1
        try:
            content = self._cipher.decrypt(nonce, body, header).rstrip(b"\x00")
        except InvalidTag as error:
            raise UnexpectedReply("A TLS record can't be decrypted.") from error
        if content[-1:] != b"\x16":
            raise ConnectionLost("The server ended the handshake that was to show its certificate.")
        return content[:-1]


def _expand_label(digest: str, secret: bytes, label: str, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446 section 7.1."""
    info = numbers((length,)) + vector(b"tls13 " + label.encode(), 1) + vector(context, 1)
    output, block = b"", b""
    for counter in range(1, 1 + -(-length // hashlib.new(digest).digest_size)):
        block = hmac.digest(secret, block + info + bytes([counter]), digest)
        output += block
    return output[:length]


def _read_flight(plain: bytes) -> EncryptedFlight:
    """Read the messages up to Certificate; without certificates when that one isn't whole yet."""
    cursor = Cursor(plain)
    asks = False
    while cursor.left >= 4:
        kind, length = cursor.number(1), cursor.number(3)
        if cursor.left < length:
            break
        body = Cursor(cursor.take(length))
        asks = asks or kind == 13
        if kind == 11:
            return _certificate(body, asks)
    return EncryptedFlight()


def _certificate(body: Cursor, asks: bool) -> EncryptedFlight:
    body.vector(1)
    entries = Cursor(body.vector(3))
    chain: list[bytes] = []
    stapled: list[bytes] = []
    timestamps = False
    while entries.left and len(chain) < CHAIN_LIMIT:
        chain.append(entries.vector(3))
        extensions = Cursor(entries.vector(2))
        while extensions.left:
            kind, content = extensions.number(2), extensions.vector(2)
            if kind == STATUS_REQUEST:
                stapled.append(ocsp_response(content))
            timestamps = timestamps or kind == SIGNED_TIMESTAMPS
    if not chain:
        raise UnexpectedReply("The server sent an empty certificate chain.")
    return EncryptedFlight(tuple(chain), asks, bool(stapled), stapled[0] if stapled else b"", timestamps)


def _is_rsa(der: bytes) -> bool:
    try:
        return isinstance(x509.load_der_x509_certificate(der).public_key(), rsa.RSAPublicKey)
    except Exception:  # noqa: BLE001 - whatever is wrong with a hostile certificate, it only costs one question
        return True
