"""Remote management by Windows, by network devices and by products that hand a desktop over."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.plan import Profile
from tests.lab.access import exposed
from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import together
from tests.lab.lab_ca import issue, rsa_key
from tests.lab.scripted import hangs_up, scripted
from tests.lab.tls_servers import write_pair

_SETTINGS = """\
[global]
interfaces = {address}/8
bind interfaces only = yes
rpc start on demand helpers = no
state directory = {folder}
cache directory = {folder}
private dir = {folder}
lock directory = {folder}
pid directory = {folder}
ncalrpc dir = {folder}/ncalrpc
log file = {folder}/log.%m
"""


@contextlib.contextmanager
def _samba_rpc(address: str, folder: Path) -> Iterator[None]:
    """Samba's end-point mapper and the ports that it hands out, as Windows has them."""
    (folder / "ncalrpc").mkdir()
    configuration = folder / "smb.conf"
    configuration.write_text(_SETTINGS.format(address=address, folder=folder))
    command = [program("samba-dcerpcd"), "--foreground", "--no-process-group", "--libexec-rpcds"]
    with process([*command, "-s", str(configuration)], folder=folder, wait_for=(address, 135)):
        yield


_TEAMVIEWER = b"\x17\x24\x0a\x20\x00lab!\x08\x13\x80" + bytes(5) + b"\x01\0\0\0\x11\x80" + bytes(14)
_RADMIN_3 = b"\x01\0\0\0\x25\x08\0\x02\x12\x08\x02\0\x08\x0a" + bytes(28)
"""First messages as nmap's collection of service probes records them (nmap 7.93)."""

_SMI_QUESTION = struct.pack(">6I", 1, 1, 4, 8, 1, 0)
_SMI_ANSWER = struct.pack(">6I", 4, 0, 3, 8, 1, 0)
"""What Cisco's own checker asks and waits for (github.com/Cisco-Talos/smi_check)."""

_WINBOX_ENTRY = (
    b'{ crc: 3443480142, size: 1276, name: "advtool.jg", unique: "advtool-b3bce0ff6230.jg", version: "6.45.2" },\n'
)
"""An entry of the list as RouterOS 6.45 has it (github.com/tenable/routeros, 8291_scanner)."""


def _winbox(request: bytes) -> bytes | None:
    if request[:6] != b"\x12\x02list":
        return None
    return bytes([len(_WINBOX_ENTRY) + 18, 2]) + request[2:] + _WINBOX_ENTRY


def _routeros_api(request: bytes) -> bytes | None:
    """RouterOS 6.42: the challenge of the log-in (wiki.mikrotik.com, Manual:API)."""
    challenge = b"=ret=ee8d06ab50d811c5585b85ed6680f813"
    return b"\x05!done" + bytes([len(challenge)]) + challenge + b"\0" if request == b"\x06/login\0" else None


def _routeros_7_api(request: bytes) -> bytes | None:
    """RouterOS since 6.45: there is no challenge any more."""
    why = b"=message=invalid user name or password (6)"
    return b"\x05!trap" + bytes([len(why)]) + why + b"\0\x05!done\0" if request == b"\x06/login\0" else None


def _radmin(request: bytes) -> bytes | None:
    return _RADMIN_3 if request == b"\x01\0\0\0\x01\0\0\0\x08\x08" else None


def _anydesk(port: int, name: str) -> Start:
    """A TLS server that asks for a certificate and says nothing without one, with a certificate of its own making."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        own = issue(name, key=rsa_key(2048))
        write_pair(folder, own, chain=own.pem)
        command = [program("openssl"), "s_server", "-accept", f"{address}:{port}", "-Verify", "1"]
        options = ("-cert", "server.pem", "-key", "server.key", "-quiet")
        with process([*command, *options], folder=folder, wait_for=(address, port)):
            yield

    return start


CASES = (
    LabCase(
        name="windows-rpc",
        address="127.10.88.21",
        ports="T:135,T:593,T:49152",
        start=together(_samba_rpc, scripted(593, hangs_up, banner=b"ncacn_http/1.0")),
        expected=frozenset((port, "SVC-MSRPC-EXPOSED") for port in (135, 593, 49152)),
        services=frozenset({(135, "msrpc"), (593, "ncacn-http"), (49152, "msrpc")}),
        needs=("samba-dcerpcd",),
    ),
    LabCase(
        name="remote-management-of-devices",
        address="127.10.88.22",
        ports="T:4786,T:4899,T:5938,T:8291,T:8728",
        start=together(
            scripted(4786, lambda request: _SMI_ANSWER if request == _SMI_QUESTION else None),
            scripted(4899, _radmin),
            scripted(5938, hangs_up, banner=_TEAMVIEWER),
            scripted(8291, _winbox),
            scripted(8728, _routeros_api),
        ),
        expected=exposed(CISCO_SMI=4786, RADMIN=4899, TEAMVIEWER=5938, WINBOX=8291, ROUTEROS_API=8728),
        services=frozenset({(4786, "cisco-smi"), (8291, "winbox"), (8728, "routeros-api")}),
    ),
    LabCase(
        name="routeros-7-api",
        address="127.10.88.23",
        ports="T:8728",
        start=scripted(8728, _routeros_7_api),
        expected=exposed(ROUTEROS_API=8728),
    ),
    LabCase(
        name="what-is-no-remote-management",
        address="127.10.88.24",
        ports="T:135,T:593,T:4786,T:4899,T:5938,T:8291,T:8728",
        start=together(
            scripted(135, lambda request: request[:64]),
            scripted(593, hangs_up, banner=b"ncacn_http/1.0 is not spoken here\r\n"),
            scripted(4786, lambda request: request[:64]),
            scripted(4899, lambda _: b"\x01\0\0\0\x25\x08\0\x02\x12\x08\x02\0\x09\x0a" + bytes(28)),
            scripted(5938, hangs_up, banner=_TEAMVIEWER[:20]),
            scripted(8291, lambda request: request[:64]),
            scripted(8728, lambda _: b"\x06/login\0"),
        ),
        silent=frozenset(
            f"SVC-{code}-EXPOSED" for code in ("MSRPC", "CISCO-SMI", "RADMIN", "TEAMVIEWER", "WINBOX", "ROUTEROS-API")
        ),
        outcome="partial",
        profile=Profile.QUICK,
    ),
    LabCase(
        name="anydesk",
        address="127.10.88.25",
        ports="T:7070",
        start=_anydesk(7070, "AnyDesk Client"),
        expected=exposed(ANYDESK=7070),
        tolerated=frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED", "CERT-NO-SAN", "TLS-RSA-KX"}),
        services=frozenset({(7070, "tls")}),
        needs=("openssl",),
    ),
    LabCase(
        name="a-certificate-that-is-not-anydesks",
        address="127.10.88.26",
        ports="T:7070",
        start=_anydesk(7070, "AnyDesk Client Downloads"),
        silent=frozenset({"SVC-ANYDESK-EXPOSED"}),
        tolerated=frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED", "CERT-NO-SAN", "TLS-RSA-KX"}),
        needs=("openssl",),
    ),
)
