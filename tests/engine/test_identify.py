"""The first look at a port: how patient it is."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import identify, identify_questions
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.services import smtp
from tests.lab.scripted import speaks
from tests.lab.web_servers import sends

ADDRESS = "127.11.0.41"


def _answers_late(_: bytes) -> Iterator[bytes]:
    time.sleep(0.6)
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(("port", "protocol"), [(8080, "http"), (7777, "unknown")])
def test_a_usual_port_of_the_web_gets_time_to_answer(
    port: int, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_banner_wait(monkeypatch, 0.3)
    monkeypatch.setattr(identify, "SLOW_ANSWER_WAIT", 2.0)
    contact = Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port), Level.READ)
    with sends(port, _answers_late)(ADDRESS, tmp_path):
        assert asyncio.run(identify.identify(contact)).protocol == protocol


@pytest.mark.parametrize(("port", "is_told"), [(993, True), (7777, False)])
def test_a_usual_port_of_tls_gets_time_for_its_half_of_a_handshake(
    port: int, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_banner_wait(monkeypatch, 0.3)
    monkeypatch.setattr(identify, "SLOW_ANSWER_WAIT", 2.0)

    def long_key(connection: socket.socket) -> None:
        if connection.recv(2048).startswith(b"\x16"):
            time.sleep(0.6)
            connection.sendall(_HANDSHAKE_FAILURE)

    contact = Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port), Level.READ)
    with speaks(port, long_key)(ADDRESS, tmp_path):
        assert asyncio.run(identify.identify(contact)).tls is is_told


@pytest.mark.parametrize(("port", "protocol"), [(25, "smtp"), (21, "unknown")])
def test_a_mail_server_may_hold_its_greeting_back_for_longer_than_others(
    port: int, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_banner_wait(monkeypatch, 0.2)
    monkeypatch.setattr(identify, "SLOW_BANNER_WAIT", 0.4)
    monkeypatch.setattr(smtp, "BANNER_TIMEOUT", 2.0)

    def hold_back(connection: socket.socket) -> None:
        time.sleep(0.9)
        connection.sendall(b"220 mail.lab.example ESMTP\r\n")

    contact = Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port), Level.READ)
    with speaks(port, hold_back)(ADDRESS, tmp_path):
        assert asyncio.run(identify.identify(contact)).protocol == protocol


@pytest.mark.parametrize(("prompt", "protocol"), [(b"Username: ", "telnet"), (b"See you.\r\n", "unknown")])
def test_a_notice_is_a_consoles_only_where_a_prompt_follows(
    prompt: bytes, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set_banner_wait(monkeypatch, 0.3)
    monkeypatch.setattr(identify_questions, "PROMPT_WAIT", 1.0)

    def show(connection: socket.socket) -> None:
        connection.sendall(b"Login hours are 8 to 18.\r\n")
        time.sleep(0.6)
        connection.sendall(prompt)
        connection.recv(64)

    contact = Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, 7777), Level.READ)
    with speaks(7777, show)(ADDRESS, tmp_path):
        assert asyncio.run(identify.identify(contact)).protocol == protocol


_REFUSAL = b"HTTP/1.1 400 \r\nConnection: close\r\n\r\nThis combination of host and port requires TLS."
_HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"


@pytest.mark.parametrize(("to_tls", "inside"), [(_HANDSHAKE_FAILURE, True), (_REFUSAL, False)], ids=["tls", "http"])
def test_a_port_that_refuses_plain_http_gets_time_to_answer_tls(
    to_tls: bytes, inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Java server's first handshake takes seconds; its findings would be gone if it counted as plain HTTP."""
    _set_banner_wait(monkeypatch, 0.3)
    monkeypatch.setattr(identify, "TLS_GRACE", 0.1)

    def told_off(connection: socket.socket) -> None:
        if connection.recv(2048).startswith(b"GET "):
            connection.sendall(_REFUSAL)
            return
        time.sleep(0.6)
        connection.sendall(to_tls)

    contact = Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, 8443), Level.READ)
    with speaks(8443, told_off)(ADDRESS, tmp_path):
        assert asyncio.run(identify.identify(contact)).tls is inside


def _set_banner_wait(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let questions, and whoever asks them, wait for so long."""
    for module in (identify, identify_questions):
        monkeypatch.setattr(module, "BANNER_WAIT", seconds)
