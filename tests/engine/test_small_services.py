"""Small services, BGP, Kerberos and monitoring agents: what is recognised, and the near misses that must not be."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import zlib
from pathlib import Path

import pytest

from scanner.engine.errors import ProbeError
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.identify import identify
from scanner.engine.probes.services import ber, kerberos, legacy, monitoring, small_talk
from scanner.engine.probes.services.registry import PROBES
from tests.engine.test_access_services import ADDRESS, contact
from tests.lab.scripted import listening, scripted

OPEN = b"\xff" * 16 + b"\x00\x1d\x01\x04\xfc\x00\x00\xf0\xc0\x00\x02\x01\x00"


def kerberos_error(version: int = 5, kind: int = 30, code: int = 0xA6) -> bytes:
    fields = ber.tlv(0xA0, ber.integer(version)) + ber.tlv(0xA1, ber.integer(kind)) + ber.tlv(code, ber.integer(68))
    return ber.tlv(0x7E, ber.tlv(0x30, fields + ber.tlv(0xA9, ber.tlv(0x1B, b"LAB.EXAMPLE"))))


@pytest.mark.parametrize(
    ("banner", "protocol"),
    [
        (b"USER       PID %CPU %MEM    VSZ   RSS TTY\nroot 1\n", "systat"),
        (b"  PID TTY          TIME CMD\n", "systat"),
        (b" 00:43:21 up 3 days,  1:02,  2 users,  load average: 0.10, 0.05, 0.01\n", "systat"),
        (b"USER anonymous\n", ""),
        (b"Active Internet connections (w/o servers)\nProto Recv-Q\n", "netstat"),
        (b"Active users: 3\n", ""),
        (OPEN, "bgp"),
        (OPEN[:18] + b"\x03\x06\x05", ""),
        (b"\xff" * 16 + b"\x00\x15\x03\x06\x05", "bgp"),
        (b"\xff" * 16 + b"\x00\x13\x04", ""),
        (OPEN[:-1], ""),
        (b"# munin node at lab.example\n", "munin"),
        (b"# munin server at lab.example\n", ""),
        (b'<?xml version="1.0"?>\n<!DOCTYPE GANGLIA_XML [\n', "ganglia"),
        (b'<?xml version="1.0"?>\n<GANGLIA_REPORT>', ""),
    ],
)
def test_a_banner_is_recognised_by_one_protocol_or_by_none(banner: bytes, protocol: str) -> None:
    speak_first = (probe for probe in PROBES if not probe.greeting)
    assert [probe.protocol for probe in speak_first if probe.recognises(banner)] == [protocol][: bool(protocol)]


@pytest.mark.parametrize(
    "reply",
    [
        b"finger: rm-nosuch-7f3a9c: no such user.\r\n",
        b"\r\nWelcome to Linux version 6.1 at lab !\r\n\n 10:00 up\n\r\nfinger: rm-nosuch-7f3a9c: no such user.\r\n",
        b"Login name: rm-nosuch-7f3a9c\t\t\tIn real life: ???\r\n",
        b"Login       Name               TTY         Idle    When    Where\r\nrm-nosuch-7f3a9c      ???\r\n",
        b"\r\n    Line       User       Host(s)              Idle       Location\r\n*  2 vty 0\r\n",
    ],
)
def test_the_words_of_finger_servers_are_known(reply: bytes) -> None:
    assert small_talk.is_finger(reply)


@pytest.mark.parametrize("reply", [small_talk.NOBODY, b"you said: " + small_talk.NOBODY, b"no such user\r\n", b"???"])
def test_other_words_about_a_user_are_no_finger(reply: bytes) -> None:
    assert not small_talk.is_finger(reply)


def test_ident_must_answer_for_the_ports_that_were_asked_for() -> None:
    assert small_talk.is_ident(b"6391 , 1 : ERROR : HIDDEN-USER\r\n")
    assert small_talk.is_ident(b"6391, 1 : USERID : UNIX : root\r\n")
    for reply in (
        small_talk.PORT_PAIR,
        b"6391, 2 : ERROR : NO-USER\r\n",
        b"6391, 1 : SORRY : x\r\n",
        b"6391, 1\r\nERROR:",
    ):
        assert not small_talk.is_ident(reply)


def test_echo_is_the_very_line_that_was_sent() -> None:
    assert small_talk.is_echo(small_talk.ECHO)
    for reply in (small_talk.ECHO[:-1], small_talk.ECHO + b"\n", small_talk.ECHO.upper(), b""):
        assert not small_talk.is_echo(reply)


def test_a_kerberos_error_is_told_from_its_likes() -> None:
    error = kerberos_error()
    assert kerberos.recognises(error)
    assert kerberos.recognises_framed(kerberos.framed(error))
    wrong = [kerberos_error(version=4), kerberos_error(kind=11), kerberos_error(code=0xA7), error[:-1], error + b"\0"]
    for reply in (*wrong, kerberos.AS_REQUEST, b"", b"\x7e\x00", b"\x7e\x02\x30\x00"):
        assert not kerberos.recognises(reply)
        assert not kerberos.recognises_framed(kerberos.framed(reply))
    assert not kerberos.recognises_framed(kerberos.framed(error) + b"\0")


def test_an_nrpe_response_needs_its_kind_and_checksum() -> None:
    response = monitoring.nrpe_packet(2, b"NRPE v4.1.0")
    assert monitoring.is_nrpe(response)
    tampered = response.replace(b"v4", b"v5")
    for reply in (monitoring.NRPE_CHECK, tampered, response[:-1], response + b"\0", bytes(1036)):
        assert not monitoring.is_nrpe(reply)
    blank = struct.pack(">hhIh1024s2x", 3, 2, 0, 0, b"")
    assert not monitoring.is_nrpe(blank[:4] + struct.pack(">I", zlib.crc32(blank)) + blank[8:])


def test_a_question_for_one_port_is_never_put_to_another(tmp_path: Path) -> None:
    """A server that answers everything as a finger server would is none on another port."""
    answers = {small_talk.NOBODY: b"finger: rm-nosuch-7f3a9c: no such user.\r\n", small_talk.ECHO: small_talk.ECHO}
    with scripted(4379, lambda request: answers.get(request, b"?\r\n"))(ADDRESS, tmp_path):
        assert not asyncio.run(identify(contact(4379))).known


def test_an_answer_in_pieces_is_put_together_on_the_port_where_it_belongs() -> None:
    def pieces(connection: socket.socket) -> None:
        if connection.recv(64) == small_talk.NOBODY:
            connection.sendall(b"finger: ")
            time.sleep(0.05)
            connection.sendall(b"rm-nosuch-7f3a9c: no such user.\r\n")

    with listening(ADDRESS, 79, pieces):
        found = asyncio.run(identify(contact(79)))
    assert found.protocol == "finger"


def test_a_munin_node_that_hangs_up_after_its_greeting_is_not_taken_for_an_open_one(tmp_path: Path) -> None:
    with scripted(4950, lambda _: None, banner=b"# munin node at lab.example\n")(ADDRESS, tmp_path):
        greeting = asyncio.run(monitoring.look_at_munin(contact(4950, Level.GREETING)))
        assert greeting.attribute("name") == "lab.example"
        with pytest.raises(ProbeError):
            asyncio.run(monitoring.look_at_munin(contact(4950)))


def test_a_router_that_is_still_busy_with_our_last_connection_is_asked_again() -> None:
    [probe] = [probe for probe in legacy.PROBES if probe.protocol == "bgp"]
    banners = iter((b"", OPEN))

    async def look() -> ServiceFacts:
        return await probe.look(contact(4179))

    with listening(ADDRESS, 4179, lambda connection: connection.sendall(next(banners))):
        facts = asyncio.run(look())
    assert facts.service == "BGP"
