"""News servers (NNTP), which Debian's own take a feed to run: one that continues inside TLS, one that knows of none."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase
from tests.lab.certificate import self_signed
from tests.lab.scripted import listening

_OFFERS = b"101 Capability list:\r\nVERSION 2\r\nREADER\r\nSTARTTLS\r\n.\r\n"
_UNKNOWN = b"500 What?\r\n"


def _answer(connection: socket.socket, answers: dict[bytes, bytes]) -> bool:
    """Greet and answer line by line; return whether TLS was asked for and granted."""
    connection.sendall(b"200 news.lab.example InterNetNews NNRP server INN 2.7.1 ready (posting ok)\r\n")
    while request := connection.recv(4096):
        reply = answers.get(request.strip().upper(), _UNKNOWN)
        connection.sendall(reply)
        if reply.startswith(b"382"):
            return True
    return False


@contextlib.contextmanager
def _news(address: str, folder: Path) -> Iterator[None]:
    certificate, key = self_signed(folder, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_ciphers("ECDHE+AESGCM")
    answers = {b"CAPABILITIES": _OFFERS, b"STARTTLS": b"382 Continue with TLS negotiation\r\n"}

    def reader(connection: socket.socket) -> None:
        if _answer(connection, answers):
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(4096)

    def old(connection: socket.socket) -> None:
        _answer(connection, {})

    with listening(address, 119, reader), listening(address, 1119, old):
        yield


CASES = (
    LabCase(
        name="news-that-continues-inside-tls-and-news-that-does-not",
        address="127.10.58.11",
        ports="T:119,1119",
        start=_news,
        expected=frozenset({(119, "CERT-SELFSIGNED")}),
        silent=frozenset({"CLR-FTP", "SMTP-NOSTARTTLS", "DB-CLEARTEXT", "TLS-CBC", "TLS-NO13"}),
        services=frozenset({(119, "nntp"), (1119, "nntp")}),
    ),
)
