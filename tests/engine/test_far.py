"""What is asked side by side of far hosts tells the same as what is asked of near ones, one by one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.facts.http import HttpFacts
from scanner.engine.facts.tls import TlsFacts
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import http, window
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer, Limits
from tests.lab import web_sites as sites
from tests.lab.odd_tls import running, sweep
from tests.lab.web_servers import nginx, sends

pytestmark = pytest.mark.lab

ADDRESS, PORT = "127.10.5.202", 8080


@pytest.fixture(params=["tls-nginx-old-versions", "tls-null-and-anonymous", "tls-small-curves", "tls-only-1.3"])
def tls_server(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    with running(request.param) as where:
        yield where


def _site() -> tuple[HttpFacts, int]:
    """Look at the site, and return also the connections that it took."""
    dialer = Dialer(lambda _: None, Limits(connect_timeout=1, read_timeout=1))
    contact = Contact(dialer, Target("lab", ADDRESS), Endpoint(ADDRESS, PORT), Level.READ)
    return asyncio.run(http.look(contact, host=None)), dialer.connections[ADDRESS]


def _told(facts: HttpFacts) -> tuple[object, ...]:
    return (
        {(path.kind, path.reply.path) for path in facts.exposed},
        facts.complete,
        facts.blocked,
        facts.methods,
        facts.trace,
        len(facts.baselines),
    )


def _near_and_far(look: Callable[[], HttpFacts], monkeypatch: pytest.MonkeyPatch) -> tuple[HttpFacts, HttpFacts]:
    near = look()
    monkeypatch.setattr(window, "FAR", 0.0)
    return near, look()


def test_a_far_site_shows_what_a_near_one_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = "server { listen @address@:8080; location /files/ { autoindex on; } }"
    connections: list[int] = []

    def look() -> HttpFacts:
        facts, opened = _site()
        connections.append(opened)
        return facts

    with nginx(server, port=PORT, fill=sites.repository)(ADDRESS, tmp_path):
        near, far = _near_and_far(look, monkeypatch)
    assert _told(far) == _told(near)
    assert len(near.exposed) == 3
    assert far.requests <= near.requests + 2
    assert connections[0] < connections[1] <= connections[0] + 2


def test_a_far_server_of_one_connection_at_a_time_is_not_pressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = threading.Lock()

    def reply(request: bytes) -> Iterator[bytes]:
        if not alone.acquire(blocking=False):
            return  # hangs up on whoever comes second
        time.sleep(0.01)
        alone.release()  # before the answer is there, which the next request follows
        found = request.startswith(b"GET /.env ")
        body = b"APP_KEY=base64:c2VjcmV0\nDB_PASSWORD=hunter2hunter\n" if found else b"nothing here"
        status = b"200 OK" if found or request.startswith(b"GET / ") else b"404 Not Found"
        yield b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body

    with sends(PORT, reply)(ADDRESS, tmp_path):
        near, far = _near_and_far(lambda: _site()[0], monkeypatch)
    assert _told(far) == _told(near)
    assert {path.kind for path in near.exposed} == {"env"}


def test_a_far_site_that_limits_requests_is_asked_again_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = threading.Semaphore(1)

    def reply(request: bytes) -> Iterator[bytes]:
        alone = at_work.acquire(blocking=False)
        time.sleep(0.01)
        if alone:
            at_work.release()
        status = b"200 OK" if request.startswith(b"GET / ") else b"404 Not Found"
        yield b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % (
            status if alone else b"503 Service Unavailable"
        )

    with sends(PORT, reply)(ADDRESS, tmp_path):
        near, far = _near_and_far(lambda: _site()[0], monkeypatch)
    assert _told(far) == _told(near)
    assert far.complete


def _sorted(facts: TlsFacts) -> TlsFacts:
    """The same without what may differ: the order of what was found, and how often was asked."""
    suites = tuple(sorted(facts.suites, key=lambda each: (each.version, each.suite)))
    return replace(facts, suites=suites, groups=tuple(sorted(facts.groups)), connections=0)


def test_a_far_tls_server_shows_what_a_near_one_shows(
    tls_server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, port = tls_server
    near = sweep(port, address)
    monkeypatch.setattr(window, "FAR", 0.0)
    far = sweep(port, address)
    assert _sorted(far) == _sorted(near)
    assert near.complete
    assert near.connections <= far.connections <= near.connections + 4
