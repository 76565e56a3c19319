"""Several services behind one port: what is taken for such, and that none of them hides what another showed."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.facts.ssh import SshFacts, SshHostKey
from scanner.engine.judge import judge
from scanner.engine.model import Confidence, Endpoint, HostInspection, Level, Outcome, Service, Target, Vantage
from scanner.engine.probes import ssh
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.identify import identify
from scanner.engine.probes.identify_questions import Identification
from scanner.remediation.tested import Shown
from tests.lab.case import Start
from tests.lab.certificate import self_signed
from tests.lab.scripted import listening, speaks

ADDRESS, PORT = "127.10.90.210", 8444
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
SSH_BANNER = b"SSH-2.0-lab\r\n"


def multiplexer(port: int, *, in_clear: bytes, ssh: bytes) -> Start:
    """Tells clients apart by their first byte: TLS gets a web page, whoever introduces himself as SSH ``ssh``."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        certificate, key = self_signed(folder, address)
        context = ssl_context(certificate, key)

        def speak(connection: socket.socket) -> None:
            first = connection.recv(4, socket.MSG_PEEK)
            if first[:1] == b"\x16":
                with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as inside:
                    inside.recv(4096)
                    inside.sendall(PAGE)
            elif first:
                connection.recv(4096)
                connection.sendall(ssh if first.startswith(b"SSH-") else in_clear)

        with listening(address, port, speak):
            yield

    return start


def ssl_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def contact(port: int = PORT) -> Contact:
    return Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port), Level.READ)


def named(start: Start, folder: Path, port: int = PORT) -> tuple[Identification, int]:
    """Return what the port is, and how many connections it took to tell."""
    there = contact(port)
    with start(ADDRESS, folder):
        return asyncio.run(identify(there)), there.dialer.connections[ADDRESS]


@pytest.mark.parametrize(
    ("in_clear", "behind"),
    [
        (SSH_BANNER, {"ssh"}),
        (PAGE, {"http", "ssh"}),
        (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", {"http", "ssh"}),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", set()),
        (b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://lab/\r\n\r\n", set()),
        (b"HTTP/1.0 200 Bad Request\r\n\r\nThis web server is running in SSL mode.", set()),
    ],
)
def test_what_clear_text_is_answered_tells_what_else_is_there(
    tmp_path: Path, in_clear: bytes, behind: set[str]
) -> None:
    found, _ = named(multiplexer(PORT, in_clear=in_clear, ssh=SSH_BANNER), tmp_path)
    assert (found.protocol, found.tls) == ("http", True)
    assert {each.protocol for each in found.beside} == behind


def test_behind_the_port_of_https_ssh_is_asked_for_in_place_of_listening(tmp_path: Path) -> None:
    told_off = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    hidden, asked = named(multiplexer(443, in_clear=told_off, ssh=SSH_BANNER), tmp_path, 443)
    assert [each.protocol for each in hidden.beside] == ["ssh"]
    alone, as_many = named(multiplexer(443, in_clear=told_off, ssh=told_off), tmp_path, 443)
    assert alone.beside == ()
    assert asked == as_many


def test_a_server_of_ssh_alone_is_that_and_no_more(tmp_path: Path) -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(SSH_BANNER)
        connection.recv(4096)

    found, _ = named(speaks(PORT, speak), tmp_path)
    assert (found.protocol, found.tls, found.beside) == ("ssh", False, ())


def test_a_server_that_waits_for_its_client_to_begin_is_introduced_to(tmp_path: Path) -> None:
    def speak(connection: socket.socket) -> None:
        if connection.recv(4096).startswith(b"SSH-2.0-"):
            connection.sendall(b"SSH-1.5-lab\r\n")

    with speaks(PORT, speak)(ADDRESS, tmp_path):
        assert asyncio.run(ssh.look(contact())).banner == "SSH-1.5-lab"


NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
WEAK = SshFacts("SSH-2.0-lab", host_key_algorithms=("ssh-rsa",), host_keys=(SshHostKey("ssh-rsa", 1024, "x"),))


@pytest.mark.parametrize(
    ("again", "confidence"),
    [
        (("ssh", "http"), Confidence.CONFIRMED),
        (("ssh",), Confidence.CONFIRMED),
        (("http",), Confidence.PROBABLE),
        ((), Confidence.PROBABLE),
    ],
)
def test_a_second_look_at_one_service_does_not_contradict_another(
    again: tuple[str, ...], confidence: Confidence
) -> None:
    endpoint = Endpoint(ADDRESS, PORT)
    services = {"ssh": Service(endpoint, "ssh", ssh=WEAK), "http": Service(endpoint, "http", tls=True)}
    host = HostInspection(
        Target("t", ADDRESS),
        Outcome.INSPECTED,
        NOW,
        NOW,
        Vantage.INTERNET,
        Level.READ,
        services=tuple(services.values()),
        second_looks=tuple(services[each] for each in again),
    )
    assert {each.check: each.confidence for each in judge(host)}["SSH-HOSTKEY-WEAK"] is confidence


def test_what_services_of_one_port_showed_is_taken_together() -> None:
    web = Shown(products=frozenset({"nginx"}), serials=frozenset({"1a"}), rootless=frozenset({"1a"}))
    both = web.beside(Shown(products=frozenset({"openssh"}), hides_rsa=True))
    assert both == Shown(frozenset({"nginx", "openssh"}), frozenset({"1a"}), frozenset({"1a"}), hides_rsa=True)
