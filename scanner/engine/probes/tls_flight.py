"""What a server answers to a ClientHello, read up to the point where keys would be needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.tls_suites import NAMES, group_name
from scanner.engine.probes.tls_wire import KEY_SHARE, SUPPORTED_VERSIONS, Cursor

MESSAGE_LIMIT = 512 * 1024
"""Bytes of one handshake message. A chain seldom passes 10 000; a certificate with 10,000 names has some 250,000."""
CHAIN_LIMIT = 16
"""Certificates kept of one chain."""

# RFC 8446 section 4.1.3: the "random" that makes a ServerHello a HelloRetryRequest.
_RETRY = hashlib.sha256(b"HelloRetryRequest").digest()

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    41: "no_certificate",
    43: "unsupported_certificate",
    47: "illegal_parameter",
    49: "access_denied",
    50: "decode_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""RFC 8446 section 6."""
INTERNAL_ERROR, INAPPROPRIATE_FALLBACK, MISSING_EXTENSION, UNRECOGNIZED_NAME = 80, 86, 109, 112
CLOSE_NOTIFY, HANDSHAKE_FAILURE, PROTOCOL_VERSION = 0, 40, 70


@dataclass(frozen=True, slots=True)
class ServerFlight:
    """One answer. ``version`` 0 means that no ServerHello came; ``alert`` is the fatal one that came instead.

    ``closed`` tells that the connection ended without either. ``done`` tells that the whole flight up to
    ServerHelloDone was seen, so that absent messages are really absent. ``group`` is the curve or the TLS 1.3
    group chosen, ``prime`` the DH prime, ``signature`` the TLS 1.2 algorithm of the ServerKeyExchange.
    """

    version: int = 0
    suite: int = 0
    compression: int = 0
    extensions: frozenset[int] = frozenset()
    group: int = 0
    prime: bytes = b""
    signature: int | None = None
    certificates: tuple[bytes, ...] = ()
    asks_certificate: bool = False
    stapled: bool = False
    ocsp: bytes = b""
    ssl2_suites: tuple[int, ...] = ()
    server_random: bytes = b""
    share: bytes = b""
    alert: int | None = None
    closed: bool = False
    done: bool = False


class FlightReader:
    """Reassembles records and messages as they arrive. Raises ``UnexpectedReply`` when it isn't TLS."""

    def __init__(self, *, ssl2: bool = False) -> None:
        self.flight = ServerFlight()
        self.server_hello = b""
        self._records = b""
        self._messages = b""
        self._ssl2 = ssl2

    @property
    def over(self) -> bool:
        """Tell whether nothing more can be learned from this connection."""
        return self.flight.done or self.flight.alert is not None

    @property
    def rest(self) -> bytes:
        """Return the bytes after the last whole record that was read."""
        return self._records

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._records += data
        if self._ssl2 and self._records[:1] >= b"\x80":
            self._read_ssl2()
            return
        while len(self._records) >= 1 and not self.over:
            if self._records[0] not in (20, 21, 22, 23):
                raise UnexpectedReply("The reply is not TLS.")
            if len(self._records) < 5:
                return
            length = int.from_bytes(self._records[3:5])
            if self._records[1] not in (1, 3) or length > 18_432:
                raise UnexpectedReply("The reply is not TLS.")
            if len(self._records) < 5 + length:
                return
            kind, body = self._records[0], self._records[5 : 5 + length]
            self._records = self._records[5 + length :]
            self._read_record(kind, body)

    def end(self) -> ServerFlight:
        """Return the answer of a connection that was closed by the server, or fell silent after its hello."""
        return self.flight if self.flight.version or self.over else replace(self.flight, closed=True)

    def _read_record(self, kind: int, body: bytes) -> None:
        if kind == 21:
            # A warning (level 1) is no refusal, except close_notify: RFC 6066 section 3 lets a server go on.
            if len(body) == 2 and (body[0] == 2 or body[1] == 0):
                self.flight = replace(self.flight, alert=body[1])
        elif kind == 22:
            self._messages += body
            if len(self._messages) > MESSAGE_LIMIT:
                raise UnexpectedReply("A TLS handshake message is too long to be honest.")
            self._read_messages()
        elif kind == 23 and not self.flight.version:
            raise UnexpectedReply("Application data came before any ServerHello.")

    def _read_messages(self) -> None:
        while len(self._messages) >= 4 and not self.over:
            length = int.from_bytes(self._messages[1:4])
            if length > MESSAGE_LIMIT:
                raise UnexpectedReply("A TLS handshake message is too long to be honest.")
            if len(self._messages) < 4 + length:
                return
            message, self._messages = self._messages[: 4 + length], self._messages[4 + length :]
            if not self.server_hello and message[0] == 2:
                self.server_hello = message
            self.flight = _with_message(self.flight, message[0], message[4:])

    def _read_ssl2(self) -> None:
        if len(self._records) < 3:
            return
        length = int.from_bytes(self._records[:2]) & 0x7FFF
        if self._records[2] != 4:
            self.flight = replace(self.flight, closed=True, done=True)
            return
        if len(self._records) < 2 + length:
            return
        cursor = Cursor(self._records[2 : 2 + length])
        cursor.take(3)
        version, certificate, specs, _ = (cursor.number(2) for _ in range(4))
        leaf = cursor.take(certificate)
        listed = cursor.take(specs)
        suites = tuple(int.from_bytes(listed[at : at + 3]) for at in range(0, len(listed) - 2, 3))
        self.flight = replace(
            self.flight,
            version=version,
            ssl2_suites=suites[:32],
            certificates=(leaf,) if leaf else (),
            done=True,
        )


