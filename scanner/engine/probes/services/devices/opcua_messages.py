"""OPC UA's messages (OPC 10000-6, binary encoding over TCP), as little of them as asking for the endpoints needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scanner.engine.errors import UnexpectedReply
from scanner.engine.hostile import line_bytes
from scanner.engine.probes.wire import Fields

HEADER = 8
"""Octets of kind and size in front of each message (section 7.1.2.2)."""
_POLICY_NONE = b"http://opcfoundation.org/UA/SecurityPolicy#None"
_NULL = struct.pack("<i", -1)
_OPEN, _OPENED, _CLOSE, _GET_ENDPOINTS, _ENDPOINTS = 446, 449, 452, 428, 431
"""Identifiers of the messages' binary encodings (OPC 10000-6, annex A)."""
NO_SECURITY, ANONYMOUS = 1, 0
"""MessageSecurityMode None and UserTokenType Anonymous (OPC 10000-4, sections 7.20 and 7.42)."""
MODES = {1: "None", 2: "Sign", 3: "SignAndEncrypt"}
_ENDPOINTS_READ = 64


@dataclass(frozen=True, slots=True)
class ServerEndpoint:
    """One way to connect: application's name, security mode, and the kinds of user that are let in."""

    application: str
    mode: int
    tokens: tuple[int, ...]


def _text(data: bytes) -> bytes:
    return struct.pack("<i", len(data)) + data


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + b"F" + struct.pack("<I", HEADER + len(body)) + body


def _request(identifier: int, number: int) -> bytes:
    """Return type and request header (OPC 10000-4, section 7.32) without a session."""
    head = struct.pack("<BBH", 1, 0, identifier)
    return head + struct.pack("<BBqII", 0, 0, 0, number, 0) + _NULL + struct.pack("<IBBB", 5000, 0, 0, 0)


def hello(url: bytes) -> bytes:
    """Return the first message, with the sizes that we take."""
    return _message(b"HEL", struct.pack("<IIIII", 0, 65535, 65535, 0, 0) + _text(url))


def open_channel() -> bytes:
    """Return the request for a channel without security, for ten seconds."""
    head = struct.pack("<I", 0) + _text(_POLICY_NONE) + _NULL + _NULL + struct.pack("<II", 1, 1)
    body = _request(_OPEN, 1) + struct.pack("<III", 0, 0, NO_SECURITY) + _NULL + struct.pack("<I", 10000)
    return _message(b"OPN", head + body)


def get_endpoints(channel: int, token: int, url: bytes) -> bytes:
    """Return the request for the ways to connect, which a server answers without a session."""
    head = struct.pack("<IIII", channel, token, 2, 2)
    return _message(b"MSG", head + _request(_GET_ENDPOINTS, 2) + _text(url) + _NULL + _NULL)


def close_channel(channel: int, token: int) -> bytes:
    """Return the message that ends the channel."""
    return _message(b"CLO", struct.pack("<IIII", channel, token, 3, 3) + _request(_CLOSE, 3))


def channel_of(message: bytes) -> tuple[int, int]:
    """Return numbers of channel and token that were opened. Raises ``UnexpectedReply``."""
    fields = Fields(message[HEADER:], "little")
    fields.take(4)
    for _ in range(3):
        _octets(fields)
    _skip_response(fields, _OPENED)
    fields.take(4)
    return fields.unsigned(4), fields.unsigned(4)


def endpoints_of(message: bytes) -> tuple[ServerEndpoint, ...]:
    """Return the ways to connect. Raises ``UnexpectedReply``."""
    fields = Fields(message[HEADER:], "little")
    fields.take(8)
    _skip_response(fields, _ENDPOINTS)
    count = fields.signed(4)
    return tuple(_endpoint(fields) for _ in range(min(max(0, count), _ENDPOINTS_READ)))


def _skip_response(fields: Fields, identifier: int) -> None:
    """Step over the sequence and a good response's header of this type."""
    fields.take(8)
    encoding, namespace, found = fields.unsigned(1), fields.unsigned(1), fields.unsigned(2)
    fields.take(8 + 4)
    result, diagnostics = fields.unsigned(4), fields.unsigned(1)
    if (encoding, namespace, found, result, diagnostics) != (1, 0, identifier, 0, 0):
        raise UnexpectedReply("The OPC UA server refused the request or answered another one.")
    for _ in range(min(max(0, fields.signed(4)), _ENDPOINTS_READ)):
        _octets(fields)
    fields.take(3)


def _endpoint(fields: Fields) -> ServerEndpoint:
    """Read an EndpointDescription (OPC 10000-4, section 7.14)."""
    for _ in range(3):
        _octets(fields)
    name = _localized(fields)
    fields.take(4)
    _octets(fields)
    _octets(fields)
    for _ in range(min(max(0, fields.signed(4)), _ENDPOINTS_READ)):
        _octets(fields)
    _octets(fields)
    mode = fields.unsigned(4)
    _octets(fields)
    tokens = tuple(_token(fields) for _ in range(min(max(0, fields.signed(4)), _ENDPOINTS_READ)))
    _octets(fields)
    fields.take(1)
    return ServerEndpoint(name, mode, tokens)


def _token(fields: Fields) -> int:
    _octets(fields)
    kind = fields.unsigned(4)
    for _ in range(3):
        _octets(fields)
    return kind


def _localized(fields: Fields) -> str:
    mask = fields.unsigned(1)
    if mask & 1:
        _octets(fields)
    return line_bytes(_octets(fields), 60) if mask & 2 else ""


def _octets(fields: Fields) -> bytes:
    size = fields.signed(4)
    return fields.take(size) if size > 0 else b""
