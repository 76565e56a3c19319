"""Root certificates that an organisation trusts beside the public ones: its own certificate authorities."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from targets.wrong import WrongText

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
MOST = 50
"""Roots of one organisation."""


class RootError(WrongText):
    """A text holds no root certificate that can be trusted; the message says why and what to give instead."""


@dataclass(frozen=True, slots=True)
class Root:
    """One root: PEM as it is stored, DER as it is trusted, and how people recognise it."""

    pem: str
    der: bytes
    label: str


def parse_roots(text: str) -> tuple[Root, ...]:
    """Return the certificates of a PEM text, each once. Raises ``RootError`` for one that can't sign certificates."""
    blocks = _BLOCK.findall(text)
    if not blocks:
        raise RootError("this holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", "no-certificate")
    if len(blocks) > MOST:
        raise RootError(
            f"this holds {len(blocks)} certificates; at most {MOST} are trusted",
            "too-many-roots",
            count=len(blocks),
            most=MOST,
        )
    roots = {root.der: root for root in map(_root, blocks)}
    return tuple(roots.values())


def _root(block: str) -> Root:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old roots have serial numbers that are no longer allowed
            certificate = x509.load_pem_x509_certificate(block.encode("ascii", errors="replace"))
            name = certificate.subject.rfc4514_string()
            is_authority = _is_authority(certificate)
    except ValueError as error:
        raise RootError(f"this certificate can't be read: {error}", "certificate-unreadable") from error
    if not is_authority:
        raise RootError(
            f"{name or 'this certificate'} is no certificate authority (basicConstraints CA:TRUE is missing); give the "
            "root that signs the servers' certificates, not a server's own",
            "no-authority",
            name=name or "—",
        )
    der = certificate.public_bytes(Encoding.DER)
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()[:16]
    return Root(certificate.public_bytes(Encoding.PEM).decode("ascii"), der, f"{name} (SHA-256 {fingerprint}…)")


def _is_authority(certificate: x509.Certificate) -> bool:
    """Version 1 certificates have no extensions: a self-issued one may be a root (RFC 5280 section 6.1)."""
    if certificate.version is x509.Version.v1:
        return certificate.subject == certificate.issuer
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
