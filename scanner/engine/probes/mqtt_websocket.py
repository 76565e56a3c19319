"""MQTT brokers behind a web port: browsers reach them by WebSocket (RFC 6455; MQTT 5.0 section 6).

A client that offers the subprotocol ``mqtt`` is let through to the broker, or told that there is none. As on the
broker's own port, it is asked whether it lets in a client without credentials, and nothing is subscribed to.

Attributes: ``path``, where the broker is; and those of :mod:`.services.mqtt`.
"""

from __future__ import annotations

import hashlib
import os
import time
from base64 import b64encode
from collections.abc import Iterable

from scanner.engine.errors import ProbeError, RefusedByScope, UnexpectedReply
from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Exchange, ServiceFacts
from scanner.engine.hostile import mask_secrets, printable
from scanner.engine.model import Level, Service
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.channel import clear_only
from scanner.engine.probes.services.mqtt import CONNECT, DISCONNECT, judge_code, recognises

PROTOCOL = "mqtt-websocket"
"""What the service is called."""

PATH = "/mqtt"
"""Where brokers have it (EMQX, HiveMQ, VerneMQ; Mosquitto takes any path)."""

RABBITMQ_PATH = "/ws"
_PATHS = {8083: (PATH,), 8084: (PATH,), 9001: (PATH,), 15675: (RABBITMQ_PATH,), 15676: (RABBITMQ_PATH,)}
"""The usual ports of EMQX, Mosquitto and RabbitMQ, and where their broker is; there it is asked for by itself."""

HEAD_LIMIT = 8192
FRAMES_LIMIT = 512
ANSWER_WAIT = 5.0
"""Seconds for all frames of the answer to CONNECT; pings in between are none of it."""
_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE, _PING = 0x82, 0x88, 0x89
_MASKED = 0x80


def upgrade_headers(key: str = "") -> dict[str, str]:
    """Return the headers that ask for a WebSocket to a broker (RFC 6455 section 4.1)."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key or b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "mqtt",
    }


def opens(reply: HttpReply) -> bool:
    """Tell whether the reply opens a WebSocket to a broker."""
    return reply.status == 101 and (reply.header("sec-websocket-protocol") or "").strip().lower() == "mqtt"


async def find(web: Service, contact: Contact) -> Service | None:
    """Return the broker behind a web port, if there is one.

    It is asked for where the look at a site saw one, at its usual ports, and where no site was asked: Mosquitto answers
    nobody who wants no WebSocket. Raises ``ProbeError`` when a broker that was there did not finish what it began.
    """
    if web.http2 or not contact.level.at_least(Level.READ):
        return None
    asked = [site.brokers for site in web.http if site.brokers is not None]
    seen: Iterable[str] = dict.fromkeys(path for paths in asked for path in paths)
    for path in seen or _PATHS.get(contact.endpoint.port, () if asked else (PATH,)):
        facts = await look(contact, path)
        if facts is not None:
            return Service(contact.endpoint, PROTOCOL, tls=contact.tls, facts=facts)
    return None


async def look(contact: Contact, path: str) -> ServiceFacts | None:
    """Connect to the broker at ``path`` without credentials, and disconnect; None when there is none.

    Raises ``ProbeError`` when it broke off after the WebSocket was open.
    """
    async with contact.open() as conversation:
        try:
            opened, rest = await _open(conversation, contact, path)
        except RefusedByScope:
            raise
        except ProbeError:
            return None
        if opened is None:
            return None
        await conversation.send(_frame(CONNECT))
        reply = await _message(conversation, rest)
        if not recognises(reply):
            raise UnexpectedReply("The broker answered CONNECT with something else.")
        await conversation.send(_frame(DISCONNECT) + _frame(b"", _CLOSE))
    access, refusal = judge_code(reply[3])
    attributes = (("path", path), *clear_only(contact), *refusal, ("code", str(reply[3])))
    return ServiceFacts("MQTT", access, attributes=attributes, exchanges=(opened, exchange(CONNECT, reply)))


async def _open(conversation: Conversation, contact: Contact, path: str) -> tuple[Exchange | None, bytes]:
    """Ask for the WebSocket; return the evidence that it is open (else None), and what came behind the answer."""
    key = b64encode(os.urandom(16)).decode()
    name = contact.target.hostname or contact.endpoint.address
    literal = f"[{name}]" if ":" in name else name
    headers = {"Host": f"{literal}:{contact.endpoint.port}", **upgrade_headers(key)}
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    contact.dialer.requests[contact.endpoint.address] += 1
    await conversation.send(request.encode("ascii", "ignore"))
    data = await conversation.receive_until(lambda data: b"\r\n\r\n" in data, limit=HEAD_LIMIT)
    head, _, rest = data.partition(b"\r\n\r\n")
    fields = _fields(head)
    proof = b64encode(hashlib.sha1(key.encode() + _ACCEPT_SUFFIX, usedforsecurity=False).digest())
    is_open = head.startswith(b"HTTP/1.1 101 ") and fields.get(b"sec-websocket-accept") == proof
    if not is_open or fields.get(b"sec-websocket-protocol", b"").lower() != b"mqtt":
        return None, b""
    seen = exchange(b"", head)
    asked = f"GET {path} HTTP/1.1; Upgrade: websocket; Sec-WebSocket-Protocol: mqtt"
    return Exchange(mask_secrets(printable(asked)), seen.received, seen.at), rest


def _fields(head: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _frame(payload: bytes, kind: int = _BINARY) -> bytes:
    """Return a whole, masked frame with fewer than 126 bytes (RFC 6455 section 5.2)."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes((kind, _MASKED | len(payload))) + mask + masked


async def _message(conversation: Conversation, data: bytes) -> bytes:
    """Return the broker's first packet, put together from its frames; empty when it closes instead."""
    packet, until = b"", time.monotonic() + ANSWER_WAIT
    while len(packet) < 2 or len(packet) < packet[1] + 2:
        while len(data) < 2 or len(data) < 2 + data[1]:
            if len(data) > FRAMES_LIMIT:
                raise UnexpectedReply("The broker's frame is longer than any answer to CONNECT.")
            more = await conversation.receive(FRAMES_LIMIT, max(0.001, until - time.monotonic()))
            if not more:
                return b""
            data += more
        kind, size = data[0], data[1]
        if kind == _CLOSE or size > FRAMES_LIMIT // 4 or len(packet) > FRAMES_LIMIT:
            return b""
        packet += data[2 : 2 + size] if kind != _PING else b""
        data = data[2 + size :]
    return packet
