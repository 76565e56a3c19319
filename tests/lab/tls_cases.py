"""TLS servers from sound to hopeless."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import dh
from cryptography.hazmat.primitives.serialization import Encoding, ParameterFormat

from tests.lab.case import LabCase, Start
from tests.lab.lab_ca import DAY, INTERMEDIATE, NOW, ROOT, issue, rsa_key
from tests.lab.tls_servers import (
    modern_nginx,
    nginx,
    nginx_server,
    python_server,
    run_nginx,
    write_pair,
)

ANCHORS = (ROOT.der,)

# Oakley group 2 (RFC 2409 section 6.2): 1024 bits, known to everyone.
_OAKLEY_2 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
DH_1024 = dh.DHParameterNumbers(_OAKLEY_2, 2).parameters().parameter_bytes(Encoding.PEM, ParameterFormat.PKCS3)

OLD_CIPHERS = "DEFAULT@SECLEVEL=0"
_BROKEN = frozenset({"TLS-SSLV2", "TLS-SSLV3", "TLS-NULL", "TLS-ANON", "TLS-EXPORT", "TLS-RC4", "TLS-DES", "TLS-3DES"})
_OLD = frozenset({"TLS-V10", "TLS-V11", "TLS-NO-MODERN"})
_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED", "CERT-HOSTNAME", "CERT-CHAIN-MISSING", "CERT-EXPIRED"})


@contextlib.contextmanager
def _three_sites(address: str, folder: Path) -> Iterator[None]:
    """A default server that is self-signed, a.lab that is sound, other.lab that has expired."""
    modern = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM; ssl_prefer_server_ciphers on;"
    own = issue("default.lab", names=["default.lab"])
    write_pair(folder, own, "default", chain=own.pem)
    write_pair(folder, issue("a.lab", INTERMEDIATE, names=["a.lab"]), "a")
    write_pair(folder, issue("other.lab", INTERMEDIATE, names=["other.lab"], until=NOW - 2 * DAY), "other")
    listen = f"{address}:9443 ssl"
    servers = (
        nginx_server(f"{listen} default_server", modern, name="default")
        + nginx_server(listen, modern, name="a", server_name="a.lab")
        + nginx_server(listen, modern, name="other", server_name="other.lab")
    )
    with run_nginx(address, 9443, folder, servers):
        yield


@contextlib.contextmanager
def _demands_name(address: str, folder: Path) -> Iterator[None]:
    write_pair(folder, issue("a.lab", INTERMEDIATE, names=["a.lab"]), "a")
    modern = "ssl_ciphers ECDHE+AESGCM; ssl_prefer_server_ciphers on;"
    servers = (
        f"server {{ listen {address}:9444 ssl default_server; ssl_protocols TLSv1.2 TLSv1.3; "
        "ssl_reject_handshake on; }" + nginx_server(f"{address}:9444 ssl", modern, name="a", server_name="a.lab")
    )
    with run_nginx(address, 9444, folder, servers):
        yield


@contextlib.contextmanager
def _wants_client_certificate(address: str, folder: Path) -> Iterator[None]:
    (folder / "ca.pem").write_bytes(ROOT.pem)
    directives = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM; ssl_prefer_server_ciphers on;"
    directives += f" ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;"
    with nginx(443, directives, issue("m.lab", INTERMEDIATE, names=["m.lab"]))(address, folder):
        yield


def _nginx_with(directives: str) -> Start:
    """An nginx on port 4433 with an RSA key and the 1024-bit prime at hand."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "dh.pem").write_bytes(DH_1024)
        issued = issue("s.lab", INTERMEDIATE, names=["s.lab"], key=rsa_key(2048))
        with nginx(4433, directives, issued)(address, folder):
            yield

    return start


def _tlslite(**settings: object) -> str:
    return json.dumps(settings)


