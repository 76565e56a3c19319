"""What a stapled OCSP response proves about a certificate (RFC 6960), read leniently."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from scanner.engine.rules.x509_view import View, is_signed_by

RESPONDERS = 4
"""Certificates in a response that are tried as its signer's; honest ones bring one, at most with its chain."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate's issuer says that it is revoked, since when, and why (``unspecified`` when it doesn't say)."""

    since: dt.datetime
    reason: str


def find_revocation(der: bytes, leaf: View, above: Iterable[View], now: dt.datetime) -> Revocation | None:
    """Return that ``leaf`` is revoked, if the response says so and is signed by the leaf's issuer or its responder.

    ``above`` are the certificates among which the issuer is looked for. A certificate on hold (RFC 5280 section 5.3.1)
    counts while the response is current; other revocations are for good.
    """
    # One for each key: a host may send any number of certificates for the same one.
    issuers = {parent.fingerprint: parent for parent in above if is_signed_by(leaf, parent)}.values()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            response = ocsp.load_der_ocsp_response(der)
            return next((found for issuer in issuers if (found := _revocation(response, leaf, issuer, now))), None)
        except Exception:  # noqa: BLE001 - hostile bytes raise a dozen kinds of error, and prove nothing
            return None


def holds_time_stamps(der: bytes) -> bool:
    """Tell whether the response brings certificate time stamps along (RFC 6962 section 3.3)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            extensions = ocsp.load_der_ocsp_response(der).single_extensions
            extensions.get_extension_for_class(x509.SignedCertificateTimestamps)
        except Exception:  # noqa: BLE001 - hostile bytes raise a dozen kinds of error, and bring nothing
            return False
    return True


def _revocation(response: ocsp.OCSPResponse, leaf: View, issuer: View, now: dt.datetime) -> Revocation | None:
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL or not _is_signed(response, issuer):
        return None
    for single in response.responses:
        since = single.revocation_time_utc
        if single.certificate_status is not ocsp.OCSPCertStatus.REVOKED or since is None:
            continue
        if not _is_about(single, leaf, issuer):
            continue
        reason = single.revocation_reason or x509.ReasonFlags.unspecified
        until = single.next_update_utc
        if reason is x509.ReasonFlags.certificate_hold and (until is None or until < now):
            continue
        return Revocation(since, reason.value)
    return None


def _is_about(single: ocsp.OCSPSingleResponse, leaf: View, issuer: View) -> bool:
    """Compare the CertID with the one that a client would ask about (RFC 6960 section 4.1.1)."""
    question = ocsp.OCSPRequestBuilder().add_certificate(leaf.certificate, issuer.certificate, single.hash_algorithm)
    asked = question.build()
    return (single.serial_number, single.issuer_name_hash, single.issuer_key_hash) == (
        asked.serial_number,
        asked.issuer_name_hash,
        asked.issuer_key_hash,
    )


def _is_signed(response: ocsp.OCSPResponse, issuer: View) -> bool:
    """Tell whether the issuer signed, or a responder that it named for that (RFC 6960 section 4.2.2.2)."""
    responders = [each for each in response.certificates[:RESPONDERS] if _may_respond(each, issuer.certificate)]
    return any(_verifies(response, each) for each in (issuer.certificate, *responders))


def _may_respond(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - without the extension, or not issued by it: no responder
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, digest = signer.public_key(), response.signature_hash_algorithm
    if digest is None:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True
