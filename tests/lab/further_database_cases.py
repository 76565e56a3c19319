"""Databases that Debian doesn't ship, scripted from their documents: Db2, DM, OceanBase, openGauss; and Derby."""

from __future__ import annotations

import struct

from scanner.engine.plan import Profile
from tests.lab.access import exposed
from tests.lab.case import LabCase
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, hangs_up, scripted

_DERBY = (
    b"\x00\x85\xd0\x02\x00\x01\x00\x7f\x14C\x00\x1d\x11^\xd5\x85\xa3\xa6\x96\x99\x92\xe2\x85\x99\xa5\x85\x99\xc3\x96\x95"
    b"\xa3\x99\x96\x93@\x94\x81\x89\x95\x00\x18\x14\x04\x14\x03\x00\x07$\x07\x00\x07$\x0f\x00\x07\x14@\x00\x07\x14t\x00"
    b"\x05\x00\x10\x11G\xc1\x97\x81\x83\x88\x85@\xc4\x85\x99\x82\xa8\x00\x18\x11m\xd5\x85\xa3\xa6\x96\x99\x92\xe2\x85"
    b"\x99\xa5\x85\x99\xc3\x96\x95\xa3\x99\x96\x93\x00\x1e\x11Z\xc3\xe2\xe2\xf1\xf0\xf1\xf4\xf0a\xf1\xf0K\xf1\xf4K\xf2K"
    b"\xf0@`@Mooo]"
)
"""EXCSATRD as recorded from Derby 10.14.2 of Debian 12, which takes two seconds to start."""


def _drda(answer: bytes) -> Answer:
    return lambda request: answer if request[2:4] == b"\xd0\x01" and request[8:10] == b"\x10\x41" else None


def _db2(kind: str, release: str) -> bytes:
    """The attributes of a Db2 server, in EBCDIC (Open Group, DRDA version 5, volume 3, EXCSATRD)."""

    def parameter(code: int, content: bytes) -> bytes:
        return struct.pack(">HH", 4 + len(content), code) + content

    texts = ((0x115E, "db2inst1"), (0x1147, kind), (0x116D, "LAB"), (0x115A, release))
    body = b"".join(parameter(code, text.encode("cp500")) for code, text in texts)
    body += parameter(0x1404, struct.pack(">8H", 0x1403, 7, 0x2407, 7, 0x240F, 7, 0x1440, 7))
    attributes = parameter(0x1443, body)
    return struct.pack(">HBBH", 6 + len(attributes), 0xD0, 2, 1) + attributes


def _dm(code: int, *texts: bytes) -> Answer:
    """DM 8: what its driver reads of the answer to the start message (the maker's Go driver, version 8.1)."""

    def answer(request: bytes) -> bytes | None:
        if request[4:6] != b"\xc8\0" or len(request) < 64:
            return None
        body = b"".join(struct.pack("<i", len(text)) + text for text in texts)
        head = struct.pack("<ihii5x", 0, 228, len(body), code)
        check = 0
        for byte in head:
            check ^= byte
        return (head + bytes([check]) + struct.pack("<iii", 0, 0, 1)).ljust(64, b"\0") + body

    return answer


def _mysql(version: bytes) -> bytes:
    """A handshake of version 10 with CLIENT_SSL (dev.mysql.com, Protocol::HandshakeV10)."""
    payload = b"\x0a" + version + b"\0" + b"\x07\0\0\0" + b"12345678\0" + struct.pack("<HBHH", 0xFFFF, 45, 2, 0x000F)
    payload += b"\x15" + bytes(10) + b"123456789012\0" + b"mysql_native_password\0"
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def _open_gauss(request: bytes) -> bytes | None:
    """openGauss 5: no TLS; its own method 10 with salt and token (openGauss, auth.cpp, sendAuthRequest)."""
    if request == struct.pack(">ihh", 8, 1234, 5679):
        return b"N"
    if request[4:8] == b"\0\x03\0\0":
        demand = struct.pack(">ii", 10, 2) + b"0a1b2c3d" * 8 + b"deadbeef"
        return b"R" + struct.pack(">i", 4 + len(demand)) + demand
    if len(request) < 8:
        return None
    major, minor = struct.unpack_from(">HH", request, 4)
    fields = b"SFATAL\0C0A000\0Munsupported frontend protocol %d.%d.\0Fpostmaster.cpp\0\0" % (major, minor)
    return b"E" + struct.pack(">i", 4 + len(fields)) + fields


CASES = (
    LabCase(
        name="further-databases",
        address="127.10.88.31",
        ports="T:1527,T:2881,T:5236,T:50000",
        start=together(
            scripted(50000, _drda(_db2("QDB2/LINUXX8664", "SQL11055"))),
            scripted(1527, _drda(_DERBY)),
            scripted(5236, _dm(0, b"", b"", b"", b"", b"8.1.3.62", b"\0")),
            scripted(2881, hangs_up, banner=_mysql(b"5.7.25-OceanBase_CE-v4.2.1.0")),
        ),
        expected=exposed(DM=5236, OCEANBASE=2881) | {(port, "SVC-DB2-EXPOSED") for port in (1527, 50000)},
        silent=frozenset({"SVC-MYSQL-EXPOSED", "DB-CLEARTEXT"}),
        services=frozenset({(50000, "drda"), (1527, "drda"), (5236, "dameng"), (2881, "mysql")}),
    ),
    LabCase(
        name="further-databases-on-odd-ports",
        address="127.10.88.32",
        ports="T:15236,T:15432,T:51000",
        start=together(
            scripted(51000, _drda(_db2("QDB2/NT64", "SQL10059"))),
            scripted(15236, _dm(-2501, b"", b"", b"", "用户名或密码错误".encode("gb18030"))),
            scripted(15432, _open_gauss),
        ),
        expected=exposed(DB2=51000, DM=15236, POSTGRES=15432) | {(15432, "DB-CLEARTEXT")},
        silent=frozenset({"SVC-POSTGRES-UNAUTH"}),
        services=frozenset({(51000, "drda"), (15236, "dameng"), (15432, "postgresql")}),
    ),
    LabCase(
        name="what-is-no-database",
        address="127.10.88.33",
        ports="T:2881,T:5236,T:50000",
        start=together(
            scripted(50000, lambda request: request[:3] + b"\x02" + request[4:64]),
            scripted(5236, lambda request: request),
            scripted(2881, hangs_up, banner=_mysql(b"8.0.39")),
        ),
        expected=exposed(MYSQL=2881),
        silent=frozenset({"SVC-DB2-EXPOSED", "SVC-DM-EXPOSED", "SVC-OCEANBASE-EXPOSED"}),
        outcome="partial",
        profile=Profile.QUICK,
    ),
)