CASES = (
    LabCase(
        name="tls-modern-nginx",
        address="127.10.2.1",
        ports="443",
        hostname="good.lab",
        start=modern_nginx(443, issue("good.lab", INTERMEDIATE, names=["good.lab"])),
        anchors=ANCHORS,
        silent=_BROKEN | _OLD | _CERTIFICATE | {"TLS-RSA-KX", "TLS-NO-FS", "TLS-CURVE", "TLS-EMS", "TLS-CBC"},
    ),
    LabCase(
        name="tls-aria-held-to-the-ncsc-guideline",
        address="127.10.2.40",
        ports="4433",
        start=_nginx_with("ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ARIA128-GCM-SHA256;"),
        anchors=ANCHORS,
        policy="ncsc-nl-2025",
        expected=frozenset({(4433, "TLS-POLICY"), (4433, "CERT-KEY-WEAK")}),
        silent=_BROKEN | _OLD | {"TLS-CBC", "TLS-DH-WEAK", "TLS-CURVE"},
    ),
    LabCase(
        name="tls-aria-held-to-nothing-special",
        address="127.10.2.41",
        ports="4433",
        start=_nginx_with("ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ARIA128-GCM-SHA256;"),
        anchors=ANCHORS,
        silent=_BROKEN | _OLD | {"TLS-POLICY", "CERT-KEY-WEAK", "TLS-CBC"},
    ),
    LabCase(
        name="tls-nginx-as-installed-by-ip",
        address="127.10.2.2",
        ports="8444",
        start=nginx(8444, "", (own := issue("box", names=["box"])), chain=own.pem),
        expected=frozenset({(8444, "CERT-SELFSIGNED"), (8444, "TLS-NO13"), (8444, "TLS-CBC")}),
        silent=_BROKEN | _OLD | {"CERT-HOSTNAME", "CERT-UNTRUSTED", "CERT-EXPIRED"},
    ),
    LabCase(
        name="tls-three-sites-by-ip",
        address="127.10.2.3",
        ports="9443",
        start=_three_sites,
        anchors=ANCHORS,
        expected=frozenset({(9443, "CERT-SELFSIGNED")}),
        silent=frozenset({"CERT-HOSTNAME", "CERT-EXPIRED", "CERT-UNTRUSTED"}),
    ),
    LabCase(
        name="tls-three-sites-expired-one",
        address="127.10.2.4",
        ports="9443",
        hostname="other.lab",
        start=_three_sites,
        anchors=ANCHORS,
        expected=frozenset({(9443, "CERT-EXPIRED")}),
        silent=frozenset({"CERT-SELFSIGNED", "CERT-HOSTNAME", "CERT-UNTRUSTED"}),
    ),
    LabCase(
        name="tls-three-sites-sound-one",
        address="127.10.2.5",
        ports="9443",
        hostname="a.lab",
        start=_three_sites,
        anchors=ANCHORS,
        silent=_CERTIFICATE | _BROKEN | _OLD,
    ),
    LabCase(
        name="tls-demands-a-name",
        address="127.10.2.6",
        ports="9444",
        start=_demands_name,
        expected=frozenset({(9444, "TLS-SNI-REQ")}),
        silent=_CERTIFICATE | _BROKEN | _OLD | {"TLS-NO13"},
        outcome="partial",
    ),
    LabCase(
        name="tls-demands-a-name-and-gets-it",
        address="127.10.2.7",
        ports="9444",
        hostname="a.lab",
        start=_demands_name,
        anchors=ANCHORS,
        silent=_CERTIFICATE | _BROKEN | _OLD | {"TLS-SNI-REQ"},
    ),
    LabCase(
        name="tls-client-certificate",
        address="127.10.2.8",
        ports="443",
        start=_wants_client_certificate,
        anchors=ANCHORS,
        expected=frozenset({(443, "TLS-MTLS")}),
        silent=_BROKEN | _OLD | _CERTIFICATE,
    ),
    LabCase(
        name="tls-nginx-old-versions",
        address="127.10.2.9",
        ports="443",
        start=nginx(
            443,
            f"ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers {OLD_CIPHERS};",
            issue("o.lab", INTERMEDIATE, names=["o.lab"], key=rsa_key(2048)),
        ),
        anchors=ANCHORS,
        expected=frozenset(
            (443, check) for check in ("TLS-V10", "TLS-V11", "TLS-NO13", "TLS-CBC", "TLS-RSA-KX", "TLS-SIGHASH")
        ),
        silent=_BROKEN | {"TLS-NO-MODERN", "TLS-NO-FS", "TLS-SCSV", "TLS-EMS", "TLS-RENEG-INSEC", "TLS-COMP"},
    ),
    LabCase(
        name="tls-only-1.0",
        address="127.10.2.10",
        ports="4433",
        start=_nginx_with(f"ssl_protocols TLSv1; ssl_ciphers {OLD_CIPHERS};"),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-V10", "TLS-NO-MODERN", "TLS-CBC", "TLS-RSA-KX")),
        silent=_BROKEN | {"TLS-V11", "TLS-NO-FS", "TLS-SCSV", "TLS-NO13"},
    ),
    LabCase(
        name="tls-only-1.1",
        address="127.10.2.11",
        ports="4433",
        start=_nginx_with(f"ssl_protocols TLSv1.1; ssl_ciphers {OLD_CIPHERS};"),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-V11", "TLS-NO-MODERN", "TLS-CBC", "TLS-RSA-KX")),
        silent=_BROKEN | {"TLS-V10", "TLS-NO-FS"},
    ),
    LabCase(
        name="tls-1.0-and-1.2-with-a-gap",
        address="127.10.2.12",
        ports="4433",
        start=_nginx_with("ssl_protocols TLSv1 TLSv1.2; ssl_ciphers ECDHE+AES@SECLEVEL=0;"),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-V10", "TLS-NO13", "TLS-CBC", "TLS-SIGHASH")),
        silent=_BROKEN | {"TLS-V11", "TLS-NO-MODERN", "TLS-RSA-KX"},
    ),
    LabCase(
        name="tls-only-rsa-key-exchange",
        address="127.10.2.13",
        ports="4433",
        start=_nginx_with("ssl_protocols TLSv1.2; ssl_ciphers AES128-GCM-SHA256:AES256-GCM-SHA384;"),
        anchors=ANCHORS,
        expected=frozenset({(4433, "TLS-NO-FS"), (4433, "TLS-NO13")}),
        silent=_BROKEN | _OLD | {"TLS-RSA-KX", "TLS-CBC", "TLS-DH-WEAK", "TLS-SIGHASH"},
    ),
    LabCase(
        name="tls-dhe-1024",
        address="127.10.2.14",
        ports="4433",
        start=_nginx_with(
            "ssl_protocols TLSv1.2; ssl_ciphers DHE-RSA-AES128-GCM-SHA256@SECLEVEL=0; ssl_dhparam dh.pem;"
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-DH-WEAK", "TLS-DH-COMMON", "TLS-NO13", "TLS-SIGHASH")),
        silent=_BROKEN | _OLD | {"TLS-NO-FS", "TLS-RSA-KX", "TLS-CURVE"},
    ),
    LabCase(
        name="tls-null-and-anonymous",
        address="127.10.2.15",
        ports="4433",
        start=_nginx_with(
            "ssl_protocols TLSv1.2; ssl_ciphers NULL-SHA256:ADH-AES128-GCM-SHA256@SECLEVEL=0; ssl_dhparam dh.pem;"
        ),
        anchors=ANCHORS,
        expected=frozenset(
            (4433, check) for check in ("TLS-NULL", "TLS-ANON", "TLS-NO13", "TLS-DH-WEAK", "TLS-DH-COMMON")
        ),
        silent=frozenset({"TLS-RC4", "TLS-3DES", "TLS-EXPORT", "TLS-CBC", "TLS-RSA-KX"}),
    ),
    LabCase(
        name="tls-only-1.3",
        address="127.10.2.16",
        ports="4433",
        hostname="s.lab",
        start=_nginx_with("ssl_protocols TLSv1.3;"),
        anchors=ANCHORS,
        silent=_BROKEN | _OLD | _CERTIFICATE | {"TLS-CURVE", "TLS-EMS", "TLS-RENEG-INSEC", "TLS-NO13", "TLS-NO-FS"},
    ),
    LabCase(
        name="tls-small-curves",
        address="127.10.2.17",
        ports="4433",
        start=_nginx_with(
            "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256@SECLEVEL=0;"
            " ssl_ecdh_curve secp192r1:secp224r1:prime256v1;"
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-CURVE", "TLS-NO13", "TLS-SIGHASH")),
        silent=_BROKEN | _OLD | {"TLS-DH-WEAK", "TLS-NO-FS"},
    ),
    LabCase(
        name="tls-tlslite-rc4-beside-1.3",
        address="127.10.2.18",
        ports="4433",
        start=python_server(
            4433,
            "tlslite_server",
            _tlslite(minVersion=[3, 3], maxVersion=[3, 4], cipherNames=["aes128gcm", "rc4"], macNames=["sha", "aead"]),
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-RC4", "TLS-SIGHASH")),
        silent=(_BROKEN - {"TLS-RC4"}) | _OLD | {"TLS-CURVE", "TLS-EMS", "TLS-NO13"},
    ),
    LabCase(
        name="tls-tlslite-only-ssl3",
        address="127.10.2.19",
        ports="4433",
        start=python_server(
            4433,
            "tlslite_server",
            _tlslite(minVersion=[3, 0], maxVersion=[3, 0], versions=[[3, 0]], cipherNames=["aes128"], macNames=["sha"]),
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-SSLV3", "TLS-NO-MODERN", "TLS-CBC")),
        silent=frozenset({"TLS-V10", "TLS-V11", "TLS-SSLV2", "TLS-EMS", "TLS-3DES", "TLS-RC4"}),
    ),
    LabCase(
        name="tls-tlslite-rc4",
        address="127.10.2.20",
        ports="4433",
        start=python_server(
            4433,
            "tlslite_server",
            _tlslite(minVersion=[3, 1], maxVersion=[3, 3], cipherNames=["rc4", "aes128gcm"], macNames=["sha", "aead"]),
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-RC4", "TLS-V10", "TLS-V11", "TLS-NO13", "TLS-SIGHASH")),
        silent=frozenset({"TLS-SSLV3", "TLS-3DES", "TLS-NULL", "TLS-EMS", "TLS-CBC"}),
    ),
    LabCase(
        name="tls-tlslite-3des",
        address="127.10.2.21",
        ports="4433",
        start=python_server(
            4433,
            "tlslite_server",
            _tlslite(minVersion=[3, 3], maxVersion=[3, 3], cipherNames=["3des"], macNames=["sha"]),
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-3DES", "TLS-CBC", "TLS-NO13", "TLS-SIGHASH")),
        silent=frozenset({"TLS-COMP", "TLS-DES", "TLS-RC4", "TLS-EMS", "TLS-V10", "TLS-V11"}),
    ),
    LabCase(
        name="tls-tlslite-null",
        address="127.10.2.22",
        ports="4433",
        start=python_server(
            4433,
            "tlslite_server",
            _tlslite(minVersion=[3, 3], maxVersion=[3, 3], cipherNames=["null"], macNames=["sha", "sha256"]),
        ),
        anchors=ANCHORS,
        expected=frozenset((4433, check) for check in ("TLS-NULL", "TLS-NO13", "TLS-SIGHASH")),
        silent=frozenset({"TLS-ANON", "TLS-CBC", "TLS-RC4"}),
    ),
    LabCase(
        name="tls-tlslite-no-extended-master-secret",
        address="127.10.2.23",
        ports="4433",
        start=python_server(
            4433,
            "tlslite_server",
            _tlslite(minVersion=[3, 3], maxVersion=[3, 4], cipherNames=["aes128gcm"], useExtendedMasterSecret=False),
        ),
        anchors=ANCHORS,
        expected=frozenset({(4433, "TLS-EMS"), (4433, "TLS-SIGHASH")}),
        silent=_BROKEN | _OLD | {"TLS-CBC", "TLS-NO13", "TLS-SCSV", "TLS-RENEG-INSEC"},
    ),
    LabCase(
        name="tls-only-ssl2",
        address="127.10.2.24",
        ports="4433",
        start=python_server(4433, "broken_tls", "ssl2"),
        anchors=ANCHORS,
        expected=frozenset({(4433, "TLS-SSLV2"), (4433, "TLS-NO-MODERN")}),
        silent=frozenset({"TLS-SSLV3", "TLS-V10", "TLS-RC4", "TLS-3DES"}),
    ),
    LabCase(
        name="tls-export-suites",
        address="127.10.2.25",
        ports="4433",
        start=python_server(4433, "broken_tls", "export"),
        anchors=ANCHORS,
        expected=frozenset(
            (4433, check)
            for check in (
                "TLS-EXPORT",
                "TLS-V10",
                "TLS-NO-MODERN",
                "TLS-NO-FS",
                "TLS-EMS",
                "TLS-RENEG-INSEC",
                "TLS-CBC",
            )
        ),
        silent=frozenset({"TLS-SSLV2", "TLS-SSLV3", "TLS-V11", "TLS-RC4", "TLS-DES"}),
    ),
    LabCase(
        name="tls-only-tlcp",
        address="127.10.2.26",
        ports="4433",
        start=python_server(4433, "broken_tls", "tlcp"),
        expected=frozenset({(4433, "TLS-TLCP")}),
        silent=_BROKEN | _OLD | _CERTIFICATE | {"TLS-CBC", "TLS-NO-FS", "TLS-NO13"},
    ),
)