def _with_message(flight: ServerFlight, kind: int, body: bytes) -> ServerFlight:
    if kind == 2:
        return _server_hello(flight, body)
    if kind == 11:
        return replace(flight, certificates=_chain(body))
    if kind == 12:
        return _key_exchange(flight, body)
    if kind == 13:
        return replace(flight, asks_certificate=True)
    if kind == 14:
        return replace(flight, done=True)
    if kind == 22:
        return replace(flight, stapled=True, ocsp=ocsp_response(body))
    return flight


def _server_hello(flight: ServerFlight, body: bytes) -> ServerFlight:
    cursor = Cursor(body)
    version, random = cursor.number(2), cursor.take(32)
    cursor.vector(1)
    suite, compression = cursor.number(2), cursor.number(1)
    extensions = read_extensions(Cursor(cursor.vector(2))) if cursor.left >= 2 else {}
    if SUPPORTED_VERSIONS in extensions:
        version = int.from_bytes(extensions[SUPPORTED_VERSIONS])
    if version == 0:
        raise UnexpectedReply("A ServerHello names no version.")
    group, share = 0, b""
    if KEY_SHARE in extensions:
        entry = Cursor(extensions[KEY_SHARE])
        group = entry.number(2)
        share = b"" if random == _RETRY else entry.vector(2)
    return replace(
        flight,
        version=version,
        suite=suite,
        compression=compression,
        extensions=frozenset(extensions),
        group=group,
        share=share,
        server_random=random,
        done=version >= 0x0304,
    )


def ocsp_response(status: bytes) -> bytes:
    """Return the OCSP response in a CertificateStatus (RFC 6066 section 8); empty when there is none that is whole."""
    length = int.from_bytes(status[1:4])
    return status[4 : 4 + length] if status[:1] == b"\x01" and 4 + length <= len(status) else b""


def read_extensions(cursor: Cursor) -> dict[int, bytes]:
    """Return the extensions of a message by number; the last of a repeated one counts."""
    found: dict[int, bytes] = {}
    while cursor.left:
        kind = cursor.number(2)
        found[kind] = cursor.vector(2)
    return found


def _chain(body: bytes) -> tuple[bytes, ...]:
    cursor = Cursor(Cursor(body).vector(3))
    chain: list[bytes] = []
    while cursor.left and len(chain) < CHAIN_LIMIT:
        chain.append(cursor.vector(3))
    return tuple(chain)


def _key_exchange(flight: ServerFlight, body: bytes) -> ServerFlight:
    """Read the parameters of an ephemeral key exchange (RFC 5246 section 7.4.3, RFC 8422 section 5.4)."""
    name = NAMES.get(flight.suite, "").split("_WITH_")[0]
    cursor = Cursor(body)
    if "_PSK" in name:
        cursor.vector(2)
    if "ECDHE" in name or "ECDH_anon" in name:
        if cursor.number(1) != 3:  # an explicit curve, which RFC 8422 took away
            return flight
        flight = replace(flight, group=cursor.number(2))
        cursor.vector(1)
    elif "DHE" in name or "DH_anon" in name:
        flight = replace(flight, prime=cursor.vector(2).lstrip(b"\x00"))
        cursor.vector(2)
        cursor.vector(2)
    else:
        return flight
    if flight.version == 0x0303 and cursor.left >= 2:
        flight = replace(flight, signature=cursor.number(2))
    return flight


def group_label(flight: ServerFlight) -> str:
    """Return the name of the negotiated group: of a curve, ``dh``, or empty."""
    if flight.prime:
        return "dh"
    return group_name(flight.group) if flight.group else ""
