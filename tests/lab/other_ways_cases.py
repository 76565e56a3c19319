"""Services set up in ordinary but other ways: late to greet, sparing with tunnels, TLS and clear text on one port."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.catalogue.load import catalogue
from tests.lab.access import NOT_ABOUT_ACCESS, exposed, unauth
from tests.lab.access_cases import smbd
from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.data_fake_cases import mongodb_uninitiated
from tests.lab.http_answers import together
from tests.lab.redis_cases import redis_server
from tests.lab.relatives_cases import mysql_greeting
from tests.lab.scripted import Answer, Speak, listening, scripted, speaks
from tests.lab.squid_cases import squid

_OWN_CERTIFICATE = frozenset(check for check in catalogue() if check.startswith(("TLS-", "CERT-")))
_AGE = frozenset({"SW-EOL-APP", "SW-EOL-SOON", "SW-OUTDATED"})


def _postgresql_17(connection: socket.socket, inside: ssl.SSLContext) -> None:
    """Take TLS from the first byte, for those who name the protocol; else serve as it always did
    (backend_startup.c, ProcessSSLStartup)."""
    if connection.recv(1, socket.MSG_PEEK) == b"\x16":
        with inside.wrap_socket(connection, server_side=True) as upgraded:
            if upgraded.selected_alpn_protocol() == "postgresql":
                _start_up(upgraded, None)
        return
    _start_up(connection, inside)


def _start_up(connection: socket.socket, inside: ssl.SSLContext | None) -> None:
    head = connection.recv(8, socket.MSG_WAITALL if not isinstance(connection, ssl.SSLSocket) else 0)
    if len(head) < 8 or not 8 <= (size := int.from_bytes(head[:4], "big")) <= 10000:
        return
    connection.recv(max(1, size - 8)) if size > 8 else b""
    major, minor = struct.unpack(">HH", head[4:])
    if (major, minor) == (1234, 5679) and inside is not None:
        connection.sendall(b"S")
        with inside.wrap_socket(connection, server_side=True) as upgraded:
            _start_up(upgraded, None)
    elif major != 3:
        text = f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"
        body = f"SFATAL\0VFATAL\0C0A000\0M{text}\0Fbackend_startup.c\0L753\0RProcessStartupPacket\0\0".encode()
        connection.sendall(b"E" + struct.pack(">i", len(body) + 4) + body)
    else:
        connection.sendall(b"R" + struct.pack(">ii", 23, 10) + b"SCRAM-SHA-256\0\0")
        connection.recv(64)


def _postgresql_17_at(port: int) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        certificate, key = self_signed(folder, address)
        inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        inside.load_cert_chain(certificate, key)
        inside.set_alpn_protocols(["postgresql"])
        with listening(address, port, lambda connection: _postgresql_17(connection, inside)):
            yield

    return start


def _late(greeting: bytes, answer: Answer) -> Speak:
    """Look up the client's name before a word is said, which takes its time where nobody knows it."""

    def speak(connection: socket.socket) -> None:
        time.sleep(3)
        connection.sendall(greeting)
        while (request := connection.recv(4096)) and (reply := answer(request)) is not None:
            connection.sendall(reply)

    return speak


def _ftp(request: bytes) -> bytes:
    return {b"FEAT": b"211 End\r\n", b"AUTH": b"502 No\r\n"}.get(request[:4], b"530 Please log in.\r\n")


def _router(connection: socket.socket) -> None:
    """A console that shows its notice, thinks, and asks for a name; no option is ever negotiated."""
    connection.sendall(b"\r\nWelcome to the router of the lab.\r\nAuthorised persons only.\r\n\r\n")
    time.sleep(0.8)
    connection.sendall(b"Username: ")
    connection.recv(64)


def _switch(connection: socket.socket) -> None:
    """As ProCurve's: it asks for a key before it asks who one is."""
    connection.sendall(b"\xff\xfd\x18\xff\xfd\x1f\xff\xfb\x01\r\nCopyright of the lab\r\n\r\nPress any key to continue")
    while request := connection.recv(64):
        if b"\r" in request:
            connection.sendall(b"\r\nUsername: ")
            return


@contextlib.contextmanager
def _redis_that_is_full(address: str, folder: Path) -> Iterator[None]:
    """Somebody else has all of its connections."""
    limited = redis_server(6379, "--protected-mode", "no", "--maxclients", "2")
    with limited(address, folder), contextlib.ExitStack() as others:
        time.sleep(0.5)  # the connection that waited for it to listen has ended
        for _ in range(2):
            others.enter_context(socket.create_connection((address, 6379)))
        yield


