"""A small certificate authority for the lab: new keys every run, nothing kept."""

from __future__ import annotations

import datetime as dt
import ipaddress
import subprocess
from base64 import encodebytes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
AIA = "http://ca.lab.invalid/issuer.crt"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    key: Key | None = None,
    names: Iterable[str] = (),
    addresses: Iterable[str] = (),
    since: dt.datetime = NOW - 30 * DAY,
    until: dt.datetime = NOW + 60 * DAY,
    is_ca: bool = False,
    subject: x509.Name | None = None,
    aia: str = "",
    extensions: Iterable[x509.ExtensionType] = (),
) -> Issued:
    """Issue a certificate; self-signed without an ``issuer``. The default lives 90 days and has 60 left.

    ``subject`` stands in place of ``name`` alone; ``aia`` is where its issuer's certificate could be fetched;
    ``extensions`` are added as not critical.
    """
    own = key or ec.generate_private_key(ec.SECP256R1())
    owner = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(owner)
        .issuer_name(issuer.certificate.subject if issuer else owner)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(entry) for entry in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(entry)) for entry in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if aia:
        where = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(aia))
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
    for extension in (*_identifiers(own, issuer), *extensions):
        builder = builder.add_extension(extension, critical=False)
    if is_ca:
        builder = builder.add_extension(_SIGNS, critical=True)
    return Issued(builder.sign(issuer.key if issuer else own, hashes.SHA256()), own)


def _identifiers(key: Key, issuer: Issued | None) -> Iterator[x509.ExtensionType]:
    """Yield what tells the keys of a path apart, as authorities write it; clients that are strict ask for it (RFC 5280
    sections 4.2.1.1 and 4.2.1.2)."""
    yield x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    if issuer is not None:
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def time_stamp() -> x509.UnrecognizedExtension:
    """Return an embedded certificate time stamp (RFC 6962 section 3.3): its form is right, though no log made it."""
    stamp = bytes(1 + 32 + 8 + 2) + b"\x04\x03\x00\x04" + der(0x30, b"\x02\x00")
    listed = len(stamp).to_bytes(2, "big") + stamp
    content = der(0x04, len(listed).to_bytes(2, "big") + listed)
    return x509.UnrecognizedExtension(ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS, content)


@cache
def rsa_key(bits: int, of: str = "servers") -> rsa.RSAPrivateKey:
    """Return the RSA key of that size, one for all servers, as making one takes its time; too short ones are wanted.

    ``of`` is whose it is: who signs has another key than what is signed.
    """
    return rsa.generate_private_key(65537, bits)


def resign(
    leaf: Issued, issuer: Issued, digest: str, folder: Path, *, key: str = "", extensions: Iterable[str] = ()
) -> bytes:
    """Return ``leaf`` signed again with an old hash (``sha1``, ``md5``), PEM; only OpenSSL still does that.

    ``key`` is a file with the public key to put in its place; ``extensions`` are added, in OpenSSL's words for them.
    """
    for file, content in (
        ("old-leaf.pem", leaf.pem),
        ("old-leaf.key", leaf.key_pem),
        ("old-ca.pem", issuer.pem),
        ("old-ca.key", issuer.key_pem),
    ):
        (folder / file).write_bytes(content)
    names = ",".join(f"DNS:{entry}" for entry in _dns_names(leaf.certificate))
    alternatives = [f"subjectAltName={names}"] if names else []
    (folder / "old.cnf").write_text("\n".join((*alternatives, *extensions, "")))
    request = ["openssl", "x509", "-x509toreq", "-in", "old-leaf.pem", "-signkey", "old-leaf.key", "-out", "old.csr"]
    sign = ["openssl", "x509", "-req", "-in", "old.csr", f"-{digest}", "-CA", "old-ca.pem", "-CAkey", "old-ca.key"]
    sign += ["-set_serial", "77", "-days", "60", "-extfile", "old.cnf", "-out", "old-signed.pem"]
    sign += ["-force_pubkey", key] if key else []
    for command in (request, sign):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "old-signed.pem").read_bytes()


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def with_exponent_one(leaf: Issued, issuer: Issued, folder: Path) -> bytes:
    """Return ``leaf`` signed again over its modulus with exponent 1, PEM: such a key encrypts nothing.

    No library makes one, so the key's DER is written out (RFC 8017 appendix A.1.1) and OpenSSL signs it.
    """
    modulus = leaf.certificate.public_key().public_numbers().n  # type: ignore[union-attr]  # an RSA leaf
    number = b"\x00" + modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
    key = der(0x30, der(0x02, number) + der(0x02, b"\x01"))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")  # rsaEncryption, NULL
    public = encodebytes(der(0x30, algorithm + der(0x03, b"\x00" + key)))
    (folder / "one.key").write_bytes(b"-----BEGIN PUBLIC KEY-----\n" + public + b"-----END PUBLIC KEY-----\n")
    return resign(leaf, issuer, "sha256", folder, key="one.key")


def der(tag: int, content: bytes) -> bytes:
    """Return a DER element: its tag, the shortest form of its length, its content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


ROOT = issue("Roundsman lab root", is_ca=True, until=NOW + 3000 * DAY)
INTERMEDIATE = issue("Roundsman lab intermediate", ROOT, is_ca=True, until=NOW + 1500 * DAY)
