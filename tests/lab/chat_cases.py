"""XMPP servers that are asked under a name which is not theirs: by address, or by the name of their host."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase
from tests.lab.certificate import self_signed
from tests.lab.scripted import listening

_DOMAIN = b"chat.lab.example"
_HEADER = (
    b"<?xml version='1.0' encoding='UTF-8'?><stream:stream xmlns:stream=\"http://etherx.jabber.org/streams\" "
    b'xmlns="jabber:%s" from="%s" id="5q8x" xml:lang="en" version="1.0">'
)
_UNKNOWN = b'<stream:error><host-unknown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error></stream:stream>'
_OFFER = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
_PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


def _knows(request: bytes) -> bool:
    return b"to='%s'" % _DOMAIN in request


def _named(side: bytes, request: bytes) -> bytes:
    """As Openfire and ejabberd answer: always in the name of their own domain."""
    return _HEADER % (side, _DOMAIN) + (_OFFER if _knows(request) else _UNKNOWN)


def _nameless(side: bytes, request: bytes) -> bytes:
    """As Prosody answers: in the name that it was asked for, whether it knows it or not."""
    asked = request.partition(b"to='")[2].partition(b"'")[0]
    return _HEADER % (side, asked) + (_OFFER if _knows(request) else _UNKNOWN)


@contextlib.contextmanager
def _chat(address: str, folder: Path) -> Iterator[None]:
    """Serve clients at 5222 and servers at 5269, and clients without naming a domain at 5223."""
    certificate, key = self_signed(folder, address, f"DNS:{_DOMAIN.decode()}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_ciphers("ECDHE+AESGCM")

    def speak(connection: socket.socket, side: bytes, *, named: bool) -> None:
        request = connection.recv(4096)
        if b"xmlns='jabber:" not in request:
            return
        connection.sendall((_named if named else _nameless)(side, request))
        if _knows(request) and connection.recv(4096).startswith(b"<starttls"):
            connection.sendall(_PROCEED)
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(4096)

    with (
        listening(address, 5222, lambda connection: speak(connection, b"client", named=True)),
        listening(address, 5269, lambda connection: speak(connection, b"server", named=True)),
        listening(address, 5223, lambda connection: speak(connection, b"client", named=False)),
    ):
        yield


_SERVICES = frozenset({(5222, "xmpp"), (5269, "xmpp-server")})
_INSIDE = frozenset({(5222, "CERT-SELFSIGNED"), (5269, "CERT-SELFSIGNED")})

CASES = (
    LabCase(
        name="xmpp-by-address",
        address="127.10.58.21",
        ports="5222,5269",
        start=_chat,
        expected=_INSIDE,
        silent=frozenset({"CERT-HOSTNAME", "TLS-CBC"}),
        services=_SERVICES,
    ),
    LabCase(
        name="xmpp-by-the-name-of-its-host",
        address="127.10.58.22",
        ports="5222,5269",
        start=_chat,
        hostname="host7.lab.example",
        expected=_INSIDE,
        silent=frozenset({"CERT-HOSTNAME", "TLS-CBC"}),
        services=_SERVICES,
    ),
    LabCase(
        name="xmpp-that-tells-no-domain",
        address="127.10.58.23",
        ports="5223",
        start=_chat,
        silent=frozenset({"CERT-SELFSIGNED"}),
        services=frozenset({(5223, "xmpp")}),
        outcome="partial",
    ),
)
