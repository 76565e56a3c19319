"""Db2 and Derby: their answer to EXCSAT, with which a DRDA client and server tell each other what they are.

(Open Group, DRDA version 5, volume 3, EXCSAT and EXCSATRD.) No log-in follows, and none is needed.
Attributes: ``class``: what the server calls its kind, such as ``QDB2/LINUXX8664``.
"""

from __future__ import annotations

import re
import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.wire import Fields

_MAGIC, _REQUEST, _REPLY = 0xD0, 1, 2
_CORRELATION = 1
_EXCSAT, _EXCSATRD = 0x1041, 0x1443
_EXTERNAL_NAME, _MANAGERS, _CLASS, _RELEASE, _SERVER_NAME = 0x115E, 0x1404, 0x1147, 0x115A, 0x116D
_LEVELS = ((0x1403, 7), (0x2407, 8), (0x240F, 8), (0x1440, 8), (0x1474, 8))
"""Managers and the levels that we claim: agent, SQL application, relational database, security, TCP/IP."""

_DB2_RELEASE = re.compile(r"(?:SQL|DSN|QSQ)(\d\d)(\d\d)(\d)")
"""Product, version, release and modification as Db2 on servers, on z/OS and on IBM i tell them (IBM, "Product ID")."""
_DERBY_RELEASE = re.compile(r"\ACSS\d{5}/(\d+\.\d+\.\d+\.\d+)")


def _object(code: int, content: bytes = b"") -> bytes:
    return struct.pack(">HH", 4 + len(content), code) + content


def _greeting() -> bytes:
    levels = b"".join(struct.pack(">HH", *each) for each in _LEVELS)
    empty = (_object(code) for code in (_EXTERNAL_NAME, _SERVER_NAME, _RELEASE))
    attributes = _object(_EXCSAT, b"".join((*empty, _object(_MANAGERS, levels), _object(_CLASS))))
    return struct.pack(">HBBH", 6 + len(attributes), _MAGIC, _REQUEST, _CORRELATION) + attributes


GREETING = _greeting()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a whole EXCSATRD to our request that names the server's class."""
    try:
        return _CLASS in _attributes(reply)
    except UnexpectedReply:
        return False


async def look(contact: Contact) -> ServiceFacts:
    """Exchange attributes once more and hang up before any log-in."""
    async with contact.open() as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_until(_whole, limit=4096)
    attributes = _attributes(reply)
    kind, release = _text(attributes.get(_CLASS, b"")), _text(attributes.get(_RELEASE, b""))
    product, version = _named(kind, release)
    evidence = (exchange(GREETING, reply),)
    return ServiceFacts("DB2", Access.UNKNOWN, product, version, (("class", kind),), evidence)


def _attributes(reply: bytes) -> dict[int, bytes]:
    """Return the reply's parameters by code point. Raises ``UnexpectedReply`` when it isn't an EXCSATRD."""
    fields = Fields(reply)
    length, magic, form, correlation = (fields.unsigned(size) for size in (2, 1, 1, 2))
    inner, code = fields.unsigned(2), fields.unsigned(2)
    if (magic, form & 0x0F, correlation, code) != (_MAGIC, _REPLY, _CORRELATION, _EXCSATRD) or inner + 6 > length:
        raise UnexpectedReply("The DRDA server did not answer EXCSAT with its attributes.")
    fields = Fields(fields.take(inner - 4))
    attributes: dict[int, bytes] = {}
    while fields.left:
        size, code = fields.unsigned(2), fields.unsigned(2)
        attributes[code] = fields.take(size - 4)
    return attributes


def _named(kind: str, release: str) -> tuple[str, str]:
    if derby := _DERBY_RELEASE.match(release):
        return "Apache Derby", derby[1]
    found = _DB2_RELEASE.match(release)
    version = ".".join(str(int(part)) for part in found.groups()) if found else ""
    return "IBM Db2" if found or "DB2" in kind else kind, version


def _text(content: bytes) -> str:
    """DRDA's own texts are EBCDIC until the character sets are agreed upon."""
    return line(content.decode("cp500"), 60)


def _whole(data: bytes) -> bool:
    return len(data) >= 2 and len(data) >= int.from_bytes(data[:2], "big")


PROBE = ServiceProbe("drda", frozenset({446, 1527, 25000, *range(50000, 50004), 60000}), GREETING, recognises, look)
