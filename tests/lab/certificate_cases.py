"""One well-configured nginx after another, each with a certificate that is wrong in its own way."""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.lab.case import LabCase, Start, process, program
from tests.lab.lab_ca import (
    AIA,
    DAY,
    INTERMEDIATE,
    NOW,
    ROOT,
    Issued,
    issue,
    resign,
    rsa_key,
    time_stamp,
    with_exponent_one,
)
from tests.lab.tls_servers import MODERN, modern_nginx, nginx, run_nginx

RSA_ROOT = issue("Roundsman lab RSA root", key=rsa_key(2048, "the root"), is_ca=True, until=NOW + 3000 * DAY)
"""For MD5, with which no elliptic key signs."""
ANCHORS = (ROOT.der, RSA_ROOT.der)
NAME = "www.lab"
RELAXED = "ECDHE+AESGCM@SECLEVEL=0"
"""Without the security level that refuses to load weak certificates."""

_DATED = ("TLS-NO-FS", "TLS-CBC", "TLS-EMS", "TLS-RENEG-INSEC")
_EVERYTHING = frozenset(
    {
        "CERT-EXPIRED",
        "CERT-NOTYET",
        "CERT-EXPIRING",
        "CERT-HOSTNAME",
        "CERT-NO-SAN",
        "CERT-SELFSIGNED",
        "CERT-UNTRUSTED",
        "CERT-CHAIN-MISSING",
        "CERT-CHAIN-ORDER",
        "CERT-SIG-WEAK",
        "CERT-KEY-WEAK",
        "CERT-EXP-1",
        "CERT-LONG",
        "CERT-SCT",
        "CERT-OCSP-STAPLE",
        "CERT-DEFAULT",
        "CERT-DISTRUST",
        "CERT-REVOKED",
    }
)


def _leaf(**options: object) -> Issued:
    fields: dict[str, object] = {"names": [NAME], **options}
    return issue(NAME, INTERMEDIATE, **fields)  # type: ignore[arg-type]  # fields by name


def _case(
    number: int,
    name: str,
    issued: Issued,
    *expected: str,
    chain: bytes | None = None,
    hostname: str | None = NAME,
    anchors: tuple[bytes, ...] = ANCHORS,
    protocols: str = "TLSv1.2 TLSv1.3",
    start: Start | None = None,
    public: bool = False,
    given_up: dt.datetime | None = None,
) -> LabCase:
    return LabCase(
        name=f"certificate-{name}",
        address=f"127.10.3.{number}",
        ports="443",
        hostname=hostname,
        start=start or modern_nginx(443, issued, chain=chain, protocols=protocols),
        anchors=anchors,
        public_roots=(ROOT.certificate,) if public else (),
        given_up=given_up,
        expected=frozenset((443, check) for check in expected),
        silent=_EVERYTHING - set(expected),
    )


def _old_signature(digest: str) -> Start:
    """An nginx whose leaf is signed with an old hash by the lab's RSA root, which OpenSSL is asked for at start-up."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        leaf = issue(NAME, RSA_ROOT, names=[NAME], key=rsa_key(2048))
        signed = resign(leaf, RSA_ROOT, digest, folder)
        with modern_nginx(443, leaf, chain=signed, ciphers=RELAXED)(address, folder):
            yield

    return start


def _cross_signed_with_sha1() -> Start:
    """An nginx that sends the lab's root along as another one signed it with SHA-1, when both were younger."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        crossed = resign(ROOT, RSA_ROOT, "sha1", folder, extensions=["basicConstraints=critical,CA:TRUE"])
        chain = _stamped.pem + INTERMEDIATE.pem + crossed
        with modern_nginx(443, _stamped, chain=chain, ciphers=RELAXED)(address, folder):
            yield

    return start


def _written_out() -> Start:
    """An nginx whose leaf says CA:FALSE, which must be left out as it is the default (X.690 section 11.5)."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        leaf = issue(NAME, RSA_ROOT, names=[NAME], key=rsa_key(2048))
        signed = resign(leaf, RSA_ROOT, "sha256", folder, extensions=["2.5.29.19=DER:3003010100"])
        with modern_nginx(443, leaf, chain=signed)(address, folder):
            yield

    return start


def _self_made(*options: str, curve: str = "") -> Start:
    """An nginx with a self-signed certificate as ``openssl req`` makes it with these options."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("openssl"), "req", "-x509", "-nodes", "-keyout", "own.key", "-out", "own.pem", "-days", "60"]
        command += ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", *options]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        own = f"ssl_certificate own.pem; ssl_certificate_key own.key; {f'ssl_ecdh_curve {curve};' if curve else ''}"
        listen = f"listen {address}:443 ssl; ssl_protocols TLSv1.2; ssl_ciphers {RELAXED}; {own}"
        with run_nginx(address, 443, folder, f"server {{ {listen} location / {{ return 404; }} }}"):
            yield

    return start


