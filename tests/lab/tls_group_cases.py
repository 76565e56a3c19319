"""Servers of TLS 1.3 that exchange keys in one group alone, new or rare: their certificates are judged, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.lab_ca import DAY, INTERMEDIATE, NOW, ROOT, Issued, issue, rsa_key
from tests.lab.tls_servers import python_server, write_pair

_PORT = 4433
_NAME = "groups.lab"
_SILENT = frozenset(
    {"TLS-NO13", "TLS-NO-MODERN", "TLS-CURVE", "TLS-POLICY", "TLS-MTLS", "CERT-SELFSIGNED", "CERT-HOSTNAME"}
)


def _leaf(*, expired: bool = False) -> Issued:
    until = NOW - DAY if expired else NOW + 60 * DAY
    return issue(_NAME, INTERMEDIATE, names=[_NAME], key=rsa_key(2048), until=until)


def _s_server(groups: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        write_pair(folder, _leaf(expired=True))
        command = [program("openssl"), "s_server", "-accept", f"{address}:{_PORT}", "-quiet", "-tls1_3"]
        command += ["-groups", groups, "-cert", "server.pem", "-cert_chain", "server.pem", "-key", "server.key"]
        with process(command, folder=folder, wait_for=(address, _PORT)):
            yield

    return start


def _case(number: int, name: str, start: Start, *, expired: bool = True) -> LabCase:
    expected: frozenset[tuple[int | str, str]] = frozenset({(_PORT, "CERT-EXPIRED")} if expired else ())
    return LabCase(
        name=f"tls-1.3-{name}",
        address=f"127.10.141.{number}",
        ports=f"T:{_PORT}",
        hostname=_NAME,
        start=start,
        anchors=(ROOT.der,),
        expected=expected,
        silent=_SILENT if expired else _SILENT | {"CERT-EXPIRED"},
    )


def _openssl35(groups: str, *, expired: bool = True) -> Start:
    return python_server(_PORT, "openssl35_server", groups, issued=_leaf(expired=expired))


CASES = (
    _case(1, "quantum-safe-alone", _openssl35("X25519MLKEM768")),
    _case(2, "quantum-safe-beside-p-384-alone", _openssl35("SecP384r1MLKEM1024")),
    _case(3, "quantum-safe-without-a-curve", _openssl35("MLKEM512")),
    _case(4, "quantum-safe-preferred", _openssl35("X25519MLKEM768:X25519", expired=False), expired=False),
    _case(5, "finite-field-alone", _s_server("ffdhe3072")),
)
