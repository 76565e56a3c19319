"""MQTT by WebSocket: what counts as a broker, and what the worst of them can say."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.engine.errors import ProbeError
from scanner.engine.facts.http import HttpFacts
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Endpoint, Level, Service, Target
from scanner.engine.probes import mqtt_websocket
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.mqtt_websocket import find, look
from scanner.engine.probes.services.mqtt import CONNECT, DISCONNECT
from tests.lab.case import Start
from tests.lab.scripted import speaks

ADDRESS = "127.10.90.220"
LET_IN, TURNED_AWAY = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"


def contact(port: int = 8000, level: Level = Level.READ) -> Contact:
    return Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), Endpoint(ADDRESS, port), level)


def frame(payload: bytes, kind: int = 0x82) -> bytes:
    return bytes((kind, len(payload))) + payload


class Broker:
    """A broker's side, which keeps what clients sent. ``replies`` follow the first frame, one send for each."""

    def __init__(self, *replies: bytes, subprotocol: str = "mqtt", proof: bytes | None = None) -> None:
        self.replies, self.subprotocol, self.proof = replies, subprotocol, proof
        self.requests: list[bytes] = []
        self.frames = b""

    def __call__(self, connection: socket.socket) -> None:
        request = connection.recv(4096)
        self.requests.append(request)
        head = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
        if b"Sec-WebSocket-Key" not in head:
            return
        key = head[b"Sec-WebSocket-Key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        proof = self.proof or b64encode(hashlib.sha1(key).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % (proof, self.subprotocol.encode())
        )
        self.frames += connection.recv(4096)
        for reply in self.replies:
            connection.sendall(reply)
        while more := connection.recv(4096):
            self.frames += more

    @property
    def said(self) -> list[bytes]:
        """What clients said in whole frames, without their masks."""
        said, rest = [], self.frames
        while rest:
            size, mask = rest[1] & 0x7F, rest[2:6]
            said.append(bytes(byte ^ mask[at % 4] for at, byte in enumerate(rest[6 : 6 + size])))
            rest = rest[6 + size :]
        return said


def looked(broker: Callable[[socket.socket], None], folder: Path, port: int = 8000) -> ServiceFacts | None:
    with start(broker, port)(ADDRESS, folder):
        return asyncio.run(look(contact(port), "/mqtt"))


def start(broker: Callable[[socket.socket], None], port: int = 8000) -> Start:
    return speaks(port, broker)


@pytest.mark.parametrize(
    ("replies", "access"),
    [
        ((frame(LET_IN),), Access.OPEN),
        ((frame(TURNED_AWAY),), Access.RESTRICTED),
        ((frame(b"", 0x89) + frame(LET_IN[:1]), frame(LET_IN[1:], 0x80)), Access.OPEN),
    ],
)
def test_a_broker_is_asked_whether_it_lets_strangers_in_and_left_again(
    tmp_path: Path, replies: tuple[bytes, ...], access: Access
) -> None:
    broker = Broker(*replies)
    facts = looked(broker, tmp_path)
    assert facts is not None
    assert (facts.service, facts.access, facts.attribute("path")) == ("MQTT", access, "/mqtt")
    assert set(broker.said) <= {CONNECT, DISCONNECT, b""}
    assert broker.said[0] == CONNECT


@pytest.mark.parametrize("broker", [Broker(subprotocol="chat"), Broker(proof=b"AAAA"), lambda _: None])
def test_whoever_opens_no_websocket_to_a_broker_is_none(
    tmp_path: Path, broker: Callable[[socket.socket], None]
) -> None:
    assert looked(broker, tmp_path) is None


@pytest.mark.parametrize(
    "reply",
    [b"", frame(b"HTTP/1.1"), frame(b"", 0x88), b"\x82\x7e\xff\xff" + bytes(2000), frame(b"\x20\x7f") * 50, b"\x82"],
)
def test_a_broker_that_does_not_finish_is_a_gap(tmp_path: Path, reply: bytes) -> None:
    def closes(connection: socket.socket) -> None:
        connection.settimeout(0.3)
        Broker(*([reply] if reply else []))(connection)

    with pytest.raises(ProbeError):
        looked(closes, tmp_path)


SITE = HttpFacts("http", ADDRESS, brokers=())


@pytest.mark.parametrize(
    ("port", "sites", "asked"),
    [
        (8000, (SITE,), []),
        (8000, (), ["/mqtt"]),
        (8083, (SITE,), ["/mqtt"]),
        (15675, (SITE,), ["/ws"]),
        (8000, (HttpFacts("http", ADDRESS, brokers=("/mqtt",)),), ["/mqtt"]),
        (8000, (HttpFacts("http", ADDRESS),), ["/mqtt"]),
    ],
)
def test_a_broker_is_asked_for_where_one_may_be(
    tmp_path: Path, port: int, sites: tuple[HttpFacts, ...], asked: list[str]
) -> None:
    broker = Broker(frame(LET_IN))
    web = Service(Endpoint(ADDRESS, port), "http", http=sites)
    with start(broker, port)(ADDRESS, tmp_path):
        found = asyncio.run(find(web, contact(port)))
    assert [request.split()[1].decode() for request in broker.requests] == asked
    assert (found is not None and found.protocol == mqtt_websocket.PROTOCOL) is bool(asked)


def test_without_leave_to_read_none_is_asked_for(tmp_path: Path) -> None:
    broker = Broker(frame(LET_IN))
    web = Service(Endpoint(ADDRESS, 8083), "http")
    with start(broker, 8083)(ADDRESS, tmp_path):
        assert asyncio.run(find(web, contact(8083, Level.GREETING))) is None
    assert broker.requests == []
