"""Relatives of well-known services: forks, stand-ins and older ways to reach the same, each with its own manners."""

from __future__ import annotations

import socket
import struct

from tests.lab.access import exposed
from tests.lab.access_cases import smbd
from tests.lab.case import LabCase
from tests.lab.http_answers import together
from tests.lab.scripted import Speak, hangs_up, scripted, speaks

_STAND_INS = {
    3306: b"5.6.29-mycat-1.6.7.4-release-20200105164103",
    3307: b"5.7.22-ShardingSphere-Proxy 5.1.1",
    4006: b"5.5.5-10.2.12 2.4.4-maxscale",
    6033: b"5.5.30",
    9030: b"5.7.99",
    9306: b"2.2.11-id64-release (95ae9a6)",
}
"""Proxies (Mycat, ShardingSphere, MaxScale, ProxySQL) and databases (Doris, Sphinx) that speak as a MySQL would."""


def _mysql_greeting(version: bytes) -> bytes:
    """A handshake of version 10, without TLS."""
    body = b"\x0a" + version + b"\0" + struct.pack("<I", 7) + b"nonce-01\0"
    body += struct.pack("<HBHHB", 0xF7FF, 33, 2, 0x007F, 21) + bytes(10) + b"nonce-second\0mysql_native_password\0"
    return len(body).to_bytes(3, "little") + b"\0" + body


def _inside_a_session(behind: int) -> Speak:
    """Stand before a file server as Windows does on port 139, and refuse whatever comes before a session was asked for
    (RFC 1002 section 4.3)."""

    def speak(connection: socket.socket) -> None:
        request = connection.recv(4096)
        if not request.startswith(b"\x81\0\0\x44\x20CK"):
            connection.sendall(b"\x83\0\0\x01\x8f")
            return
        connection.sendall(b"\x82\0\0\0")
        negotiation = connection.recv(4096)
        with socket.create_connection((connection.getsockname()[0], behind), timeout=5) as server:
            server.sendall(negotiation)
            connection.sendall(server.recv(65536))

    return speak


CASES = (
    LabCase(
        name="mysql-stand-ins-that-have-no-mysqls-age",
        address="127.10.92.1",
        ports=",".join(f"T:{port}" for port in _STAND_INS),
        start=together(*(scripted(port, hangs_up, banner=_mysql_greeting(text)) for port, text in _STAND_INS.items())),
        expected=frozenset((port, check) for port in _STAND_INS for check in ("SVC-MYSQL-EXPOSED", "DB-CLEARTEXT")),
        silent=frozenset({"SW-EOL-APP", "SW-EOL-SOON", "SW-OUTDATED"}),
    ),
    LabCase(
        name="redis-forks-in-protected-mode",
        address="127.10.92.2",
        ports="T:6379,T:6380",
        start=together(
            scripted(6379, hangs_up, banner=b"-DENIED Running in protected mode because protected mode is enabled\r\n"),
            scripted(6380, hangs_up, banner=b"-DENIED KeyDB is running in protected mode because it is enabled\r\n"),
        ),
        expected=exposed(REDIS=6379) | exposed(REDIS=6380),
        silent=frozenset({"SVC-REDIS-UNAUTH", "DB-CLEARTEXT"}),
    ),
    LabCase(
        name="smb-in-a-session-of-netbios-alone",
        address="127.10.92.3",
        ports="T:139",
        start=together(smbd(1139, "server min protocol = NT1"), speaks(139, _inside_a_session(1139))),
        expected=frozenset((139, check) for check in ("SVC-SMB-EXPOSED", "SMBV1", "SMB-SIGN")),
        services=frozenset({(139, "smb")}),
        needs=("smbd",),
    ),
    LabCase(
        name="ftp-on-a-host-called-smtp",
        address="127.10.92.4",
        ports="T:21,T:2100",
        start=together(
            scripted(21, lambda _: b"530 Please log in.\r\n", banner=b"220 smtp.lab.example FTP server ready.\r\n"),
            scripted(2100, lambda _: b"530 Please log in.\r\n", banner=b"220 ftp server of the SMTP team\r\n"),
        ),
        expected=frozenset({(21, "CLR-FTP"), (2100, "CLR-FTP")}),
        services=frozenset({(21, "ftp"), (2100, "ftp")}),
    ),
)
