"""A mail server that breaks off before it tells of TLS leaves TLS not inspected, and closes no finding about it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from scanner.engine.model import Endpoint, Facet, Level, Target
from scanner.engine.plan import Profile
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.identify import Manner
from scanner.engine.probes.notes import PortNotes
from scanner.engine.probes.port import look_at_port
from scanner.engine.probes.version_scan import VersionScanner
from tests.lab.scripted import listening

ADDRESS = "127.0.0.1"


def looked(banner: bytes, answer: Callable[[bytes], bytes]) -> set[Facet]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(banner)
        while request := connection.recv(4096):
            connection.sendall(answer(request))

    with listening(ADDRESS, 0, speak) as port:
        contact = Contact(Dialer(lambda _: None), Target("h", ADDRESS), Endpoint(ADDRESS, port), Level.READ)
        notes = PortNotes(contact)
        nmap = VersionScanner(1, lambda _: None)
        asyncio.run(look_at_port(contact, Manner.FREE, Profile.QUICK, nmap, notes))
    return {look.facet for look in notes.looks}


@pytest.mark.parametrize(
    ("banner", "refusal"),
    [
        (b"220 mx ESMTP\r\n", b"550 5.7.1 Go away\r\n"),
        (b"* BYE IMAP4rev1 busy\r\n", b""),
    ],
)
def test_tls_of_a_mail_server_that_turns_us_away_is_not_inspected(banner: bytes, refusal: bytes) -> None:
    assert not looked(banner, lambda _: refusal) & {Facet.TLS, Facet.CERTIFICATE, Facet.SERVICE}


def test_a_mail_server_that_says_it_has_no_tls_is_inspected_for_tls() -> None:
    def answer(request: bytes) -> bytes:
        return b"250-mx\r\n250 SIZE 1000\r\n" if request.startswith(b"EHLO") else b"502 No\r\n"

    assert looked(b"220 mx ESMTP\r\n", answer) >= {Facet.TLS, Facet.CERTIFICATE, Facet.SERVICE}
