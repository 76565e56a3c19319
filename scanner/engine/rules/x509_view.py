"""A certificate from a scanned host, read leniently: what can't be read is None, and nothing raises."""

from __future__ import annotations

import datetime as dt
import hashlib
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, SignatureAlgorithmOID

from scanner.engine.hostile import line, remembering
from scanner.engine.rules.x509_der import SEQUENCE, elements, only
from scanner.engine.rules.x509_mend import mend

# The errors that cryptography raises on malformed or unsupported content; pyo3 adds ones derived from Exception.
_RSA_ENCRYPTION, _EC_PUBLIC_KEY = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06072a8648ce3d0201")
"""Object identifiers of key types, as elements (RFC 3279 section 2.3.1, RFC 5480 section 2.1.1)."""
_VERSION, _INTEGER, _BIT_STRING = 0xA0, 0x02, 0x03
"""Tags of the fields of a certificate (RFC 5280 section 4.1)."""

_REMEMBERED = 16 * 1024
"""Bytes up to which a certificate is kept ready once it was read; a host may send ones a hundred times as large."""


@dataclass(frozen=True, slots=True)
class View:
    """One certificate. ``names`` are its DNS names, lower case; ``addresses`` its IP names. ``owner`` and ``issued_by``
    are subject and issuer as they are compared, kept as each reading of ones with faults warns of them.

    ``key`` is ``RSA``, ``EC``, ``DSA`` or empty; ``bits`` the size of modulus, curve field or prime; ``exponent``
    RSA's public exponent; ``fingerprint`` the SHA-256 of SubjectPublicKeyInfo, hexadecimal, or empty when the key
    can't be loaded. ``digest`` is the hash of the signature (``sha256``, ``md5``) or empty for schemes
    without one. ``scts`` counts embedded certificate time stamps. ``signed`` is what the issuer signed, which differs
    from ``certificate`` where that had to be mended to be read.
    """

    certificate: x509.Certificate
    owner: x509.Name
    issued_by: x509.Name
    signed: bytes
    subject: str
    issuer: str
    not_before: dt.datetime
    not_after: dt.datetime
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    common_name: str
    has_san: bool
    key: str
    bits: int
    exponent: int
    fingerprint: str
    digest: str
    is_ca: bool
    ocsp: tuple[str, ...]
    ca_issuers: tuple[str, ...]
    must_staple: bool
    scts: int
    is_self_issued: bool