def _full(code: int, text: bytes) -> bytes:
    """An error in place of MySQL's handshake (sql/auth, before any capability is agreed on)."""
    body = b"\xff" + code.to_bytes(2, "little") + text
    return len(body).to_bytes(3, "little") + b"\0" + body


def _stomp(request: bytes) -> bytes | None:
    """ActiveMQ 5.18 to a command that there is not; it waits for a frame's end, which HTTP has not."""
    if not request.endswith(b"\0"):
        return b""
    command = request.partition(b"\n")[0].decode("ascii", "replace")
    fault = f"Unknown STOMP action: {command}"
    thrown = f"org.apache.activemq.transport.stomp.ProtocolException: {fault}\r\n\tat org.apache.activemq.transport"
    return f"ERROR\ncontent-type:text/plain\nmessage:{fault}\n\n{thrown}\0\n".encode()


def _clickhouse(port: int, answer: bytes) -> Answer:
    """The native port: whom it takes for a browser it tells so, and clients get ``answer`` (TCPHandler.cpp)."""
    told = f"Port {port} is for clickhouse-client program\r\nYou must use port 8123 for HTTP.\r\n"

    def converse(request: bytes) -> bytes | None:
        if request[:1] in (b"G", b"P"):
            return b"HTTP/1.0 400 Bad Request\r\n\r\n" + told.encode()
        return answer if request.startswith(b"\0\x09roundsman") and b"\x07default\0" in request else None

    return converse


# ClickHouse 24.8.4 of revision 54471 to a client of revision 54401, and how it turns down a user without a password.
_CLICKHOUSE_HELLO = b"\0\x0aClickHouse\x18\x08\xc7\xa9\x03\x0dAsia/Shanghai\x03lab\x04"
_CLICKHOUSE_REFUSAL = b"\x02\x04\x02\0\0\x0dDB::Exception\x42" + b"DB::Exception: default: Authentication failed".ljust(
    66
)


def _rocketmq(answers: dict[int, tuple[int, str, bytes]]) -> Answer:
    """The remoting protocol of RocketMQ 4.9: code, remark and body for each request that the server knows."""

    def answer(request: bytes) -> bytes | None:
        try:
            asked = json.loads(request[8:])
        except ValueError:
            return None  # the decoder closes the channel on what is no frame
        code, remark, body = answers.get(asked["code"], (3, f" request type {asked['code']} not supported", b""))
        fields = {"code": code, "flag": 1, "language": "JAVA", "opaque": asked["opaque"], "remark": remark}
        header = json.dumps({**fields, "serializeTypeCurrentRPC": "JSON", "version": 399}).encode()
        return struct.pack(">II", 4 + len(header) + len(body), len(header)) + header + body

    return answer


_RUNTIME = b'{"table":{"brokerVersionDesc":"V4_9_4","msgPutTotalTodayNow":"7"}}'
_CLUSTER = b'{"brokerAddrTable":{"lab":{"brokerAddrs":{0:"192.0.2.7:10911"},"brokerName":"lab"}},"clusterAddrTable":{}}'
_NO_KEY = "org.apache.rocketmq.acl.common.AclException: No accessKey is configured"
_HADOOP = (
    b"HTTP/1.1 404 Not Found\r\nContent-type: text/plain\r\n\r\n"
    b"It looks like you are making an HTTP request to a Hadoop IPC port. "
    b"This is not the correct port for the web interface on this daemon.\r\n"
)


def _hadoop(request: bytes) -> bytes | None:
    return _HADOOP if request.startswith(b"GET ") else None


def _directory(request: bytes) -> bytes | None:
    """A small LDAP server that takes anonymous binds, and hangs up on what is no bind and no search."""
    if request[5:6] == b"\x60":
        return b"0\x0c\x02\x01" + request[4:5] + b"\x61\x07\x0a\x01\x00\x04\x00\x04\x00"
    if request[5:6] == b"\x63":
        return b"0\x0c\x02\x01" + request[4:5] + b"\x65\x07\x0a\x01\x00\x04\x00\x04\x00"
    return None


def _goproxy(tunnel: bytes) -> Answer:
    """What builds on elazarl/goproxy: no page of its own, and few words about tunnels."""
    words = b"This is a proxy server. Does not respond to non-proxy requests.\n"
    head = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    page = head + b"Content-Length: %d\r\n\r\n" % len(words) + words
    return lambda request: tunnel if request.startswith(b"CONNECT ") else page


