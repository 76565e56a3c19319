"""A site over real sockets that says what a test wants, and a look at it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scanner.engine.facts.http import HttpFacts
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import http
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer, Limits
from tests.lab.web_servers import sends

pytestmark = pytest.mark.lab

ADDRESS, PORT = "127.10.5.201", 8080
Reply = Callable[[bytes], Iterator[bytes]]


def answer(body: bytes = b"<html></html>", status: str = "200 OK", headers: str = "Content-Type: text/html") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def look(
    *,
    level: Level = Level.READ,
    again: HttpFacts | None = None,
    host: str | None = None,
    product: bool = True,
    places: tuple[tuple[str, str], ...] = (),
) -> HttpFacts:
    """Look at the site on ``PORT``; ``product`` tells that it may be one that we know."""
    dialer = Dialer(lambda endpoint: None if endpoint.address == ADDRESS else "not this test's", Limits(read_timeout=1))
    contact = Contact(dialer, Target("lab", ADDRESS), Endpoint(ADDRESS, PORT), level, places=places)
    return asyncio.run(http.look(contact, host=host, again=again, may_be_product=lambda _: product))


@contextlib.contextmanager
def serving(reply: Reply, folder: Path) -> Iterator[list[str]]:
    """Run a server that answers with ``reply``; yields the request lines it got."""
    asked: list[str] = []

    def note(request: bytes) -> Iterator[bytes]:
        asked.append(request.split(b"\r\n", 1)[0].decode())
        yield from reply(request)

    with sends(PORT, note)(ADDRESS, folder):
        yield asked


def redirect(to: str, *cookies: str) -> bytes:
    return answer(b"", "302 Found", "\r\n".join((f"Location: {to}", *(f"Set-Cookie: {c}" for c in cookies))))
