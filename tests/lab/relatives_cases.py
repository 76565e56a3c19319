"""Relatives of well-known services: forks, stand-ins and older ways to reach the same, each with its own manners."""

from __future__ import annotations

import socket
import struct
import threading
import time

from scanner.engine.catalogue.load import catalogue
from scanner.engine.plan import Profile
from tests.lab.access import NOT_ABOUT_ACCESS, exposed, unauth
from tests.lab.access_cases import smbd
from tests.lab.case import LabCase
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, Speak, hangs_up, scripted, speaks
from tests.lab.sharing_cases import slapd
from tests.lab.udp import scripted_udp

_STAND_INS = {
    3306: b"5.6.29-mycat-1.6.7.4-release-20200105164103",
    3307: b"5.7.22-ShardingSphere-Proxy 5.1.1",
    4006: b"5.5.5-10.2.12 2.4.4-maxscale",
    6033: b"5.5.30",
    9030: b"5.7.99",
    9306: b"2.2.11-id64-release (95ae9a6)",
}
"""Proxies (Mycat, ShardingSphere, MaxScale, ProxySQL) and databases (Doris, Sphinx) that speak as a MySQL would."""


def mysql_greeting(version: bytes) -> bytes:
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


def _controller(*, authentication: bool = False) -> Answer:
    """A controller of KRaft as of Kafka 3.7: it knows the quorum and the log-in, and nothing of topics."""

    def answer(request: bytes) -> bytes | None:
        if len(request) < 14 or struct.unpack_from(">i", request)[0] != len(request) - 4:
            return None
        api, _, correlation = struct.unpack_from(">hhi", request, 4)
        if api == 18:
            body = struct.pack(">hi9h", 0, 3, 17, 0, 1, 18, 0, 3, 55, 0, 1)
        elif api == 55 and not authentication and request.endswith(b"__cluster_metadata\x02" + bytes(7)):
            body = b"\0" + struct.pack(">h", 0) + b"\x01\0"
        else:
            return None
        return struct.pack(">ii", 4 + len(body), correlation) + body

    return answer


def _other_rpc_service(request: bytes) -> bytes | None:
    """NFS or a mount daemon: the program of the port mapper is not its own (RFC 5531 section 9, PROG_UNAVAIL)."""
    if len(request) < 28 or request[8:12] != bytes(4):
        return None
    return b"\x80\0\0\x18" + request[4:8] + struct.pack(">5I", 1, 0, 0, 0, 1)


