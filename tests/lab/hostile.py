"""Hosts made to hold an inspection up, fill its memory, mislead it, or take over whoever reads its report.

Each is one port of one address, so that all are looked at together, as a single bad host would have it. What a port
must be taken for, which checks it may fail, and which of its facets must count as not inspected, stands beside it.
Sites that only mislead are cases of ``web_cases`` and ``lookalike_cases``; certificates ``certificate_cases``.
"""

from __future__ import annotations

import gzip
import secrets
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from scanner.engine.model import Facet
from tests.lab import web_sites as sites
from tests.lab.case import Start
from tests.lab.scripted import scripted, speaks
from tests.lab.udp import scripted_udp
from tests.lab.web_servers import sends

ESCAPES = "<script>alert(1)</script>\u202e\x1b[31m\x1b]0;owned\x07\u200b".encode() + b"\xff\xfe\x80\x00\x9b"
"""Script, bidirectional marks, terminal escapes and what is no UTF-8, in one piece of text."""

_MANY = 100_000
"""Pieces of what has no end: far more than anyone may take, and yet an end, should somebody take all."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One hostile port.

    ``protocol`` is what it must be recognised as (empty: not at all), and whether inside ``tls``; ``found`` are the
    checks that it really fails (hints aside), and ``open_ends`` the facets that must not count as inspected.
    """

    name: str
    port: int
    start: Start
    protocol: str = "unknown"
    found: frozenset[str] = frozenset()
    open_ends: frozenset[Facet] = frozenset({Facet.SERVICE})
    udp: bool = False
    tls: bool = False


# --- Streams


