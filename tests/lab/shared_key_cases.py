"""Pairs of hosts that have a key in common, or seem to: nginx, OpenSSH, and a server that still speaks SSL 2.0."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.lab.case import LabCase, Partner, Start
from tests.lab.lab_ca import INTERMEDIATE, ROOT, Issued, issue, rsa_key
from tests.lab.ssh_cases import sshd
from tests.lab.tls_servers import modern_nginx, python_server

_SHARED = frozenset({"TLS-DROWN-X", "CERT-WILDCARD", "SSH-SAMEKEY"})
_WILDCARD = issue("*.lab", INTERMEDIATE, names=["*.lab"])
_RSA = issue("www.lab", INTERMEDIATE, names=["*.lab"], key=rsa_key(2048))
_RENEWED = issue("mail.lab", INTERMEDIATE, names=["mail.lab"], key=_RSA.key)
_ONE_NAME = issue("www.lab", INTERMEDIATE, names=["www.lab"])
_OTHER = issue("b.lab", INTERMEDIATE, names=["b.lab"])


def _ssh_key() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _beside(*starts: Start) -> Start:
    """Run several servers on one address, each in a folder of its own."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        with contextlib.ExitStack() as running:
            for number, each in enumerate(starts):
                own = folder / str(number)
                own.mkdir()
                running.enter_context(each(address, own))
            yield

    return start


def _site_and_ssh(issued: Issued, ssh_key: bytes) -> Start:
    options = ("PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "MACs=hmac-sha2-256")
    return _beside(modern_nginx(443, issued), sshd(*options, known=ssh_key))


def _ssl2(issued: Issued) -> Start:
    return python_server(4433, "broken_tls", "ssl2", issued=issued)


def _case(
    number: int,
    name: str,
    start: Start,
    partner: Start,
    *expected: tuple[int, str],
    hostname: str = "b.lab",
    organisation: str = "lab",
) -> LabCase:
    return LabCase(
        name=f"shared-key-{name}",
        address=f"127.10.83.{number}",
        ports="22,443,4433",
        start=start,
        hostname="www.lab",
        anchors=(ROOT.der,),
        expected=frozenset(expected),
        silent=_SHARED - {check for _, check in expected},
        partner=Partner(f"127.10.83.{number + 1}", partner, hostname, organisation),
    )


_SSH_KEY = _ssh_key()
_both = _site_and_ssh(_WILDCARD, _SSH_KEY)

CASES = (
    _case(
        1,
        "ssl2-elsewhere",
        modern_nginx(443, _RSA),
        _ssl2(_RENEWED),
        (443, "TLS-DROWN-X"),
        (443, "CERT-WILDCARD"),
        hostname="mail.lab",
    ),
    _case(
        3,
        "none-of-them",
        _site_and_ssh(_ONE_NAME, _ssh_key()),
        _beside(_site_and_ssh(_OTHER, _ssh_key()), _ssl2(_RENEWED)),
    ),
    _case(5, "two-hosts-of-one-organisation", _both, _both, (443, "CERT-WILDCARD"), (22, "SSH-SAMEKEY")),
    _case(7, "two-organisations", _both, _both, (443, "CERT-WILDCARD"), (22, "SSH-SAMEKEY"), organisation="other"),
    _case(9, "one-name-with-two-addresses", _both, _both, hostname="www.lab"),
    _case(
        11,
        "a-host-it-does-not-name",
        modern_nginx(443, _ONE_NAME),
        modern_nginx(443, _ONE_NAME),
        (443, "CERT-WILDCARD"),
    ),
)