def _octet_by_octet(banner: bytes, answer: Answer) -> Speak:
    """Write as small devices do, whose programs send each letter by itself."""

    def speak(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said: bytes | None = banner
        while said is not None:
            for octet in said:
                connection.sendall(bytes([octet]))
                time.sleep(0.001)
            request = connection.recv(4096)
            said = answer(request) if request else None

    return speak


def _windows_xp(request: bytes) -> bytes | None:
    """Confirm the connection without a word about security; S7 controllers confirm alike on port 102."""
    return b"\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0" if request.startswith(b"\x03\0") else None


def _one_at_a_time(answer: Answer) -> Speak:
    """Close at once every connection but the one that is served."""
    free = threading.Semaphore()

    def speak(connection: socket.socket) -> None:
        if not free.acquire(blocking=False):
            return
        try:
            while (request := connection.recv(4096)) and (reply := answer(request)) is not None:
                connection.sendall(reply)
        finally:
            free.release()

    return speak


def _broker(request: bytes) -> bytes | None:
    return b"\x20\x02\0\0" if request.startswith(b"\x10") else None


def _ftp(request: bytes) -> bytes:
    return {b"FEAT": b"211 End\r\n", b"AUTH": b"502 No\r\n"}.get(request[:4], b"530 Please log in.\r\n")


def _imap(request: bytes) -> bytes:
    return b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK\r\n" if request.startswith(b"a1 CAPABILITY") else b"* BAD\r\n"


def _proxy_without_a_name(tunnel: bytes) -> Answer:
    """Turn requests for a path away and say nothing of itself, as Clash and v2ray do; ``tunnel`` answers CONNECT."""

    def answer(request: bytes) -> bytes | None:
        if request.startswith(b"CONNECT 192.0.2.1:443 "):
            return tunnel
        refused = request.startswith((b"GET ", b"OPTIONS ", b"TRACE "))
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" if refused else None

    return answer


def _guests_resolver(request: bytes) -> bytes | None:
    """Send everyone to the portal by answering every name for its own, as dnsmasq does with ``--address=/#/…``."""
    if len(request) < 17:
        return None
    address = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x0a\x00\x00\x01"
    asks = request[-4:] == b"\x00\x01\x00\x01"
    return request[:2] + b"\x85\x80" + struct.pack(">4H", 1, asks, 0, 0) + request[12:] + (address if asks else b"")


CASES = (
    LabCase(
        name="mysql-stand-ins-that-have-no-mysqls-age",
        address="127.10.92.1",
        ports=",".join(f"T:{port}" for port in _STAND_INS),
        start=together(*(scripted(port, hangs_up, banner=mysql_greeting(text)) for port, text in _STAND_INS.items())),
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
    LabCase(
        name="ldap-that-takes-a-bind-inside-tls-alone",
        address="127.10.92.5",
        ports="T:389",
        start=slapd(settings="security tls=1", tls=True),
        expected=frozenset({(389, "SVC-LDAP-UNAUTH"), (389, "LDAP-ANON")}),
        silent=frozenset({"LDAP-CLEAR"}),
        tolerated=frozenset(check for check in catalogue() if check.startswith(("TLS-", "CERT-"))),
        level=2,
        needs=("slapd",),
    ),
    LabCase(
        name="kafka-controllers",
        address="127.10.92.6",
        ports="T:9093,T:9094",
        start=together(scripted(9093, _controller()), scripted(9094, _controller(authentication=True))),
        expected=unauth(KAFKA=9093) | exposed(KAFKA=9094) | {(9093, "DB-CLEARTEXT"), (9094, "DB-CLEARTEXT")},
        services=frozenset({(9093, "kafka"), (9094, "kafka")}),
    ),
    LabCase(
        name="rpc-services-that-are-no-port-mapper",
        address="127.10.92.7",
        ports="T:2049,T:20048",
        start=together(scripted(2049, _other_rpc_service), scripted(20048, _other_rpc_service)),
        silent=frozenset({"CLR-RPCBIND", "NFS-EXPORT"}),
        services=frozenset({(2049, "rpc"), (20048, "rpc")}),
    ),
    LabCase(
        name="servers-that-write-octet-by-octet",
        address="127.10.92.8",
        ports="T:21,T:143,T:3306",
        start=together(
            speaks(21, _octet_by_octet(b"220 FTP ready\r\n", _ftp)),
            speaks(143, _octet_by_octet(b"* OK ready\r\n", _imap)),
            speaks(3306, _octet_by_octet(mysql_greeting(b"8.4.9"), hangs_up)),
        ),
        expected=frozenset({(21, "CLR-FTP"), (143, "IMAP-CLEAR"), (3306, "SVC-MYSQL-EXPOSED"), (3306, "DB-CLEARTEXT")}),
        tolerated=frozenset({"SW-OUTDATED", "SW-EOL-APP", "SW-EOL-SOON"}),
        services=frozenset({(21, "ftp"), (143, "imap"), (3306, "mysql")}),
    ),
    LabCase(
        name="http-proxies-without-a-name-on-ports-of-their-own",
        address="127.10.92.9",
        ports="T:7890,T:8899,T:8898",
        start=together(
            scripted(7890, _proxy_without_a_name(b"HTTP/1.1 200 Connection established\r\n\r\n")),
            scripted(
                8899,
                _proxy_without_a_name(b"HTTP/1.1 502 Bad Gateway\r\nProxy-agent: lab\r\nContent-Length: 0\r\n\r\n"),
            ),
            scripted(8898, _proxy_without_a_name(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")),
        ),
        expected=unauth(HTTP_PROXY=7890) | unauth(HTTP_PROXY=8899),
        tolerated=NOT_ABOUT_ACCESS,
    ),
    LabCase(
        name="dns-that-sends-guests-to-a-portal",
        address="127.10.92.10",
        ports="U:53",
        start=scripted_udp(53, _guests_resolver),
        silent=frozenset({"DNS-RECURSION"}),
        tolerated=frozenset({"DNS-AMP-ANY"}),
    ),
    LabCase(
        name="mqtt-broker-for-one-client-at-a-time",
        address="127.10.92.11",
        ports="T:1883",
        start=speaks(1883, _one_at_a_time(_broker)),
        expected=unauth(MQTT=1883) | {(1883, "DB-CLEARTEXT")},
        services=frozenset({(1883, "mqtt")}),
    ),
    LabCase(
        name="rdp-from-before-it-negotiated",
        address="127.10.92.12",
        ports="T:102,T:3389",
        start=together(scripted(102, _windows_xp), scripted(3389, _windows_xp)),
        expected=frozenset({(3389, "SVC-RDP-EXPOSED"), (3389, "RDP-NLA-OFF")}),
        services=frozenset({(3389, "rdp")}),
        profile=Profile.QUICK,
    ),
)
