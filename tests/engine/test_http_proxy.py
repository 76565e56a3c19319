"""A proxy is what acts upon a tunnel, not whatever answers CONNECT in an odd way."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services import http_proxy
from tests.lab.scripted import Answer, scripted

pytestmark = pytest.mark.lab

ADDRESS, PORT = "127.11.0.31", 8080


def http(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def serving(to_connect: bytes | None) -> Answer:
    return lambda request: to_connect if request.startswith(b"CONNECT") else http("400 Bad Request", "no such call")


def look_at(answer: Answer, folder: Path, level: Level = Level.READ) -> ServiceFacts | None:
    async def run() -> ServiceFacts | None:
        target = Target(ADDRESS, ADDRESS)
        contact = Contact(Dialer(lambda _: None), target, Endpoint(ADDRESS, PORT), level)
        async with HttpSession(contact) as session:
            return await http_proxy.look(session, level)

    with scripted(PORT, answer)(ADDRESS, folder):
        return asyncio.run(run())


@pytest.mark.parametrize(
    "to_connect",
    [http("503 Service Unavailable", "no backend"), http("502 Bad Gateway"), http("200 OK", "{}"), b"", None],
    ids=["balancer-503", "balancer-502", "catch-all-200", "silence", "hang-up"],
)
def test_a_server_that_only_answers_connect_oddly_is_no_proxy(
    to_connect: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_proxy, "CONNECT_TIMEOUT", 1.0)
    assert look_at(serving(to_connect), tmp_path) is None


@pytest.mark.parametrize(
    "to_connect",
    [
        http("502 Bad Gateway", "dial tcp 192.0.2.1:443: i/o timeout"),
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nProxy-agent: lab\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["names-the-address", "opens-the-tunnel", "has-a-proxys-headers"],
)
def test_a_nameless_proxy_that_acts_upon_the_tunnel_is_open(to_connect: bytes, tmp_path: Path) -> None:
    facts = look_at(serving(to_connect), tmp_path)
    assert facts is not None
    assert facts.access is Access.OPEN


def test_a_server_that_leaves_connect_unanswered_is_not_waited_for_as_a_proxy_is(tmp_path: Path) -> None:
    started = time.monotonic()
    assert look_at(serving(b""), tmp_path) is None
    assert time.monotonic() - started < http_proxy.SHORTEST + 1


def _slow_proxy(request: bytes) -> bytes:
    """Connect as it is asked to; where the address belongs to nobody, the network takes its time to say so."""
    host, _, port = request.split()[1].decode().partition(":")
    if not request.startswith(b"CONNECT"):
        return http("400 Bad Request", "no such call")
    if host == http_proxy.ADDRESS.decode():
        time.sleep(http_proxy.SHORTEST + 1.5)
        return http("502 Bad Gateway", f"dial tcp {host}:{port}: i/o timeout")
    with pytest.raises(OSError, match=r"unreachable|denied") as refused:
        socket.create_connection((host, int(port)), timeout=10)
    return http("502 Bad Gateway", f"dial tcp {host}:{port}: {refused.value}")


def test_a_nameless_proxy_that_takes_long_to_fail_is_open(tmp_path: Path) -> None:
    facts = look_at(_slow_proxy, tmp_path)
    assert facts is not None
    assert facts.access is Access.OPEN


def test_a_host_that_answers_slowly_is_given_as_much_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_proxy, "SHORTEST", 0.2)

    def answer(request: bytes) -> bytes:
        time.sleep(1.0 if request.startswith(b"CONNECT") else 0.3)
        return http("502 Bad Gateway", "dial tcp 192.0.2.1:443") if b"192.0.2.1" in request else http("400 Bad Request")

    facts = look_at(answer, tmp_path)
    assert facts is not None
    assert facts.access is Access.OPEN


_NAMED = b"HTTP/1.1 400 Bad Request\r\nServer: tinyproxy/1.11.1\r\nContent-Length: 0\r\n\r\n"


def test_a_named_proxy_that_tried_and_says_500_is_open(tmp_path: Path) -> None:
    tried = http("500 Unable to connect")
    facts = look_at(lambda request: tried if request.startswith(b"CONNECT") else _NAMED, tmp_path)
    assert facts is not None
    assert (facts.access, facts.product, facts.version) == (Access.OPEN, "tinyproxy", "1.11.1")


def test_an_error_of_its_own_tells_nothing_of_a_named_proxy(tmp_path: Path) -> None:
    failed = http("500 Internal Error")
    facts = look_at(lambda request: failed if request.startswith(b"CONNECT") else _NAMED, tmp_path)
    assert facts is not None
    assert facts.access is Access.UNKNOWN


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "404 Not Found on Accelerator", "400 Bad Request"])
def test_what_is_named_as_a_proxy_and_knows_no_tunnels_stands_before_servers_of_its_own(
    status: str, tmp_path: Path
) -> None:
    named = b"HTTP/1.1 502 Bad Gateway\r\nServer: ATS/9.1.4\r\nContent-Length: 0\r\n\r\n"
    assert look_at(lambda request: http(status) if request.startswith(b"CONNECT") else named, tmp_path) is None


def test_what_is_named_as_a_proxy_and_leaves_every_connect_unanswered_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_proxy, "CONNECT_TIMEOUT", 1.0)

    def answer(request: bytes, *, tries: bool) -> bytes:
        if request.startswith(b"CONNECT"):
            return http("503 Service Unavailable") if b"255.255.255.255" in request and tries else b""
        return _NAMED

    assert look_at(lambda request: answer(request, tries=False), tmp_path) is None
    facts = look_at(lambda request: answer(request, tries=True), tmp_path)
    assert facts is not None
    assert facts.access is Access.OPEN, "it was still trying"


def test_at_the_level_of_greetings_a_name_beside_a_servers_trouble_is_no_proxy(tmp_path: Path) -> None:
    failing = b"HTTP/1.1 502 Bad Gateway\r\nServer: squid/5.7\r\nContent-Length: 0\r\n\r\n"
    assert look_at(lambda _: failing, tmp_path, Level.GREETING) is None
    facts = look_at(lambda _: _NAMED, tmp_path, Level.GREETING)
    assert facts is not None
    assert facts.access is Access.UNKNOWN
