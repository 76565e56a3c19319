"""HTTP/2 for servers that speak nothing older: who is taken for one, and what the worst of them can do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from h2.connection import H2Connection

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.http import HttpReply
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes import http2 as probe
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.identify import identify
from scanner.engine.probes.identify_questions import Identification
from tests.lab.case import Start
from tests.lab.http2_server import Answer, http2, speaking, table
from tests.lab.http_answers import answers, page, text
from tests.lab.scripted import scripted, speaks

ADDRESS, PORT = "127.10.90.200", 8080
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
PING = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)
SITE = table({"GET /": page("Portal", Server="lab/1")}, text("none\n", 404))


def contact(*, tls: bool = False) -> Contact:
    target = Target(ADDRESS, ADDRESS)
    return Contact(Dialer(lambda _: None), target, Endpoint(ADDRESS, PORT), Level.READ, tls=tls, http2=True)


def ask(start: Start, folder: Path, *paths: str, limit: int = 10_000, seconds: float = 8) -> list[HttpReply]:
    async def all_of() -> list[HttpReply]:
        async with HttpSession(contact()) as session:
            return [await session.get(path, limit=limit, seconds=seconds) for path in paths]

    with start(ADDRESS, folder):
        return asyncio.run(all_of())


def named(start: Start, folder: Path) -> Identification:
    with start(ADDRESS, folder):
        return asyncio.run(identify(contact()))


def is_spoken(start: Start, folder: Path, *, tls: bool = False) -> bool:
    with start(ADDRESS, folder):
        return asyncio.run(probe.is_spoken(contact(tls=tls)))


# --- Who speaks it


def test_a_server_of_http2_alone_is_named_as_web(tmp_path: Path) -> None:
    found = named(http2(PORT, SITE), tmp_path)
    assert (found.protocol, found.tls, found.http2) == ("http", False, True)


def test_so_it_is_inside_tls_where_it_turns_older_clients_away(tmp_path: Path) -> None:
    found = named(http2(PORT, SITE, tls=True), tmp_path)
    assert (found.protocol, found.tls, found.http2) == ("http", True, True)


def test_a_server_that_speaks_both_is_spoken_to_as_ever(tmp_path: Path) -> None:
    found = named(answers(PORT, {"GET /": page("Portal")}, text("none", 404)), tmp_path)
    assert (found.protocol, found.http2) == ("http", False)


def test_whoever_only_wants_an_upgrade_stays_what_it_was(tmp_path: Path) -> None:
    found = named(answers(PORT, {}, text("Upgrade Required", 426)), tmp_path)
    assert (found.protocol, found.http2) == ("http", False)


@pytest.mark.parametrize("tls", [False, True])
def test_the_preface_is_answered_by_who_speaks_it(tmp_path: Path, tls: bool) -> None:
    assert is_spoken(http2(PORT, SITE, tls=tls), tmp_path, tls=tls)


@pytest.mark.parametrize("sent", [SETTINGS, b"\x00\x00\x00\x04", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_whoever_never_takes_our_settings_does_not_speak_it(tmp_path: Path, sent: bytes) -> None:
    with pytest.raises(ProbeError):
        is_spoken(scripted(PORT, lambda _: sent, once=True), tmp_path)


# --- What is asked of it


def test_requests_share_a_connection(tmp_path: Path) -> None:
    connections = 0

    def counted(connection: socket.socket) -> None:
        nonlocal connections
        connections += 1
        speaking(SITE)(connection)

    replies = ask(speaks(PORT, counted), tmp_path, "/", "/a", "/")
    assert [(reply.status, reply.path) for reply in replies] == [(200, "/"), (404, "/a"), (200, "/")]
    assert replies[0].header("server") == "lab/1"
    assert connections == 1


def test_a_body_is_cut_and_the_connection_used_again(tmp_path: Path) -> None:
    def long_one(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
        http.send_headers(stream, [(":status", "200")])
        for _piece in range(3):
            http.send_data(stream, b"x" * 10_000)

    replies = ask(speaks(PORT, speaking(long_one)), tmp_path, "/", "/", limit=500)
    assert [reply.body_bytes for reply in replies] == [500, 500]


def _without_status(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    http.config.validate_outbound_headers = False
    http.send_headers(stream, [(":status", "none")], end_stream=True)


def _gives_up(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    http.reset_stream(stream)


def _breaks_off(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    http.send_headers(stream, [(":status", "200")])
    http.send_data(stream, b"<title>Portal")
    http.reset_stream(stream)


def _says_farewell(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    http.close_connection(last_stream_id=stream - 1)


def _always_soon(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    for _time in range(200):
        http.send_headers(stream, [(":status", "103")])


def _too_much_to_say(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    # One entry of the table, named again and again (a bomb of HPACK).
    http.send_headers(stream, [(":status", "200"), *[("x", "y" * 3000)] * 60], end_stream=True)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (_without_status, UnexpectedReply),
        (_gives_up, ConnectionLost),
        (_breaks_off, ConnectionLost),
        (_says_farewell, ConnectionLost),
        (_always_soon, UnexpectedReply),
        (_too_much_to_say, UnexpectedReply),
        (lambda *_: None, HostSilent),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_look(tmp_path: Path, answer: Answer, error: type[ProbeError]) -> None:
    with pytest.raises(error):
        ask(speaks(PORT, speaking(answer)), tmp_path, "/", seconds=1)


def _floods(frame: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(SETTINGS)
        with contextlib.suppress(OSError):
            for _ in range(2000):
                connection.sendall(frame * 200)

    return speak


@pytest.mark.parametrize(
    "frame",
    [
        PING,
        SETTINGS,
        b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x09\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x01\x00\x00\x00\x00\x01",
        b"\x00\x00\x05\x0b\x00\x00\x00\x00\x01hello",
        b"\xff" * 20,
    ],
)
def test_a_flood_of_small_frames_ends_soon(tmp_path: Path, frame: bytes) -> None:
    before = time.process_time()
    with pytest.raises(ProbeError):
        ask(speaks(PORT, _floods(frame)), tmp_path, "/")
    assert time.process_time() - before < 2
