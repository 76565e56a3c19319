"""Small servers of HTTP/2 alone, for what the real ones would not do, or not without another language's runtime."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from h2.exceptions import H2Error

from tests.lab.case import Start
from tests.lab.certificate import self_signed
from tests.lab.http_answers import Reply
from tests.lab.scripted import Speak, listening

Answer = Callable[[H2Connection, int, Mapping[bytes, bytes]], None]
"""Answers one request, whose headers it is given, on its stream."""

NODE_REFUSAL = (
    b"HTTP/1.0 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n"
    b"Missing ALPN Protocol, expected `h2` to be available.\n"
    b"If this is a HTTP request: The server was not configured with the `allowHTTP1` option or a listener for the "
    b"`unknownProtocol` event.\n"
)
"""What Node.js 20 says to whoever doesn't choose HTTP/2."""


def table(replies: Mapping[str, Reply], otherwise: Reply) -> Answer:
    """Return what looks ``"GET /path?query"`` up in ``replies`` and answers ``otherwise`` to the rest."""

    def answer(http: H2Connection, stream: int, headers: Mapping[bytes, bytes]) -> None:
        asked = f"{headers[b':method'].decode()} {headers[b':path'].decode()}"
        reply = replies.get(asked, otherwise)
        fields = [(":status", str(reply.status)), *((name.lower(), value) for name, value in reply.headers)]
        http.send_headers(stream, fields)
        http.send_data(stream, reply.body, end_stream=True)

    return answer


def speaking(answer: Answer) -> Speak:
    """Return a server's side of HTTP/2 on one connection, which ends when the client breaks the protocol."""

    def speak(connection: socket.socket) -> None:
        with contextlib.suppress(H2Error):
            _speak(connection, answer)

    return speak


def _speak(connection: socket.socket, answer: Answer) -> None:
    http = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    http.initiate_connection()
    connection.sendall(http.data_to_send())
    while data := connection.recv(65536):
        for event in http.receive_data(data):
            if isinstance(event, RequestReceived):
                answer(http, event.stream_id or 0, dict(event.headers or ()))
        connection.sendall(http.data_to_send())


def http2(port: int, answer: Answer, *, tls: bool = False) -> Start:
    """Return a server that speaks HTTP/2 alone; inside TLS it turns others away as Node.js does."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        context = _context(folder, address) if tls else None

        def speak(connection: socket.socket) -> None:
            if context is None:
                speaking(answer)(connection)
                return
            with (
                contextlib.suppress(ssl.SSLError),
                context.wrap_socket(connection, server_side=True) as inside,
            ):
                if inside.selected_alpn_protocol() == "h2":
                    speaking(answer)(inside)
                elif inside.recv(4096):
                    inside.sendall(NODE_REFUSAL)

        with listening(address, port, speak):
            yield

    return start


def _context(folder: Path, address: str) -> ssl.SSLContext:
    certificate, key = self_signed(folder, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    return context
