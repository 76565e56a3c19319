"""Servers that turn clients away, greet late, talk on for ever, or speak another version than we do at first."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.errors import HostSilent, UnexpectedReply
from scanner.engine.facts.service import Access
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import mqtt_websocket, starttls
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer, Limits
from scanner.engine.probes.services import ftp, mqtt, nameless, pop3, smtp, socks, telnet
from tests.engine.data_service_replies import look
from tests.lab.scripted import scripted, speaks

ADDRESS = "127.11.0.46"
_SOCKS_5, _SOCKS_4 = socks.PROBES


def contact(port: int, level: Level = Level.READ) -> Contact:
    return Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port), level)


@pytest.mark.parametrize(
    ("greeting", "port", "protocol"),
    [
        (b"554 mx.example.org\r\n", 25, "smtp"),
        (b"521 5.7.1 Service unavailable\r\n", 25, "smtp"),
        (b"421 too many connections\r\n", 587, "smtp"),
        (b"421 too many connections\r\n", 21, "ftp"),
        (b"500 OOPS: vsftpd: out of memory\r\n", 21, "ftp"),
        (b"* BYE come back later\r\n", 143, "imap"),
        (b'* BYE (MUPDATE) "come back later"\r\n', 143, ""),
        (b"-ERR come back later\r\n", 110, "pop3"),
        (b"554 mx.example.org ESMTP not for you\r\n", 2526, "smtp"),
        (b"421 FTP server too busy\r\n", 2121, "ftp"),
        (b"554 no\r\n", 8080, ""),
        (b"-ERR max number of clients reached\r\n", 6379, ""),
        (b"* BYE\r\n", 7000, ""),
        (b"250 ok\r\n", 25, ""),
    ],
)
def test_who_turns_a_client_away_is_known_by_his_port_or_his_name(greeting: bytes, port: int, protocol: str) -> None:
    probe = nameless.turns_away(greeting, port)
    assert (probe.protocol if probe else "") == protocol


def test_a_pop3_server_that_takes_no_one_is_not_called_closed(tmp_path: Path) -> None:
    busy = scripted(4341, lambda _: b"-ERR not now\r\n", banner=b"-ERR come back later\r\n")
    with busy(ADDRESS, tmp_path), pytest.raises(UnexpectedReply):
        asyncio.run(pop3.look(contact(4341)))


def test_a_greeting_without_an_end_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "BANNER_TIMEOUT", 0.5)
    connections = []

    def drip(connection: socket.socket) -> None:
        connections.append(connection)
        connection.sendall(b"220 ")
        for _ in range(20):
            connection.sendall(b".")
            time.sleep(0.1)

    with speaks(4346, drip)(ADDRESS, tmp_path):
        assert asyncio.run(nameless.tell_apart(contact(4346))) is None
        assert len(connections) == 1


def test_a_mail_server_without_a_name_is_waited_for_as_long_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ftp, "BANNER_TIMEOUT", 0.2)

    def late(connection: socket.socket) -> None:
        time.sleep(0.6)
        connection.sendall(b"220 mx ready\r\n")
        while request := connection.recv(256):
            connection.sendall(b"250 mx\r\n" if request.startswith(b"EHLO") else b"500 What?\r\n")

    with speaks(4342, late)(ADDRESS, tmp_path):
        found = asyncio.run(nameless.tell_apart(contact(4342)))
    assert found is not None
    assert found.protocol == "smtp"


@pytest.mark.parametrize(
    ("protocol", "greeting", "offers"),
    [
        ("smtp", b"220 mx ESMTP\r\n", b"250-mx\r\n250 STARTTLS\r\n"),
        ("imap", b"* OK ready\r\n", b""),
        ("pop3", b"+OK ready\r\n", b""),
    ],
)
def test_tls_of_a_mail_server_that_greets_late_is_reached(
    protocol: str, greeting: bytes, offers: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starttls, "REPLY_WAIT", 0.2)
    agreed = {"smtp": b"220 Go on\r\n", "imap": b"a1 OK\r\n", "pop3": b"+OK\r\n"}[protocol]

    def late(connection: socket.socket) -> None:
        time.sleep(0.6)
        connection.sendall(greeting)
        while request := connection.recv(256):
            connection.sendall(offers if request.startswith(b"EHLO") else agreed)

    async def upgrade() -> None:
        limits = Limits(read_timeout=0.2)
        late_to_greet = replace(contact(4343), dialer=Dialer(lambda _: None, limits))
        async with late_to_greet.open() as conversation:
            await starttls.upgrade(conversation, protocol)

    with speaks(4343, late)(ADDRESS, tmp_path):
        asyncio.run(upgrade())


def test_a_telnet_server_that_drips_is_left_and_not_judged_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telnet, "TALK_LIMIT", 0.5)

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\xff\xfd\x18")
        for _ in range(100):
            connection.sendall(b".")
            time.sleep(0.1)

    began = time.monotonic()
    with speaks(4344, drip)(ADDRESS, tmp_path):
        facts = asyncio.run(telnet.look(contact(4344)))
        took = time.monotonic() - began
    assert took < 5
    assert facts.attribute("prompt") == "no"
    assert facts.ended


def test_a_broker_that_only_pings_over_its_websocket_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_websocket, "ANSWER_WAIT", 0.5)

    def ping(connection: socket.socket) -> None:
        for _ in range(100):
            connection.sendall(b"\x89\x00")
            time.sleep(0.1)

    async def ask() -> None:
        async with contact(4345).open() as conversation:
            with pytest.raises(HostSilent):
                await asyncio.wait_for(mqtt_websocket._message(conversation, b""), 5)

    with speaks(4345, ping)(ADDRESS, tmp_path):
        asyncio.run(ask())


def test_a_broker_that_knows_neither_version_is_reachable_and_no_more() -> None:
    def old(request: bytes) -> bytes | None:
        return b"\x20\x02\x00\x01" if request[8:9] == b"\x04" else None

    assert look(mqtt.PROBE, old).access is Access.UNKNOWN


@pytest.mark.parametrize(
    ("reply", "is_socks"),
    [
        (bytes((0, 90)) + bytes(6), True),
        (bytes((0, 93)) + bytes(6), True),
        (bytes((0, 91)) + bytes(5), False),
        (bytes((0, 94)) + bytes(6), False),
        (bytes((4, 90)) + bytes(6), False),
    ],
)
def test_socks_4_is_recognised_by_eight_bytes(reply: bytes, is_socks: bool) -> None:
    assert socks.recognises_4(reply) is is_socks


@pytest.mark.parametrize(("later", "access"), [(b"", Access.OPEN), (bytes((0, 91)) + bytes(6), Access.UNKNOWN)])
def test_a_socks_4_proxy_that_still_tries_when_the_time_is_up_is_open(
    later: bytes, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socks, "CONNECT_TIMEOUT", 0.2)

    def proxy(request: bytes) -> bytes | None:
        if request == socks.GREETING:
            return b"\x00\x5b"
        return bytes((0, 91)) + bytes(6) if request == socks.GREETING_4 else later

    seen = look(_SOCKS_4, proxy)
    assert (seen.access, seen.attribute("refusal")) == (access, "" if access is Access.OPEN else "rejected")


def test_no_connection_is_asked_of_a_socks_4_proxy_at_the_level_of_greetings() -> None:
    sent: list[bytes] = []
    with pytest.raises(UnexpectedReply):
        look(_SOCKS_5, lambda _: b"\x00\x5b", level=Level.GREETING, sent=sent)
    assert sent == [socks.GREETING]