@remembering(most=4096, longest=_REMEMBERED)
def view(der: bytes) -> View | None:
    """Return what ``der`` says, or None when it isn't a certificate that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for mended in (None, False, True):
            try:
                return _loaded(der) if mended is None else _mended(der, least=mended)
            except Exception:  # noqa: BLE001, S112 - hostile bytes raise a dozen kinds of error, and all mean the same
                continue
        return None


def _loaded(der: bytes) -> View:
    return _read(x509.load_der_x509_certificate(der))


def _mended(der: bytes, *, least: bool) -> View:
    mended = mend(der, least=least)
    return replace(_read(x509.load_der_x509_certificate(mended.der)), signed=mended.signed)


def names_host(leaf: View, name: str) -> bool:
    """Tell whether the certificate is for this host name (lower case); one without any names goes by its subject."""
    return any(covers(pattern, name) for pattern in (leaf.names if leaf.has_san else (leaf.common_name.lower(),)))


def covers(pattern: str, name: str) -> bool:
    """Match one DNS name; a wildcard stands for exactly the whole leftmost label (RFC 9525 section 6.3)."""
    if pattern.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and rest == pattern[2:]
    return pattern == name


def _powers(prime: int) -> frozenset[int]:
    """Return every power of 65537 modulo ``prime``."""
    found, power = set(), 1
    while power not in found:
        found.add(power)
        power = power * 65537 % prime
    return frozenset(found)


_ROCA_PRIMES = (
    *(3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109),
    *(113, 127, 131, 137, 139, 149, 151, 157, 163, 167),
)
_ROCA = tuple((prime, _powers(prime)) for prime in _ROCA_PRIMES)


def has_roca(certificate: View) -> bool:
    """Tell whether an RSA key was made by Infineon's flawed library (CVE-2017-15361).

    Its moduli are powers of 65537 modulo each small prime (Nemec et al. 2017, section 3.2), others are by a chance of
    1 in 2**27.
    """
    if certificate.key != "RSA" or certificate.exponent != 65537:
        return False
    numbers = certificate.certificate.public_key().public_numbers()  # type: ignore[union-attr]  # an RSA key
    return isinstance(numbers, rsa.RSAPublicNumbers) and all(numbers.n % prime in powers for prime, powers in _ROCA)


def is_signed_by(child: View, parent: View) -> bool:
    """Tell whether ``parent`` issued ``child``: by name and by signature, old hashes included."""
    return child.issued_by == parent.owner and _verifies(child.certificate, child.signed, parent.certificate)


def may_be_signed_by(child: View, parent: View) -> bool:
    """Tell whether ``parent`` may have issued ``child``: as :func:`is_signed_by`, but in doubt yes.

    In doubt is a signature of a kind that is not verified here, such as SM2, or with a key on a curve that no library
    knows any more.
    """
    if child.issued_by != parent.owner:
        return False
    verifiable = child.digest and parent.fingerprint
    return not verifiable or _verifies(child.certificate, child.signed, parent.certificate)


@lru_cache(maxsize=8192)
def _verifies(child: x509.Certificate, signed: bytes, parent: x509.Certificate) -> bool:
    """Tell whether the parent's key made the child's signature, with hashes that are refused nowadays too."""
    signature = child.signature
    try:
        key, digest = parent.public_key(), child.signature_hash_algorithm
        match key:
            case rsa.RSAPublicKey() if digest:
                pss = child.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS
                scheme = child.signature_algorithm_parameters if pss else padding.PKCS1v15()
                key.verify(signature, signed, scheme, digest)  # type: ignore[arg-type]  # of PSS, they are its padding
            case ec.EllipticCurvePublicKey() if digest:
                key.verify(signature, signed, ec.ECDSA(digest))
            case dsa.DSAPublicKey() if digest:
                key.verify(signature, signed, digest)
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
                key.verify(signature, signed)
            case _:
                return False
    except Exception:  # noqa: BLE001 - a key or signature that can't be read verifies nothing, nor does a wrong one
        return False
    return True


def _read(certificate: x509.Certificate) -> View:
    _ = certificate.extensions  # one that can't be read would hide all the others
    names, addresses, has_san = _subject_alternatives(certificate)
    key, bits, exponent = _key(certificate)
    ocsp, ca_issuers = _access(certificate)
    owner, issued_by = certificate.subject, certificate.issuer
    return View(
        certificate=certificate,
        owner=owner,
        issued_by=issued_by,
        signed=certificate.tbs_certificate_bytes,
        subject=_name(owner),
        issuer=_name(issued_by),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        names=names,
        addresses=addresses,
        common_name=_common_name(owner),
        has_san=has_san,
        key=key,
        bits=bits,
        exponent=exponent,
        fingerprint=_fingerprint(certificate),
        digest=_digest(certificate),
        is_ca=_is_ca(certificate),
        ocsp=ocsp,
        ca_issuers=ca_issuers,
        must_staple=_extension(certificate, x509.TLSFeature) is not None,
        scts=_scts(certificate),
        is_self_issued=issued_by == owner,
    )


def _name(name: x509.Name) -> str:
    return line(name.rfc4514_string())


def _common_name(owner: x509.Name) -> str:
    found = owner.get_attributes_for_oid(NameOID.COMMON_NAME)
    return line(str(found[-1].value)) if found else ""


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except Exception:  # noqa: BLE001 - absent, repeated or malformed: there is nothing to read
        return None


def _subject_alternatives(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    value = _extension(certificate, x509.SubjectAlternativeName)
    if not isinstance(value, x509.SubjectAlternativeName):
        return (), (), False
    names = tuple(line(name).lower().rstrip(".") for name in value.get_values_for_type(x509.DNSName))
    addresses = tuple(str(address) for address in value.get_values_for_type(x509.IPAddress))
    return names, addresses, bool(names or addresses)


def _access(certificate: x509.Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    value = _extension(certificate, x509.AuthorityInformationAccess)
    if not isinstance(value, x509.AuthorityInformationAccess):
        return (), ()
    found: dict[x509.ObjectIdentifier, list[str]] = {}
    for entry in value:
        if isinstance(entry.access_location, x509.UniformResourceIdentifier):
            found.setdefault(entry.access_method, []).append(line(entry.access_location.value))
    return (
        tuple(found.get(AuthorityInformationAccessOID.OCSP, ())),
        tuple(found.get(AuthorityInformationAccessOID.CA_ISSUERS, ())),
    )


def _is_ca(certificate: x509.Certificate) -> bool:
    value = _extension(certificate, x509.BasicConstraints)
    return isinstance(value, x509.BasicConstraints) and value.ca


def _scts(certificate: x509.Certificate) -> int:
    value = _extension(certificate, x509.PrecertificateSignedCertificateTimestamps)
    return len(list(value)) if isinstance(value, x509.PrecertificateSignedCertificateTimestamps) else 0


def _digest(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except Exception:  # noqa: BLE001 - an algorithm that isn't known, such as SM3
        return ""
    return algorithm.name if algorithm is not None else ""


def _key(certificate: x509.Certificate) -> tuple[str, int, int]:
    try:
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 - a key that can't be loaded may be told all the same
        return _key_by_hand(certificate.tbs_certificate_bytes)
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size, key.public_numbers().e
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size, 0
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size, 0
    return "", 0, 0


def _fingerprint(certificate: x509.Certificate) -> str:
    try:
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # noqa: BLE001 - a key that can't be loaded
        return ""
    return hashlib.sha256(spki).hexdigest()


def _key_by_hand(tbs: bytes) -> tuple[str, int, int]:
    """Read a key that libraries refuse to load: RSA with an absurd exponent, a curve that they don't know any more.

    The size of a curve is that of its coordinates in whole bytes (RFC 3279 section 2.3, RFC 5480 section 2).
    """
    try:
        fields = elements(only(tbs, SEQUENCE))
        algorithm, bits = elements(only(fields[6 if fields[0][0] == _VERSION else 5], SEQUENCE))
        kind, key = elements(only(algorithm, SEQUENCE))[0], only(bits, _BIT_STRING)[1:]
        if kind == _RSA_ENCRYPTION:
            modulus, exponent = (int.from_bytes(only(number, _INTEGER)) for number in elements(only(key, SEQUENCE)))
            return "RSA", modulus.bit_length(), exponent
    except (ValueError, IndexError):
        return "", 0, 0
    if kind != _EC_PUBLIC_KEY:
        return "", 0, 0
    coordinates = 1 if key[:1] in (b"\x02", b"\x03") else 2
    return "EC", 8 * ((len(key) - 1) // coordinates), 0
