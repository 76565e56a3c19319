"""``openssl s_server``: it serves one connection at a time and leaves the next ones waiting."""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.lab_ca import ROOT, issue, rsa_key
from tests.lab.tls_cases import DH_1024
from tests.lab.tls_servers import write_pair

_ANCHORS = (ROOT.der,)
_PORT = 4433
_OWN_1024 = b"""-----BEGIN DH PARAMETERS-----
MIGHAoGBANUUOls2N+RWPaFsLtQJH5Rrk6r+QhMCRYKo/ZUVQUq1xtOAAPrCbziM
N/7hDA7f+9l7gENWXFZnyrwiHISJLkxh7ZQ4Mogz0mBhlXNeEySfy996onNO9M1F
semULdipOETp9UXWmcrkXS2DGHnrNeT2YkULdwpiFUD5Eg5p9/tnAgEC
-----END DH PARAMETERS-----
"""
"""A prime that nobody else has, made by ``openssl dhparam 1024``."""


_TIME_STAMPS = b"\x00\x12\x00\x06\x00\x04\x00\x02\x00\x00"
"""The extension for certificate time stamps with a list of one, whose form is enough here (RFC 6962 section 3.3)."""
_WHERE = (0x0080 | 0x0100 | 0x1000).to_bytes(4, "big")
"""In what messages it may stand: ClientHello, ServerHello of TLS 1.2, Certificate of TLS 1.3."""


def _s_server(*options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        stamps = b64encode(_WHERE + _TIME_STAMPS).decode()
        label = "SERVERINFOV2 FOR extension 18"
        (folder / "stamps.pem").write_text(f"-----BEGIN {label}-----\n{stamps}\n-----END {label}-----\n")
        write_pair(folder, issue("s-server.lab", ROOT, key=rsa_key(2048), names=["s-server.lab"]))
        (folder / "dh1024.pem").write_bytes(DH_1024)
        (folder / "own1024.pem").write_bytes(_OWN_1024)
        command = [program("openssl"), "s_server", "-accept", f"{address}:{_PORT}", "-cert", "server.pem"]
        with process([*command, "-key", "server.key", *options], folder=folder, wait_for=(address, _PORT)):
            yield

    return start


def _on_port(*checks: str) -> frozenset[tuple[int | str, str]]:
    return frozenset((_PORT, check) for check in checks)


CASES = (
    LabCase(
        name="s-server-tls10-only",
        address="127.10.4.101",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1", "-cipher", "AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0"),
        expected=_on_port("TLS-V10", "TLS-NO-MODERN", "TLS-CBC", "TLS-RSA-KX", "WEB-XFO"),
        silent=frozenset({"TLS-V11", "TLS-SSLV3", "TLS-NO-FS", "TLS-RC4", "TLS-3DES"}),
        anchors=_ANCHORS,
    ),
    LabCase(
        name="s-server-rsa-key-exchange-only",
        address="127.10.4.102",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-GCM-SHA384"),
        expected=_on_port("TLS-NO-FS", "WEB-XFO"),
        silent=frozenset({"TLS-V10", "TLS-V11", "TLS-NO-MODERN", "TLS-DH-WEAK"}),
        tolerated=frozenset({"TLS-RSA-KX"}),
        anchors=_ANCHORS,
    ),
    LabCase(
        name="s-server-dhe-1024",
        address="127.10.4.103",
        ports=f"T:{_PORT}",
        start=_s_server(
            "-www", "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam", "dh1024.pem"
        ),
        expected=_on_port("TLS-DH-WEAK", "TLS-DH-COMMON", "TLS-SIGHASH", "WEB-XFO"),
        silent=frozenset({"TLS-NO-FS", "TLS-RSA-KX", "TLS-V10"}),
        anchors=_ANCHORS,
    ),
    LabCase(
        name="s-server-dhe-1024-of-its-own",
        address="127.10.4.107",
        ports=f"T:{_PORT}",
        start=_s_server(
            "-www", "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam", "own1024.pem"
        ),
        expected=_on_port("TLS-DH-WEAK", "WEB-XFO"),
        silent=frozenset({"TLS-DH-COMMON", "TLS-NO-FS", "TLS-RSA-KX", "TLS-V10"}),
        tolerated=frozenset({"TLS-SIGHASH"}),
        anchors=_ANCHORS,
    ),
    LabCase(
        name="s-server-null-and-anonymous",
        address="127.10.4.104",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1_2", "-cipher", "NULL-SHA256:AECDH-AES128-SHA:@SECLEVEL=0"),
        expected=_on_port("TLS-NULL", "TLS-ANON", "WEB-XFO"),
        silent=frozenset({"TLS-EXPORT", "TLS-RC4", "TLS-V10"}),
        tolerated=frozenset({"TLS-CBC", "TLS-RSA-KX", "TLS-NO-FS"}),
        anchors=_ANCHORS,
    ),
    LabCase(
        name="s-server-tls13-only",
        address="127.10.4.105",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1_3"),
        expected=_on_port("WEB-XFO"),
        silent=frozenset({"TLS-NO13", "TLS-NO-MODERN", "TLS-NO-FS", "TLS-EMS", "CERT-SELFSIGNED", "CERT-UNTRUSTED"}),
        anchors=_ANCHORS,
    ),
    LabCase(
        name="s-server-time-stamps-beside-a-public-certificate",
        address="127.10.160.6",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1_2", "-cipher", "ECDHE+AESGCM", "-serverinfo", "stamps.pem"),
        expected=_on_port("WEB-XFO"),
        silent=frozenset({"CERT-SCT", "CERT-UNTRUSTED"}),
        public_roots=(ROOT.certificate,),
    ),
    LabCase(
        name="s-server-tls13-time-stamps-beside-a-public-certificate",
        address="127.10.160.7",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1_3", "-serverinfo", "stamps.pem"),
        expected=_on_port("WEB-XFO"),
        silent=frozenset({"CERT-SCT", "CERT-UNTRUSTED"}),
        public_roots=(ROOT.certificate,),
    ),
    LabCase(
        name="s-server-public-certificate-without-time-stamps",
        address="127.10.160.8",
        ports=f"T:{_PORT}",
        start=_s_server("-www", "-tls1_3"),
        expected=_on_port("WEB-XFO", "CERT-SCT"),
        silent=frozenset({"CERT-UNTRUSTED"}),
        public_roots=(ROOT.certificate,),
    ),
    LabCase(
        name="s-server-that-is-mute-inside",
        address="127.10.4.106",
        ports=f"T:{_PORT}",
        start=_s_server("-quiet", "-tls1_1", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"),
        expected=_on_port("TLS-V11", "TLS-NO-MODERN", "TLS-CBC"),
        silent=frozenset({"TLS-V10", "TLS-SSLV3"}),
        anchors=_ANCHORS,
    ),
)
