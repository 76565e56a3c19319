"""RTSP (cameras, media servers): is the stream described to a stranger? Nothing is ever played."""

from __future__ import annotations

import re

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"

_STATUS = re.compile(rb"\ARTSP/1\.0 (\d{3})[ \r]")
_SERVER = re.compile(rb"^Server: *([^\r\n]{1,80})", re.MULTILINE | re.IGNORECASE)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply has an RTSP status line."""
    return bool(_STATUS.match(reply))


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the description of the root stream, at the level of reads; 401 means credentials are wanted."""
    address = contact.endpoint.address
    literal = f"[{address}]" if ":" in address else address
    describe = (
        f"DESCRIBE rtsp://{literal}:{contact.endpoint.port}/ RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n"
    )
    request = describe.encode() if contact.level.at_least(Level.READ) else OPTIONS
    async with contact.open() as conversation:
        await conversation.send(request)
        reply = await conversation.receive_until(lambda data: b"\r\n\r\n" in data, limit=4096)
    status, server = _STATUS.match(reply), _SERVER.search(reply)
    code = status[1] if status and request != OPTIONS else b""
    access = {b"200": Access.OPEN, b"401": Access.RESTRICTED, b"403": Access.RESTRICTED}.get(code, Access.UNKNOWN)
    product = line_bytes(server[1], 60) if server else ""
    return ServiceFacts("RTSP", access, product, exchanges=(exchange(request, reply),))


PROBE = ServiceProbe(protocol="rtsp", ports=frozenset({554, 8554}), greeting=OPTIONS, recognises=recognises, look=look)