def _tarpit(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _stream(connection: socket.socket, *, first: bytes = b"", piece: bytes = b"\x00junk" * 2000) -> None:
    connection.sendall(first)
    for _ in range(_MANY):
        connection.sendall(piece)


def _drip(connection: socket.socket) -> None:
    """endlessh: a line of nonsense before SSH's identification, for ever (RFC 4253 section 4.2 allows it)."""
    for _ in range(200):
        connection.sendall(secrets.token_hex(8).encode() + b"\r\n")
        time.sleep(0.1)


def _hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def _escaping_banner(connection: socket.socket) -> None:
    connection.sendall(ESCAPES + b"\r\n")
    _tarpit(connection)


# --- TLS


def _after_hello(connection: socket.socket, reply: Callable[[socket.socket], None]) -> None:
    """Answer what begins like a TLS hello, and nobody else."""
    if connection.recv(4096)[:2] == b"\x16\x03":
        reply(connection)


def _garbage_records(connection: socket.socket) -> None:
    connection.sendall(b"\x16\x03\x03\x40\x00" + secrets.token_bytes(0x4000))
    _tarpit(connection)


def _endless_records(connection: socket.socket) -> None:
    """Handshake records that begin a message which says it has 16 MB."""
    _stream(connection, first=b"\x16\x03\x03\x00\x04\x02\xff\xff\xff", piece=b"\x16\x03\x03\x40\x00" + bytes(0x4000))


def _slow_hello(connection: socket.socket) -> None:
    """One octet a second of a ServerHello that begins well."""
    for octet in b"\x16\x03\x03\x00\x4a\x02\x00\x00\x46\x03\x03" + bytes(64):
        connection.sendall(bytes([octet]))
        time.sleep(1)


# --- Lengths that lie


def _kexinit_of_ten_megabytes(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" + (10 << 20).to_bytes(4, "big") + b"\x04\x14" + bytes(16))
    _stream(connection, piece=b"curve25519-sha256," * 500)


def _redis(request: bytes) -> bytes:
    return b"+PONG\r\n" if request.startswith(b"PING") else b"$4611686018427387904\r\n" + b"x" * 60_000


def _mongodb(request: bytes) -> bytes:
    """A right greeting; then a reply that says it has 2 GB, around a document that says so too."""
    header = partial(struct.pack, "<iiii")
    if b"isMaster" not in request:
        return header(0x7FFF_FFFF, 1, 0x52444D4E, 2013) + bytes(5) + b"\xff\xff\xff\x7f" + b"\x03a\0" * 9000
    fields = b"\x10maxBsonObjectSize\0" + struct.pack("<i", 1 << 24) + b"\x10maxWireVersion\0" + struct.pack("<i", 17)
    document = struct.pack("<i", len(fields) + 14) + fields + b"\x01ok\0" + struct.pack("<d", 1.0) + b"\0"
    document = struct.pack("<i", len(document)) + document[4:]
    body = bytes(16) + struct.pack("<i", 1) + document
    return header(16 + len(body), 1, 0x52444D4E, 1) + body


def _postgresql(request: bytes) -> bytes:
    """The refusal of protocol 255.255 as it should be, then a demand for a password that says it has 2 GB."""
    if request[4:8] == bytes((0, 255, 0, 255)):
        fields = b"SFATAL\0VFATAL\0C0A000\0Munsupported frontend protocol\0\0"
        return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    return b"N" if len(request) == 8 else b"R\x7f\xff\xff\xff" + bytes(4) + b"x" * 60_000


def _mysql(connection: socket.socket) -> None:
    """A handshake whose packet says it has 16 MB."""
    connection.sendall(b"\xff\xff\xff\x00\x0a8.0.30\0" + bytes(60_000))
    _tarpit(connection)


def _nested(depth: int, inside: bytes = b"") -> bytes:
    """BER SEQUENCEs in SEQUENCEs, each with the long form of its length."""
    for _ in range(depth):
        inside = b"\x30\x82" + min(len(inside), 0xFFFF).to_bytes(2, "big") + inside
    return inside


def _ldap(request: bytes) -> bytes:
    if b"\x60" in request[:8]:
        return bytes.fromhex("300c02010161070a010004000400")
    return b"\x30\x84\x7f\xff\xff\xff\x02\x01\x02" + _nested(2000)


def _snmp(datagram: bytes) -> bytes:
    """A report whose engine is wrapped a thousand times; to communities a response without a single number."""
    if b"public" in datagram or b"private" in datagram:
        return bytes.fromhex("300d02010104067075626c6963a200")
    return b"\x30\x82\x10\x00\x02\x01\x03" + _nested(1000)


def _dns(datagram: bytes) -> bytes:
    """A response whose names point at themselves, and that says it has 65,535 records."""
    loop = b"\xc0\x0c" + b"\x00\x10\x00\x03\x00\x00\x00\x00\x00\x02\xc0\x0c"
    return datagram[:2] + b"\x84\x00\x00\x01\xff\xff\x00\x00\x00\x00" + b"\xc0\x0c\x00\x10\x00\x03" + loop * 40


# --- Web sites


def head(*headers: bytes) -> bytes:
    """The head of a page, with further headers."""
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Type: text/html", *headers, b"", b""))


def whole(body: bytes, *headers: bytes) -> bytes:
    """A page that is complete and closes the connection."""
    return head(b"Content-Length: %d" % len(body), b"Connection: close", *headers) + body


def moved(to: str, *headers: bytes) -> bytes:
    """A redirect."""
    return b"\r\n".join(
        (
            b"HTTP/1.1 302 Found",
            b"Location: " + to.encode(),
            b"Content-Length: 0",
            b"Connection: close",
            *headers,
            b"",
            b"",
        )
    )


def endless_body(_: bytes) -> Iterator[bytes]:
    yield head() + b"<html><title>Endless</title>"
    for _number in range(_MANY):
        yield b"<p>and so on" * 100


def endless_chunks(_: bytes) -> Iterator[bytes]:
    yield head(b"Transfer-Encoding: chunked")
    for _number in range(2 * _MANY):
        yield b"1\r\nA\r\n" * 50


def garbage_chunks(_: bytes) -> Iterator[bytes]:
    yield (
        head(b"Transfer-Encoding: chunked")
        + b"4\r\n<htm\r\nffffffffffffffff\r\n"
        + b"\x00" * 4096
        + b"\r\n-1\r\nzz\r\n"
    )


def gzip_bomb(_: bytes) -> Iterator[bytes]:
    yield head(b"Content-Encoding: gzip")
    for _number in range(3_000):
        yield b"\x1f\x8b\x08\x00" + bytes(16_384)


@cache
def _gzip_in_gzip() -> bytes:
    packer = zlib.compressobj(9, wbits=31)  # in gzip's form
    inside = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    return gzip.compress(inside, 9)


def gzip_inside_gzip(_: bytes) -> Iterator[bytes]:
    yield whole(_gzip_in_gzip(), b"Content-Encoding: gzip, gzip")


def header_flood(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for _number in range(20_000):
        yield b"X-Flood: " + b"a" * 1000 + b"\r\n"


def one_endless_header(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Flood: "
    for _number in range(20_000):
        yield b"a" * 1000


def continue_for_ever(_: bytes) -> Iterator[bytes]:
    for _number in range(_MANY):
        yield b"HTTP/1.1 100 Continue\r\n\r\n" * 100


def negative_length(_: bytes) -> Iterator[bytes]:
    yield head(b"Content-Length: -1") + b"<html><title>Less than nothing</title></html>"


def thousands_of_cookies(_: bytes) -> Iterator[bytes]:
    yield moved("/", *(b"Set-Cookie: c%d=%s" % (number, b"v" * 20) for number in range(2_000)))


def redirect_loop(_: bytes) -> Iterator[bytes]:
    yield moved("/" + secrets.token_hex(8), f"Set-Cookie: c{secrets.token_hex(4)}={secrets.token_hex(200)}".encode())


def redirect_elsewhere(_: bytes) -> Iterator[bytes]:
    yield moved(f"http://{OFF_SCOPE}:{OFF_SCOPE_PORT}/")


def redirect_nowhere(_: bytes) -> Iterator[bytes]:
    """What looks like an address and is none (RFC 3986 section 3.2.2)."""
    yield moved("http://[::1")


def page_for_everything(request: bytes) -> Iterator[bytes]:
    yield whole(sites.EVERY_MARK.encode() + request.split()[1].partition(b"?")[0])


def tags_without_end(_: bytes) -> Iterator[bytes]:
    piece = b"<div hidden><a href=//a.test><script src=/jquery-1.2.js><marquee height=1>"
    yield whole(b"<html><title>" + b"<a " * 40_000 + piece * 3_000)


def noise(_: bytes) -> Iterator[bytes]:
    body = b"<html><title>" + ESCAPES + b"</title><a href='http://dark.test/'>" + ESCAPES + b"</a>" + ESCAPES * 50
    yield whole(
        body, b"Server: <script>alert(1)</script>\x1b[31mred\x9b/1.0", "X-Powered-By: \u202e".encode() + b"\xff/1.0"
    )


SITES = (
    *(endless_body, endless_chunks, garbage_chunks, gzip_bomb, gzip_inside_gzip, header_flood, one_endless_header),
    *(continue_for_ever, negative_length, thousands_of_cookies, redirect_loop, redirect_nowhere),
    *(page_for_everything, tags_without_end, noise),
)
"""Every hostile site: what it sends in answer to a request."""

OFF_SCOPE, OFF_SCOPE_PORT = "127.12.40.9", 80
"""Where a redirect would lead; nothing may be sent there."""

ADDRESS, ALL_OPEN, CROWDED = "127.12.40.1", "127.12.40.2", "127.12.40.3"
"""The host with every hostile port; one on which everything is open; one with a crowded certificate."""

_UNREADABLE = (garbage_chunks, header_flood, one_endless_header, continue_for_ever, negative_length)
_WITHOUT_A_PAGE = (thousands_of_cookies, redirect_loop, redirect_nowhere, redirect_elsewhere)
_NOTHING_SEEN = frozenset({Facet.HTTP, Facet.CONTENT, Facet.SERVICE})


def _site(port: int, site: Callable[[bytes], Iterator[bytes]]) -> Hostile:
    """Of a page that could be read the missing headers are rightly told; of one that couldn't, nothing is known."""
    found = frozenset() if site in (*_UNREADABLE, *_WITHOUT_A_PAGE) else frozenset({"WEB-XFO"})
    open_ends = _NOTHING_SEEN if site in _UNREADABLE else frozenset()
    return Hostile(site.__name__.replace("_", " "), port, sends(port, site), "http", found, open_ends)


HOSTS = (
    Hostile("tarpit", 7501, speaks(7501, _tarpit)),
    Hostile("endless stream", 7502, speaks(7502, _stream)),
    Hostile("endless drip before SSH", 22, speaks(22, _drip)),
    Hostile("accepts and closes", 7503, speaks(7503, _hang_up)),
    Hostile("banner of escapes", 7504, speaks(7504, _escaping_banner)),
    Hostile("banner of a megabyte", 7505, speaks(7505, partial(_stream, first=b"220 " + b"a" * (1 << 20)))),
    Hostile("garbage inside TLS records", 7511, speaks(7511, partial(_after_hello, reply=_garbage_records))),
    Hostile("endless TLS records", 7512, speaks(7512, partial(_after_hello, reply=_endless_records)), "tls", tls=True),
    Hostile("TLS, one octet a second", 7513, speaks(7513, partial(_after_hello, reply=_slow_hello))),
    Hostile("SSH, lists of 10 MB", 2222, speaks(2222, _kexinit_of_ten_megabytes), "ssh"),
    Hostile("Redis, reply of 2^62 octets", 6379, scripted(6379, _redis), "redis"),
    Hostile("MongoDB, document of 2 GB", 27017, scripted(27017, _mongodb), "mongodb"),
    Hostile("PostgreSQL, message of 2 GB", 5432, scripted(5432, _postgresql), "postgresql"),
    Hostile("MySQL, packet of 16 MB", 3306, speaks(3306, _mysql)),
    Hostile("LDAP, nested without end", 389, scripted(389, _ldap), "ldap"),
    Hostile("SNMP, nested without end", 161, scripted_udp(161, _snmp), "", udp=True),
    Hostile("DNS, names that are loops", 53, scripted_udp(53, _dns), "dns", open_ends=frozenset(), udp=True),
    *(_site(port, site) for port, site in enumerate((*SITES, redirect_elsewhere), start=8001)),
)
"""Every hostile port of ``ADDRESS``."""
