"""Microsoft's remote procedure calls (DCE/RPC, C706 chapter 12): the end-point mapper and the ports it hands out.

One bind to the mapper's interface, never a call. A port that serves another interface turns that bind down in the
same protocol. Behind the first byte of a banner speaks RPC over HTTP ([MS-RPCH] section 2.1.1.1.1).
"""

from __future__ import annotations

import struct
from uuid import UUID

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_BIND, _BIND_ACK, _BIND_NAK = 11, 12, 13
_LITTLE_ENDIAN = b"\x10\0\0\0"
_CALL = 0x6D646E72
_HEADER = 16
_MAPPER = UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa").bytes_le + struct.pack("<HH", 3, 0)
_NDR = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<HH", 2, 0)
_OVER_HTTP = b"ncacn_http/1.0"


def _bind() -> bytes:
    """A bind PDU with one context: the mapper's interface in network data representation (section 12.6.4.3)."""
    body = struct.pack("<HHIB3xHBx", 4280, 4280, 0, 1, 0, 1) + _MAPPER + _NDR
    return struct.pack("<BBBB4sHHI", 5, 0, _BIND, 3, _LITTLE_ENDIAN, _HEADER + len(body), 0, _CALL) + body


GREETING = _bind()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a whole acceptance or refusal of our bind, by its type, length and call."""
    if len(reply) < _HEADER + 4 or reply[:2] != b"\x05\0" or reply[2] not in (_BIND_ACK, _BIND_NAK):
        return False
    order = "<" if reply[4] & 0x10 else ">"
    length, _, call = struct.unpack_from(f"{order}HHI", reply, 8)
    return bool(length == len(reply) and call == _CALL)


def recognises_http(banner: bytes) -> bool:
    """Tell whether the banner is that of RPC over HTTP, and nothing else."""
    return banner == _OVER_HTTP


async def look(contact: Contact) -> ServiceFacts:
    """Bind and hang up."""
    async with contact.open() as conversation:
        await conversation.send(GREETING)
        reply = await conversation.receive_until(_whole, limit=4096)
    if not recognises(reply):
        raise UnexpectedReply("The port answered a DCE/RPC bind with something else.")
    return ServiceFacts("MSRPC", Access.UNKNOWN, exchanges=(exchange(GREETING, reply),))


async def look_http(contact: Contact) -> ServiceFacts:
    """Read the banner once more."""
    async with contact.open() as conversation:
        banner = await conversation.receive_exactly(len(_OVER_HTTP))
    return ServiceFacts("MSRPC", Access.UNKNOWN, exchanges=(exchange(b"", banner),))


def _whole(data: bytes) -> bool:
    if len(data) < _HEADER:
        return False
    return len(data) >= int.from_bytes(data[8:10], "little" if data[4] & 0x10 else "big")


_HANDED_OUT = frozenset({*range(1025, 1031), *range(49152, 49160), *range(49664, 49676)})
"""Where Windows begins to hand out ports: before Vista, since, and since Windows 10."""

PROBES = (
    ServiceProbe("msrpc", frozenset({135}) | _HANDED_OUT, GREETING, recognises, look, own_ports_only=True),
    ServiceProbe("ncacn-http", frozenset({593}), b"", recognises_http, look_http),
)