_SNAKEOIL = f"""
[req]
default_bits = 2048
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
commonName = {NAME}
[extensions]
basicConstraints = CA:FALSE
subjectAltName = DNS:{NAME}
"""
"""The template of Debian's package ``ssl-cert``, filled in as ``make-ssl-cert`` does it."""


def _snakeoil() -> Start:
    """An nginx with the certificate that Debian makes at installation, which many of its packages use at first."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "template.cnf").write_text(_SNAKEOIL)
        command = [program("openssl"), "req", "-config", "template.cnf", "-new", "-x509", "-days", "3650", "-nodes"]
        command += ["-sha256", "-out", "own.pem", "-keyout", "own.key"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        own = "ssl_certificate own.pem; ssl_certificate_key own.key;"
        listen = f"listen {address}:443 ssl; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {MODERN}; {own}"
        with run_nginx(address, 443, folder, f"server {{ {listen} location / {{ return 404; }} }}"):
            yield

    return start


def _stapled(
    issued: Issued, *, revoked: bool = False, about: Issued | None = None, protocols: str = "TLSv1.2 TLSv1.3"
) -> Start:
    """An nginx that sends along what its authority says of its certificate, or ``about`` another one."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=(about or issued).certificate,
            issuer=INTERMEDIATE.certificate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=NOW - DAY,
            next_update=NOW + DAY,
            revocation_time=NOW - 2 * DAY if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        signed = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, INTERMEDIATE.certificate).sign(
            INTERMEDIATE.key, hashes.SHA256()
        )
        (folder / "stapled.der").write_bytes(signed.public_bytes(Encoding.DER))
        directives = f"ssl_protocols {protocols}; ssl_ciphers {MODERN}; ssl_stapling on;"
        with nginx(443, f"{directives} ssl_stapling_file stapled.der;", issued)(address, folder):
            yield

    return start


