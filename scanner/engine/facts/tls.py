"""What a TLS server accepts, asks for and presents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TlsVersion(StrEnum):
    SSL2 = "SSLv2"
    SSL3 = "SSLv3"
    TLS10 = "TLSv1.0"
    TLS11 = "TLSv1.1"
    TLS12 = "TLSv1.2"
    TLS13 = "TLSv1.3"
    TLCP = "TLCP"


class Answer(StrEnum):
    """The result of a test that may not have run: ``UNTESTED`` is never read as ``NO``."""

    YES = "yes"
    NO = "no"
    UNTESTED = "untested"


@dataclass(frozen=True, slots=True)
class AcceptedSuite:
    """A cipher suite the server chose when it was offered.

    ``suite`` is the IANA name (for SSLv2 the name of its draft); ``group`` the negotiated group
    (``x25519``, ``secp256r1``, ``dh``) or empty; ``group_bits`` the DH prime size or curve field size, 0 when
    unknown; ``prime_sha256`` the hash of a DH prime, hexadecimal.
    """

    version: TlsVersion
    suite: str
    group: str = ""
    group_bits: int = 0
    prime_sha256: str = ""


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """One server as seen under one name.

    ``sni`` is the name sent (None: no server_name extension); ``starttls`` the protocol that was upgraded or
    empty for TLS from the first byte. ``versions`` answers for every version. ``suites`` lists what was
    accepted, per version, in the order found. ``chains`` holds each distinct certificate chain as sent,
    leaf first, every certificate as base64 DER; ``ssl2_certificate`` the only one that SSL 2.0 has room for.
    ``ocsp_responses`` are the stapled ones, base64 DER, as far as they are of a sensible size. ``timestamps_sent``
    tells whether certificate time stamps came with the handshake (RFC 6962 section 3.3.1).
    ``complete`` is False when the sweep ended early (``ended`` says why), in which case absences prove nothing.
    """

    sni: str | None
    starttls: str = ""
    versions: tuple[tuple[TlsVersion, Answer], ...] = ()
    suites: tuple[AcceptedSuite, ...] = ()
    groups: tuple[str, ...] = ()
    server_preference: Answer = Answer.UNTESTED
    compression: Answer = Answer.UNTESTED
    secure_renegotiation: Answer = Answer.UNTESTED
    extended_master_secret: Answer = Answer.UNTESTED
    fallback_scsv: Answer = Answer.UNTESTED
    sha1_signature: Answer = Answer.UNTESTED
    client_certificate: Answer = Answer.UNTESTED
    needs_name: bool = False
    heartbleed: Answer = Answer.UNTESTED
    ccs_injection: Answer = Answer.UNTESTED
    robot: str = ""
    client_renegotiation: Answer = Answer.UNTESTED
    early_data: Answer = Answer.UNTESTED
    ocsp_stapled: Answer = Answer.UNTESTED
    timestamps_sent: Answer = Answer.UNTESTED
    chains: tuple[tuple[str, ...], ...] = ()
    ssl2_certificate: str = ""
    ocsp_responses: tuple[str, ...] = ()
    complete: bool = True
    ended: str = ""
    connections: int = 0

    def accepts(self, version: TlsVersion) -> Answer:
        """Return what was found for ``version``; ``UNTESTED`` when it was not asked."""
        return dict(self.versions).get(version, Answer.UNTESTED)
