"""What takes a real handshake to see, inspected ``deep``; and hellos answered as only old libraries did.

nginx and OpenSSL's ``s_server`` are real. The flaws of CVE-2014-0160, CVE-2014-0224 and Bleichenbacher's oracle, and
suites and features that were taken out of every library, are played by servers of the lab's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.plan import Profile
from tests.lab.case import LabCase, Start, process, program
from tests.lab.lab_ca import INTERMEDIATE, ROOT, issue, rsa_key
from tests.lab.tls_servers import modern_nginx, nginx, python_server, write_pair

PORT = 4433
FLAWS = frozenset({"TLS-HEARTBLEED", "TLS-CCS", "TLS-ROBOT", "TLS-RENEG-DOS", "TLS-0RTT"})
FEATURES = frozenset({"TLS-COMP", "TLS-SCSV", "TLS-DES", "TLS-PREF", "TLS-RENEG-INSEC"})
_ANCHORS = (ROOT.der,)
_DATED = frozenset(
    {"TLS-RSA-KX", "TLS-CBC", "TLS-NO-FS", "TLS-V10", "TLS-V11", "TLS-NO-MODERN", "TLS-EMS", "TLS-SIGHASH"}
)


def _case(
    number: int,
    name: str,
    start: Start,
    *expected: str,
    profile: Profile = Profile.DEEP,
    tolerated: frozenset[str] = frozenset(),
    outcome: str = "inspected",
) -> LabCase:
    return LabCase(
        name=f"tls-{name}",
        address=f"127.10.31.{number}",
        ports=f"T:{PORT}",
        start=start,
        expected=frozenset((PORT, check) for check in expected),
        silent=(FLAWS | FEATURES | {"TLS-DH-COMMON", "TLS-MTLS", "TLS-TLCP"}) - {*expected},
        tolerated=tolerated | {"WEB-XFO"},
        anchors=_ANCHORS,
        profile=profile,
        outcome=outcome,
    )


def _s_server(*options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        write_pair(folder, issue("deep.lab", INTERMEDIATE, key=rsa_key(2048), names=["deep.lab"]))
        command = [program("openssl"), "s_server", "-accept", f"{address}:{PORT}", "-cert", "server.pem"]
        command += ["-cert_chain", "server.pem", "-key", "server.key", "-www", *options]
        with process(command, folder=folder, wait_for=(address, PORT)):
            yield

    return start


def _flawed(mode: str) -> Start:
    return python_server(PORT, "flawed_tls_server", mode)


_RSA = issue("deep.lab", INTERMEDIATE, key=rsa_key(2048), names=["deep.lab"])
_CLASSIC = nginx(PORT, "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256;", _RSA)
_EARLY_DATA = nginx(PORT, "ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on; ssl_session_cache shared:a:1m;", _RSA)

CASES = (
    _case(1, "deep-modern", modern_nginx(PORT, issue("deep.lab", INTERMEDIATE, names=["deep.lab"]))),
    _case(2, "deep-classic", _CLASSIC, tolerated=_DATED),
    _case(3, "deep-early-data", _EARLY_DATA, "TLS-0RTT", tolerated=_DATED),
    _case(
        4,
        "deep-client-renegotiation",
        _s_server("-tls1_2", "-client_renegotiation", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"),
        "TLS-RENEG-DOS",
    ),
    _case(
        5, "deep-heartbleed", python_server(PORT, "flawed_tls_server", "heartbleed"), "TLS-HEARTBLEED", tolerated=_DATED
    ),
    _case(6, "deep-early-ccs", python_server(PORT, "flawed_tls_server", "ccs"), "TLS-CCS", tolerated=_DATED),
    _case(7, "deep-robot", python_server(PORT, "flawed_tls_server", "robot"), "TLS-ROBOT", tolerated=_DATED),
    _case(8, "deep-without-flaws", python_server(PORT, "flawed_tls_server", "sound"), tolerated=_DATED),
    _case(
        9,
        "client-chooses-null",
        _s_server("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:NULL-SHA256:@SECLEVEL=0"),
        "TLS-PREF",
        "TLS-NULL",
        profile=Profile.STANDARD,
        tolerated=_DATED,
    ),
    _case(
        10,
        "server-chooses",
        _s_server("-tls1_2", "-serverpref", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:NULL-SHA256:@SECLEVEL=0"),
        "TLS-NULL",
        profile=Profile.STANDARD,
        tolerated=_DATED,
    ),
    _case(
        11,
        "single-des",
        python_server(PORT, "broken_tls", "des"),
        "TLS-DES",
        "TLS-3DES",
        "TLS-RENEG-INSEC",
        profile=Profile.STANDARD,
        tolerated=_DATED,
    ),
    _case(
        12,
        "compression",
        python_server(PORT, "broken_tls", "compression"),
        "TLS-COMP",
        "TLS-RENEG-INSEC",
        profile=Profile.STANDARD,
        tolerated=_DATED,
    ),
    _case(
        13,
        "no-fallback-signal",
        python_server(PORT, "broken_tls", "no-scsv"),
        "TLS-SCSV",
        "TLS-RENEG-INSEC",
        profile=Profile.STANDARD,
        tolerated=_DATED,
    ),
    _case(14, "deep-a-few-renegotiations", python_server(PORT, "renegotiation_server"), tolerated=_DATED),
)
