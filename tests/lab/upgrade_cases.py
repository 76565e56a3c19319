"""Databases and brokers that continue inside TLS in ways of their own: SQL Server, NATS, MongoDB with both at once."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, process, program
from tests.lab.certificate import self_signed
from tests.lab.data_fake_cases import mongodb_uninitiated, sql_server
from tests.lab.scripted import Answer, listening

_TDS_HEADER = struct.Struct(">BBHHBB")


def _context(address: str, folder: Path, suites: str = "ECDHE+AESGCM") -> ssl.SSLContext:
    certificate, key = self_signed(folder, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_ciphers(suites)
    return context


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def _packet(connection: socket.socket) -> bytes:
    """Return the content of one packet of TDS."""
    size = _TDS_HEADER.unpack(_exactly(connection, _TDS_HEADER.size))[2]
    return _exactly(connection, size - _TDS_HEADER.size)


def _handshake_in_packets(connection: socket.socket, context: ssl.SSLContext) -> None:
    """Shake hands as SQL Server does, each flight in packets of its pre-login (MS-TDS section 2.2.6.5)."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        incoming.write(_packet(connection))
        ended = False
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            ended = True
        said = outgoing.read()
        for at in range(0, len(said), 1000):  # in more packets than one, as a long certificate takes
            piece = said[at : at + 1000]
            connection.sendall(_TDS_HEADER.pack(0x12, 1, _TDS_HEADER.size + len(piece), 0, 1, 0) + piece)
        if ended:
            return


@contextlib.contextmanager
def _sql_server_with_tls(address: str, folder: Path) -> Iterator[None]:
    context = _context(address, folder, "ECDHE+AESGCM:ECDHE+AES")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    prelogin = sql_server(1)

    def speak(connection: socket.socket) -> None:
        reply = prelogin(connection.recv(4096))
        if reply is not None:
            connection.sendall(reply)
            with contextlib.suppress(ConnectionError):
                _handshake_in_packets(connection, context)

    with listening(address, 1433, speak):
        yield


@contextlib.contextmanager
def _nats_with_tls(address: str, folder: Path) -> Iterator[None]:
    certificate, key = self_signed(folder, address)
    secret = ("--user", "lab", "--pass", "only-for-the-lab")
    command = [program("nats-server"), "--addr", address, "--port", "4222", *secret]
    command += ["--tls", "--tlscert", str(certificate), "--tlskey", str(key)]
    with process(command, folder=folder, wait_for=(address, 4222)):
        yield


def _converse(connection: socket.socket, answer: Answer) -> None:
    while (request := connection.recv(4096)) and (reply := answer(request)) is not None:
        connection.sendall(reply)


@contextlib.contextmanager
def _mongodb_both_ways(address: str, folder: Path) -> Iterator[None]:
    """MongoDB with ``tlsMode`` ``preferTLS``: the first byte decides. It is slower inside TLS."""
    context = _context(address, folder)
    answer = mongodb_uninitiated(with_log_in=True)

    def speak(connection: socket.socket) -> None:
        if connection.recv(1, socket.MSG_PEEK) != b"\x16":
            _converse(connection, answer)
            return
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            _converse(secured, answer)

    with listening(address, 27017, speak):
        yield


CASES = (
    LabCase(
        name="mssql-with-encryption",
        address="127.10.8.14",
        ports="1433",
        start=_sql_server_with_tls,
        expected=frozenset({(1433, "SVC-MSSQL-EXPOSED"), (1433, "CERT-SELFSIGNED"), (1433, "TLS-CBC")}),
        tolerated=frozenset({"TLS-NO13"}),
        silent=frozenset({"DB-CLEARTEXT", "TLS-V10", "TLS-NO-MODERN"}),
        services=frozenset({(1433, "mssql")}),
    ),
    LabCase(
        name="nats-credentials-and-tls",
        address="127.10.8.21",
        ports="4222",
        start=_nats_with_tls,
        expected=frozenset({(4222, "SVC-NATS-EXPOSED"), (4222, "CERT-SELFSIGNED")}),
        tolerated=frozenset({"TLS-EMS", "TLS-SIGHASH"}),  # as Go did at the time
        silent=frozenset({"DB-CLEARTEXT", "SVC-NATS-UNAUTH"}),
        services=frozenset({(4222, "nats")}),
        needs=("nats-server",),
    ),
    LabCase(
        name="mongodb-with-and-without-tls",
        address="127.10.8.140",
        ports="27017",
        start=_mongodb_both_ways,
        expected=frozenset({(27017, "SVC-MONGODB-EXPOSED"), (27017, "CERT-SELFSIGNED")}),
        tolerated=frozenset({"SW-EOL-APP"}),
        silent=frozenset({"DB-CLEARTEXT", "SVC-MONGODB-UNAUTH", "TLS-CBC"}),
        services=frozenset({(27017, "mongodb")}),
    ),
)