def _exponent_one() -> Start:
    """A server that presents a key no library would use; it speaks up to the end of its first flight."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        leaf = issue(NAME, INTERMEDIATE, names=[NAME], key=rsa_key(2048))
        pem = with_exponent_one(leaf, INTERMEDIATE, folder)
        (folder / "server.pem").write_bytes(pem + INTERMEDIATE.pem)
        command = [sys.executable, str(Path(__file__).with_name("broken_tls.py")), address, "443", str(folder), "plain"]
        with process(command, folder=folder, wait_for=(address, 443)):
            yield

    return start


_MUST_STAPLE = (x509.TLSFeature([x509.TLSFeatureType.status_request]),)
_crowded = _leaf(names=[NAME, *(f"host-{number}.lab" for number in range(10_000))])
_must_staple = _leaf(extensions=_MUST_STAPLE)
_self_signed = issue("own.lab", names=[NAME])
_self_expired = issue("own.lab", names=[NAME], until=NOW - DAY)
_plain = _leaf()
_missing = _leaf(aia=AIA)
_stamped = _leaf(extensions=[time_stamp()])
_office = issue("Office CA", is_ca=True)
_of_office = issue(NAME, _office, names=[NAME], aia=AIA)
_long = _leaf(since=NOW - 100 * DAY, until=NOW + 700 * DAY)
_old_intermediate = issue("Roundsman lab old intermediate", ROOT, is_ca=True, until=NOW - DAY, since=NOW - 400 * DAY)
_below_old = issue(NAME, _old_intermediate, names=[NAME])
_other_intermediate = issue("Roundsman lab other intermediate", ROOT, is_ca=True)
_rekeyed_intermediate = issue("Roundsman lab intermediate", ROOT, is_ca=True)
_other_root = issue("Roundsman lab other root", is_ca=True, until=NOW + 3000 * DAY)
_cross_signed = issue("Roundsman lab intermediate", _other_root, key=INTERMEDIATE.key, is_ca=True)
_vendor = issue("www.fortinet.lab", INTERMEDIATE, names=["www.fortinet.lab"])
_default = issue("TRAEFIK DEFAULT CERT", names=["abc.traefik.default"])

CASES = (
    _case(1, "good", _plain),
    _case(2, "expired", _leaf(until=NOW - 3 * DAY), "CERT-EXPIRED"),
    _case(3, "not-yet-valid", _leaf(since=NOW + 3 * DAY), "CERT-NOTYET"),
    _case(4, "other-name", _leaf(names=["mail.lab"]), "CERT-HOSTNAME"),
    _case(5, "other-name-asked-by-ip", _leaf(names=["mail.lab"]), hostname=None),
    _case(6, "no-alternative-name", _leaf(names=[]), "CERT-NO-SAN"),
    _case(7, "intermediate-missing", _missing, "CERT-CHAIN-MISSING", chain=_missing.pem),
    _case(8, "root-included", _plain, "CERT-CHAIN-ORDER", chain=_plain.pem + INTERMEDIATE.pem + ROOT.pem),
    _case(9, "leaf-sent-twice", _plain, "CERT-CHAIN-ORDER", chain=_plain.pem + _plain.pem + INTERMEDIATE.pem),
    _case(10, "self-signed", _self_signed, "CERT-SELFSIGNED", chain=_self_signed.pem),
    _case(11, "self-signed-and-expired", _self_expired, "CERT-SELFSIGNED", "CERT-EXPIRED", chain=_self_expired.pem),
    _case(12, "unknown-authority", _plain, "CERT-UNTRUSTED", anchors=()),
    _case(
        13,
        "rsa-1024",
        _leaf(key=rsa_key(1024)),
        "CERT-KEY-WEAK",
        "TLS-SIGHASH",
        start=modern_nginx(443, _leaf(key=rsa_key(1024)), ciphers=RELAXED),
    ),
    _case(14, "sha-1", _plain, "CERT-SIG-WEAK", "TLS-SIGHASH", start=_old_signature("sha1")),
    _case(15, "md5", _plain, "CERT-SIG-WEAK", "TLS-SIGHASH", start=_old_signature("md5")),
    _case(16, "12-days-left-of-90", _leaf(since=NOW - 78 * DAY, until=NOW + 12 * DAY), "CERT-EXPIRING"),
    _case(17, "12-days-left-of-14", _leaf(since=NOW - 2 * DAY, until=NOW + 12 * DAY)),
    _case(18, "20-days-left-of-a-year", _leaf(since=NOW - 345 * DAY, until=NOW + 20 * DAY), "CERT-EXPIRING"),
    _case(19, "800-days", _long, "CERT-LONG", "CERT-UNTRUSTED", anchors=()),
    _case(20, "address-as-name", _leaf(names=[], addresses=["127.10.3.20"]), hostname=None),
    _case(21, "wildcard", _leaf(names=["*.lab"])),
    _case(22, "wildcard-covers-one-label-only", _leaf(names=["*.lab"]), "CERT-HOSTNAME", hostname="a.b.lab"),
    _case(23, "rsa-2048", _leaf(key=rsa_key(2048))),
    _case(24, "p-384", _leaf(key=ec.generate_private_key(ec.SECP384R1()))),
    _case(25, "expired-intermediate", _below_old, "CERT-EXPIRED", chain=_below_old.pem + _old_intermediate.pem),
    _case(
        26,
        "product-default",
        _default,
        "CERT-DEFAULT",
        "CERT-SELFSIGNED",
        chain=_default.pem,
        hostname=None,
    ),
    _case(27, "self-signed-but-registered", _self_signed, chain=_self_signed.pem, anchors=(_self_signed.der,)),
    _case(29, "must-staple-and-does-not", _must_staple, "CERT-OCSP-STAPLE"),
    _case(30, "must-staple-and-does", _must_staple, start=_stapled(_must_staple)),
    _case(31, "exponent-one", _plain, "CERT-EXP-1", *_DATED, start=_exponent_one()),
    _case(32, "public-without-timestamps", _plain, "CERT-SCT", anchors=(), public=True),
    _case(33, "ten-thousand-names", _crowded, hostname="host-9999.lab"),
    _case(34, "ten-thousand-names-encrypted", _crowded, protocols="TLSv1.3"),
    _case(
        35,
        "a-hundred-intermediates",
        _plain,
        "CERT-CHAIN-ORDER",
        chain=_plain.pem + INTERMEDIATE.pem * 100,
    ),
    _case(
        36,
        "wrong-intermediate",
        _missing,
        "CERT-CHAIN-MISSING",
        "CERT-CHAIN-ORDER",
        chain=_missing.pem + _other_intermediate.pem,
    ),
    _case(
        37,
        "intermediate-of-the-same-name-with-another-key",
        _missing,
        "CERT-CHAIN-MISSING",
        "CERT-CHAIN-ORDER",
        chain=_missing.pem + _rekeyed_intermediate.pem,
    ),
    _case(
        38,
        "intermediate-too-many",
        _plain,
        "CERT-CHAIN-ORDER",
        chain=_plain.pem + INTERMEDIATE.pem + _other_intermediate.pem,
    ),
    _case(39, "40-days-left-of-a-year", _leaf(since=NOW - 325 * DAY, until=NOW + 40 * DAY)),
    _case(
        40,
        "issued-after-browsers-gave-its-root-up",
        _plain,
        "CERT-DISTRUST",
        "CERT-SCT",
        anchors=(),
        public=True,
        given_up=NOW - 40 * DAY,
    ),
    _case(
        41,
        "issued-before-browsers-gave-its-root-up",
        _plain,
        "CERT-SCT",
        anchors=(),
        public=True,
        given_up=NOW - 20 * DAY,
    ),
    _case(42, "revoked", _plain, "CERT-REVOKED", start=_stapled(_plain, revoked=True)),
    _case(
        43,
        "tls-1.3-only-and-revoked",
        _plain,
        "CERT-REVOKED",
        start=_stapled(_plain, revoked=True, protocols="TLSv1.3"),
    ),
    _case(44, "another-one-is-revoked", _plain, start=_stapled(_plain, revoked=True, about=_must_staple)),
    _case(45, "intermediate-signed-by-two-roots", _plain, chain=_plain.pem + INTERMEDIATE.pem + _cross_signed.pem),
    _case(46, "vendor-of-devices-itself", _vendor, "CERT-SCT", hostname="www.fortinet.lab", anchors=(), public=True),
    _case(47, "intermediate-missing-that-nobody-tells-of", _plain, "CERT-CHAIN-MISSING", chain=_plain.pem),
    _case(48, "default-written-out", _plain, start=_written_out()),
    _case(
        49,
        "self-signed-with-sha-1",
        _plain,
        "CERT-SELFSIGNED",
        "CERT-SIG-WEAK",
        "TLS-SIGHASH",
        start=_self_made("-newkey", "rsa:2048", "-sha1"),
    ),
    _case(
        50,
        "self-signed-on-a-curve-that-libraries-forgot",
        _plain,
        "CERT-SELFSIGNED",
        "CERT-KEY-WEAK",
        "TLS-CURVE",
        "TLS-SIGHASH",
        start=_self_made("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp160r1", curve="secp160r1"),
    ),
    _case(
        51, "unknown-authority-that-tells-where-its-certificate-is", _of_office, "CERT-UNTRUSTED", chain=_of_office.pem
    ),
    _case(
        52, "intermediate-missing-under-a-public-root", _stamped, "CERT-CHAIN-MISSING", anchors=(), chain=_stamped.pem
    ),
    _case(53, "debians-snakeoil", _plain, "CERT-SELFSIGNED", "CERT-DEFAULT", start=_snakeoil()),
    _case(
        54,
        "self-signed-for-ten-years",
        _plain,
        "CERT-SELFSIGNED",
        "TLS-SIGHASH",
        start=_self_made("-newkey", "rsa:2048", "-days", "3650"),
    ),
    _case(
        55,
        "public-root-that-an-older-one-signed-with-sha-1",
        _stamped,
        "TLS-SIGHASH",
        anchors=(),
        public=True,
        start=_cross_signed_with_sha1(),
    ),
    _case(
        56,
        "intermediate-signed-with-sha-1",
        _stamped,
        "CERT-SIG-WEAK",
        "TLS-SIGHASH",
        anchors=(RSA_ROOT.der,),
        start=_cross_signed_with_sha1(),
    ),
    _case(28, "tls-1.3-only-and-expired", _leaf(until=NOW - 3 * DAY), "CERT-EXPIRED", protocols="TLSv1.3"),
)
