"""ClickHouse's native port: is the user ``default`` let in without a password, as over HTTP?

Attributes: ``refusal``: ``credentials``.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.wire import Fields

_REVISION = 54401
"""Of the protocol: the oldest in which the server tells its whole version, and no later message is due."""
_HELLO, _EXCEPTION = 0, 2
_NAME, _ERROR = b"\x0aClickHouse", b"\x0dDB::Exception"
_WRONG_PORT = re.compile(rb"\AHTTP/1\.[01] 400 [^\r\n]{1,40}\r\n\r\nPort \d{1,5} is for clickhouse-client program\r\n")
_REFUSALS = frozenset({192, 193, 194, 195, 516})
"""UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED, AUTHENTICATION_FAILED (ErrorCodes.cpp)."""
_LIMIT = 4096


def _number(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first (LEB128)."""
    low, rest = value & 0x7F, value >> 7
    return bytes((low | 0x80,)) + _number(rest) if rest else bytes((low,))


def _text(text: str) -> bytes:
    return _number(len(text)) + text.encode()


def hello() -> bytes:
    """Return the client's first packet: its name and version, the database, and the user without a password."""
    version = _number(1) + _number(0) + _number(_REVISION)
    return _number(_HELLO) + _text("roundsman") + version + _text("") + _text("default") + _text("")


HELLO = hello()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is the server's hello, or an exception in its form."""
    return reply.startswith(bytes((_HELLO,)) + _NAME) or (reply[:1] == b"\x02" and reply[5:19] == _ERROR)


def also_recognises(reply: bytes) -> bool:
    """Recognise what an HTTP request earns on the native port."""
    return bool(_WRONG_PORT.match(reply))


async def look(contact: Contact) -> ServiceFacts:
    """Say hello, at the level of reads, and hang up: who is let in is told by the answer."""
    if not contact.level.at_least(Level.READ):
        return ServiceFacts("CLICKHOUSE", Access.UNKNOWN, "ClickHouse")
    async with contact.open() as conversation:
        await conversation.send(HELLO)
        reply = await conversation.receive_until(_whole, limit=_LIMIT)
    evidence = (exchange(HELLO, reply),)
    if reply[0] == _EXCEPTION:
        refused = int.from_bytes(reply[1:5], "little") in _REFUSALS
        refusal = (("refusal", "credentials"),) if refused else ()
        access = Access.RESTRICTED if refused else Access.UNKNOWN
        return ServiceFacts("CLICKHOUSE", access, "ClickHouse", attributes=refusal, exchanges=evidence)
    return ServiceFacts("CLICKHOUSE", Access.OPEN, "ClickHouse", _version(reply), exchanges=evidence)


def _whole(data: bytes) -> bool:
    """An exception is told by its beginning; a hello has its version whole."""
    if data[:1] == bytes((_EXCEPTION,)):
        return recognises(data)
    try:
        return recognises(data) and bool(_version(data))
    except UnexpectedReply:
        return False


def _version(reply: bytes) -> str:
    """Return the version of a server's hello. Raises ``UnexpectedReply`` when it is not whole."""
    fields = Fields(reply[1:])
    fields.take(len(_NAME))
    major, minor, _ = (_take_number(fields) for _ in range(3))
    for _ in range(2):  # time zone, name
        fields.take(_take_number(fields))
    return f"{major}.{minor}.{_take_number(fields)}"


def _take_number(fields: Fields) -> int:
    value = shift = 0
    while (octet := fields.unsigned(1)) & 0x80 and shift < 28:
        value |= (octet & 0x7F) << shift
        shift += 7
    return value | octet << shift


PROBE = ServiceProbe(
    protocol="clickhouse",
    ports=frozenset({9000, 9440}),
    greeting=HELLO,
    recognises=recognises,
    look=look,
    also_recognises=also_recognises,
    greeting_level=Level.READ,
    own_ports_only=True,
)
