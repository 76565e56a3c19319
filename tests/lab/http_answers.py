"""An HTTP server that answers by a table: software that Debian doesn't ship, in the states that matter."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.lab.case import Start
from tests.lab.certificate import self_signed


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: nothing is added to it but ``Content-Length``."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def data(value: Any, status: int = 200, /, **headers: str) -> Reply:
    """Answer with JSON; underscores in header names stand for dashes."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), _headers("application/json", headers))


def text(body: str, status: int = 200, /, **headers: str) -> Reply:
    """Answer with plain text."""
    return Reply(status, body.encode(), _headers("text/plain; charset=utf-8", headers))


def page(title: str, body: str = "", status: int = 200, /, **headers: str) -> Reply:
    """Answer with a small HTML page."""
    html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"
    return Reply(status, html.encode(), _headers("text/html; charset=utf-8", headers))


def redirect(to: str, /, **headers: str) -> Reply:
    """Send the client elsewhere."""
    return Reply(302, f'<a href="{to}">Found</a>.\n'.encode(), _headers("text/html", {"Location": to, **headers}))


def _headers(content_type: str, more: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", content_type), *((name.replace("_", "-"), value) for name, value in more.items()))


GO_NOT_FOUND = text("404 page not found\n", 404)
TOMCAT_NOT_FOUND = page("HTTP Status 404 – Not Found", "<h1>HTTP Status 404 – Not Found</h1>", 404)


def answers(
    port: int,
    replies: Mapping[str, Reply],
    otherwise: Reply,
    *,
    tls: bool = False,
    client_certificate: bool = False,
    only_for: str = "",
    certificate_for: str = "",
) -> Start:
    """Return a server that looks ``"GET /path?query"`` up in ``replies`` and answers ``otherwise`` to the rest.

    With ``only_for`` the table is that host name's alone; under other names everything is ``otherwise``. With
    ``certificate_for`` there is a certificate for that name only, and others are told so as Go's servers do.
    """

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        server = _server(address, port, replies, otherwise, only_for)
        if tls:
            context = _context(folder, address, client_certificate)
            if certificate_for:
                context.sni_callback = _only(certificate_for)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    return start


def together(*starts: Start) -> Start:
    """Return all these servers as one: they run side by side on one address."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for one in starts:
                stack.enter_context(one(address, folder))
            yield

    return start


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or fails the TLS handshake is no news."""


def _server(address: str, port: int, replies: Mapping[str, Reply], otherwise: Reply, only_for: str) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method = "GET" if self.command == "HEAD" else self.command
            name, _, _ = self.headers.get("Host", "").partition(":")
            reply = replies.get(f"{method} {self.path}", otherwise) if only_for in ("", name) else otherwise
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_OPTIONS = do_PROPFIND = do_TRACE = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Keep quiet."""

    return _Server((address, port), Handler)


def _context(folder: Path, address: str, client_certificate: bool) -> ssl.SSLContext:
    certificate, key = self_signed(folder, address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_certificate:
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _only(served: str) -> Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], int | None]:
    """Return how a server answers the name that a client asks for, if it asks for any."""
    return lambda _, name, __: None if name == served else ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