@contextlib.contextmanager
def _tinyproxies(address: str, folder: Path) -> Iterator[None]:
    """One that makes tunnels to one port of NNTP's alone, for everyone; the same for one network only."""
    with contextlib.ExitStack() as running:
        for port, lines in ((8888, "ConnectPort 563\n"), (8889, "ConnectPort 563\nAllow 192.0.2.0/24\n")):
            configuration = folder / f"{port}.conf"
            configuration.write_text(f"Port {port}\nListen {address}\nMaxClients 20\n{lines}")
            command = [program("tinyproxy"), "-d", "-c", str(configuration)]
            running.enter_context(process(command, folder=folder, wait_for=(address, port)))
        yield


CASES = (
    LabCase(
        name="postgresql-17-with-tls-from-the-first-byte",
        address="127.10.93.1",
        ports="T:5432,T:15432",
        start=together(_postgresql_17_at(5432), _postgresql_17_at(15432)),
        expected=exposed(POSTGRES=5432) | exposed(POSTGRES=15432),
        silent=frozenset({"SVC-POSTGRES-UNAUTH", "DB-CLEARTEXT"}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(5432, "postgresql"), (15432, "postgresql")}),
    ),
    LabCase(
        name="servers-that-greet-late-on-ports-of-their-own",
        address="127.10.93.2",
        ports="T:2100,T:13306",
        start=together(
            speaks(2100, _late(b"220 FTP server ready.\r\n", _ftp)),
            speaks(13306, _late(mysql_greeting(b"8.4.9"), lambda _: None)),
        ),
        expected=frozenset({(2100, "CLR-FTP"), (13306, "SVC-MYSQL-EXPOSED"), (13306, "DB-CLEARTEXT")}),
        tolerated=_AGE,
        services=frozenset({(2100, "ftp"), (13306, "mysql")}),
    ),
    LabCase(
        name="consoles-that-show-a-notice-before-their-prompt",
        address="127.10.93.3",
        ports="T:23,T:2001,T:2300",
        start=together(speaks(23, _router), speaks(2001, _router), speaks(2300, _switch)),
        expected=frozenset({(23, "CLR-TELNET"), (2001, "CLR-TELNET"), (2300, "CLR-TELNET")}),
        services=frozenset({(23, "telnet"), (2001, "telnet"), (2300, "telnet")}),
    ),
    LabCase(
        name="mysql-that-is-full-or-blocks-us",
        address="127.10.93.4",
        ports="T:3306,T:3307",
        start=together(
            scripted(3306, lambda _: None, banner=_full(1040, b"Too many connections")),
            scripted(
                3307, lambda _: None, banner=_full(1129, b"Host '192.0.2.9' is blocked; unblock with FLUSH HOSTS")
            ),
        ),
        expected=exposed(MYSQL=3306) | exposed(MYSQL=3307),
        silent=frozenset({"DB-CLEARTEXT"}),
        outcome="partial",
        services=frozenset({(3306, "mysql"), (3307, "mysql")}),
    ),
    LabCase(
        name="redis-that-is-full",
        address="127.10.93.16",
        ports="T:6379",
        start=_redis_that_is_full,
        expected=exposed(REDIS=6379) | {(6379, "DB-CLEARTEXT")},
        silent=frozenset({"SVC-REDIS-UNAUTH"}),
        outcome="partial",
        services=frozenset({(6379, "redis")}),
        needs=("redis-server",),
    ),
    LabCase(
        name="redis-open-with-ping-renamed",
        address="127.10.93.5",
        ports="T:7777",
        start=redis_server(7777, "--protected-mode", "no", "--rename-command", "PING", ""),
        expected=unauth(REDIS=7777) | {(7777, "DB-CLEARTEXT")},
        services=frozenset({(7777, "redis")}),
        needs=("redis-server",),
    ),
    LabCase(
        name="mongodb-that-was-never-initiated",
        address="127.10.93.6",
        ports="T:27017,T:27018",
        start=together(
            scripted(27017, mongodb_uninitiated(with_log_in=False)),
            scripted(27018, mongodb_uninitiated(with_log_in=True)),
        ),
        expected=unauth(MONGODB=27017) | exposed(MONGODB=27018) | {(27017, "DB-CLEARTEXT"), (27018, "DB-CLEARTEXT")},
        tolerated=_AGE,
        services=frozenset({(27017, "mongodb"), (27018, "mongodb")}),
    ),
    LabCase(
        name="http-proxies-that-make-no-tunnels-tinyproxy",
        address="127.10.93.7",
        ports="T:8888,T:8889",
        start=_tinyproxies,
        expected=unauth(HTTP_PROXY=8888) | exposed(HTTP_PROXY=8889),
        tolerated=NOT_ABOUT_ACCESS,
        outcome="partial",
        needs=("tinyproxy",),
    ),
    LabCase(
        name="http-proxies-that-make-no-tunnels-squid",
        address="127.10.93.8",
        ports="T:3128",
        start=squid("", "http_access deny CONNECT", "http_access allow all"),
        expected=unauth(HTTP_PROXY=3128),
        silent=frozenset({"SVC-HTTP-PROXY-EXPOSED"}),
        tolerated=NOT_ABOUT_ACCESS,
        needs=("squid",),
    ),
    LabCase(
        name="http-proxies-without-a-page",
        address="127.10.93.15",
        ports="T:8081,T:8082,T:8083",
        start=together(
            scripted(8081, _goproxy(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), once=True),
            scripted(
                8082, _goproxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), once=True
            ),
            scripted(
                8083, lambda _: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nOops\n", once=True
            ),
        ),
        expected=unauth(HTTP_PROXY=8081) | exposed(HTTP_PROXY=8082),
        tolerated=NOT_ABOUT_ACCESS,
        outcome="partial",
    ),
    LabCase(
        name="smb-for-other-addresses",
        address="127.10.93.9",
        ports="T:445",
        start=smbd(445, "hosts deny = ALL"),
        expected=exposed(SMB=445),
        silent=frozenset({"SMBV1", "SMB-SIGN"}),
        services=frozenset({(445, "smb")}),
        needs=("smbd",),
    ),
    LabCase(
        name="activemq-by-stomp",
        address="127.10.93.10",
        ports="T:61613",
        start=scripted(61613, _stomp),
        expected=exposed(ACTIVEMQ=61613) | {(61613, "DB-CLEARTEXT")},
        services=frozenset({(61613, "stomp")}),
    ),
    LabCase(
        name="clickhouse-by-its-native-port",
        address="127.10.93.12",
        ports="T:9000,T:9001,T:19000",
        start=together(
            scripted(9000, _clickhouse(9000, _CLICKHOUSE_HELLO), once=True),
            scripted(9001, _clickhouse(9001, _CLICKHOUSE_REFUSAL), once=True),
            scripted(19000, _clickhouse(19000, _CLICKHOUSE_HELLO), once=True),
        ),
        expected=unauth(CLICKHOUSE=9000) | exposed(CLICKHOUSE=9001) | unauth(CLICKHOUSE=19000),
        tolerated=_AGE,
        services=frozenset({(9000, "clickhouse"), (9001, "clickhouse"), (19000, "clickhouse")}),
    ),
    LabCase(
        name="rocketmq-brokers-and-name-server",
        address="127.10.93.13",
        ports="T:9876,T:10911,T:10921",
        start=together(
            scripted(9876, _rocketmq({106: (0, "", _CLUSTER)})),
            scripted(10911, _rocketmq({28: (0, "", _RUNTIME)})),
            scripted(10921, _rocketmq({28: (1, _NO_KEY, b"")})),
        ),
        expected=unauth(ROCKETMQ=9876) | unauth(ROCKETMQ=10911) | exposed(ROCKETMQ=10921),
        tolerated=_AGE,
        services=frozenset({(9876, "rocketmq"), (10911, "rocketmq"), (10921, "rocketmq")}),
    ),
    LabCase(
        name="hadoop-by-its-own-calls",
        address="127.10.93.14",
        ports="T:8020,T:8032,T:9000",
        start=together(*(scripted(port, _hadoop, once=True) for port in (8020, 8032, 9000))),
        expected=exposed(HDFS=8020) | exposed(HDFS=9000),
        services=frozenset({(8020, "hadoop-ipc"), (8032, "hadoop-ipc"), (9000, "hadoop-ipc")}),
    ),
    LabCase(
        name="ldap-that-hangs-up-on-starttls",
        address="127.10.93.11",
        ports="T:389",
        start=scripted(389, _directory),
        expected=exposed(LDAP=389) | {(389, "LDAP-CLEAR")},
        tolerated=frozenset({"LDAP-ANON"}),
        services=frozenset({(389, "ldap")}),
    ),
)
