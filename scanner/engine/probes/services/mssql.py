"""Microsoft SQL Server: version and encryption setting from the TDS PRELOGIN exchange (MS-TDS 2.2.6.5).

There is no unauthenticated state to find. Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade
from scanner.engine.probes.wire import Fields

_PRELOGIN, _RESPONSE, _END_OF_MESSAGE = 0x12, 0x04, 0x01
_OPTION_VERSION, _OPTION_ENCRYPTION, _TERMINATOR = 0x00, 0x01, 0xFF
_ENCRYPT_OFF, _ENCRYPT_NOT_SUPPORTED = 0x00, 0x02
_HEADER = struct.Struct(">BBHHBB")


def _prelogin() -> bytes:
    """Two options, version and encryption, and the claim that we would log in with the log-in alone encrypted."""
    tokens = struct.pack(">BHHBHHB", _OPTION_VERSION, 11, 6, _OPTION_ENCRYPTION, 17, 1, _TERMINATOR)
    payload = tokens + struct.pack(">IHB", 0, 0, _ENCRYPT_OFF)
    return _HEADER.pack(_PRELOGIN, _END_OF_MESSAGE, _HEADER.size + len(payload), 0, 1, 0) + payload


PRELOGIN = _prelogin()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a TDS response whose first option is a version."""
    if len(reply) < _HEADER.size + 12 or reply[0] != _RESPONSE or reply[1] != _END_OF_MESSAGE:
        return False
    return int.from_bytes(reply[2:4], "big") == len(reply) and reply[8] == _OPTION_VERSION and reply[11:13] == b"\0\x06"


async def look(contact: Contact) -> ServiceFacts:
    """Exchange PRELOGIN and hang up before any log-in."""
    async with contact.open() as conversation:
        await conversation.send(PRELOGIN)
        reply = await conversation.receive_until(whole, limit=1024)
    options = _options(reply[_HEADER.size :])
    version, encryption = options.get(_OPTION_VERSION, b""), options.get(_OPTION_ENCRYPTION, b"")
    if len(version) < 4 or len(encryption) != 1:
        raise UnexpectedReply("SQL Server's PRELOGIN names no version or no encryption setting.")
    attributes = (*upgrade(contact, encryption[0] != _ENCRYPT_NOT_SUPPORTED), ("refusal", "credentials"))
    number = f"{version[0]}.{version[1]}.{int.from_bytes(version[2:4], 'big')}"
    evidence = (exchange(PRELOGIN, reply),)
    return ServiceFacts("MSSQL", Access.RESTRICTED, "Microsoft SQL Server", number, attributes, evidence)


def encrypts(reply: bytes) -> bool:
    """Tell whether an answer to ``PRELOGIN`` lets a handshake follow. Raises ``UnexpectedReply`` when it is none."""
    setting = _options(reply[_HEADER.size :]).get(_OPTION_ENCRYPTION, b"") if recognises(reply) else b""
    if len(setting) != 1:
        raise UnexpectedReply("The server did not answer PRELOGIN as SQL Server does.")
    return setting[0] != _ENCRYPT_NOT_SUPPORTED


def whole(data: bytes) -> bool:
    """Tell whether a packet has come to the end that it names."""
    return len(data) >= _HEADER.size and len(data) >= int.from_bytes(data[2:4], "big")


def _options(payload: bytes) -> dict[int, bytes]:
    tokens = Fields(payload)
    options: dict[int, bytes] = {}
    while (kind := tokens.unsigned(1)) != _TERMINATOR:
        offset, length = tokens.unsigned(2), tokens.unsigned(2)
        options[kind] = payload[offset : offset + length]
    return options


PROBE = ServiceProbe("mssql", frozenset({1433}), PRELOGIN, recognises, look)
