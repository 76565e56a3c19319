"""Oracle's listener: its answer to a TNS connect packet that asks for the version.

To reach the listener is not to reach a database, so nothing is called open.
Attributes: ``error``: the ORA/TNS number of a refusal. Nothing is said of ``tls``: Oracle can encrypt natively.
"""

from __future__ import annotations

import re
import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_CONNECT, _ACCEPT, _REFUSE, _REDIRECT, _RESEND = 1, 2, 4, 5, 11
_DATA_OFFSET = 58
_VERSION = re.compile(rb"Version (\d+(?:\.\d+){2,4})")
_PACKED_VERSION = re.compile(rb"\(VSNNUM=(\d{1,10})\)")
_ERROR = re.compile(rb"\(ERR=(\d{1,5})\)")


def _connect() -> bytes:
    """A connect packet of TNS version 310, compatible down to 300, offering no service flags."""
    data = b"(CONNECT_DATA=(COMMAND=version))"
    body = struct.pack(">HHHHHHHHHHIBB24x", 310, 300, 0, 2048, 32767, 32520, 0, 1, len(data), _DATA_OFFSET, 0, 0, 0)
    return struct.pack(">HHBBH", _DATA_OFFSET + len(data), 0, _CONNECT, 0, 0) + body + data


CONNECT = _connect()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a TNS packet: a refusal or redirection in its own syntax, or an exact resend."""
    if len(reply) < 8 or int.from_bytes(reply[:2], "big") > len(reply) or reply[2:4] != b"\0\0":
        return False
    if reply[4] == _RESEND:
        return reply == b"\0\x08\0\0\x0b\0\0\0"
    if reply[4] in (_REFUSE, _REDIRECT):
        return b"(DESCRIPTION=" in reply or b"(ADDRESS=" in reply
    return reply[4] == _ACCEPT and (b"TNSLSNR" in reply or bool(_PACKED_VERSION.search(reply)))


async def look(contact: Contact) -> ServiceFacts:
    """Ask the listener for its version, once more if it wants the packet again."""
    async with contact.open() as conversation:
        await conversation.send(CONNECT)
        reply = await conversation.receive_until(_packet, limit=4096)
        if reply[4] == _RESEND:
            await conversation.send(CONNECT)
            reply = await conversation.receive_until(_packet, limit=4096)
    if not recognises(reply):
        raise UnexpectedReply("Oracle's listener answered with a packet that is not known.")
    error = _ERROR.search(reply)
    attributes: Attributes = (("error", error[1].decode()),) if error else ()
    evidence = (exchange(CONNECT, reply),)
    return ServiceFacts("ORACLE", Access.UNKNOWN, "Oracle TNS listener", _version(reply), attributes, evidence)


def _packet(data: bytes) -> bool:
    return len(data) >= 8 and len(data) >= int.from_bytes(data[:2], "big")


def _version(reply: bytes) -> str:
    """Return the version, given in words or packed as 8, 4, 8, 4 and 8 bits (until 12.1; 8, 8, 4, 8, 4 since 18)."""
    if spelled := _VERSION.search(reply):
        return spelled[1].decode()
    packed = _PACKED_VERSION.search(reply)
    if packed is None or int(packed[1]) == 0:
        return ""
    number = int(packed[1])
    major = number >> 24 & 0xFF
    if major >= 18:
        return f"{major}.{number >> 16 & 0xFF}.{number >> 12 & 0xF}.{number >> 4 & 0xFF}.{number & 0xF}"
    return f"{major}.{number >> 20 & 0xF}.{number >> 12 & 0xFF}.{number >> 8 & 0xF}.{number & 0xFF}"


PROBE = ServiceProbe("oracle-tns", frozenset({1521, 1526, 2483}), CONNECT, recognises, look)
