"""HTTP proxies: would it connect a stranger onward?

The onward address is 192.0.2.1, which belongs to nobody (RFC 5737), so an open proxy fails to reach it and says so.
"""

from __future__ import annotations

import re

from scanner.engine.errors import ConnectionLost, HostSilent
from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import exchange
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.channel import Attributes
from scanner.engine.probes.services.web.base import WebServiceProbe

CONNECT = b"CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n"
CONNECT_TIMEOUT = 15.0
"""Seconds for the proxy to give up on an address that does not exist."""

_STATUS = re.compile(rb"\AHTTP/1\.[01] (\d{3})[ \r]")
_SOFTWARE = re.compile(r"^(squid|tinyproxy|privoxy|ATS|3proxy)(?:/(\d[\w.]{0,15}))?", re.IGNORECASE)


def suspects(reply: HttpReply) -> bool:
    """Tell whether a reply bears the marks of a forward proxy: its name, or its demand to log in to a proxy."""
    software = _SOFTWARE.match(reply.header("server") or "")
    return bool(software) or reply.header("x-squid-error") is not None or reply.status == 407


async def look(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Ask for a tunnel to nowhere, at the level of reads. What is neither named as a proxy nor turns ``GET /`` away
    as a request meant for a web server (400) is no proxy."""
    first = await session.get("/", limit=4096)
    named = suspects(first)
    software = _SOFTWARE.match(first.header("server") or "")
    product, version = (line(software[1]), software[2] or "") if software else ("", "")
    if not level.at_least(Level.READ):
        return ServiceFacts("HTTP-PROXY", Access.UNKNOWN, product, version) if named else None
    if not named and first.status != 400:
        return None
    access, refusal, reply = await _connect(session)
    if not named and access is not Access.OPEN:
        return None
    return ServiceFacts("HTTP-PROXY", access, product, version, refusal, (exchange(CONNECT, reply),))


async def _connect(session: HttpSession) -> tuple[Access, Attributes, bytes]:
    """Return what the request for a tunnel earned. Still trying when the time is up means that it was let through."""
    session.requests += 1
    async with session.contact.open(timeout=CONNECT_TIMEOUT) as conversation:
        await conversation.send(CONNECT)
        try:
            reply = await conversation.receive_until(lambda data: b"\r\n" in data, limit=1024)
        except HostSilent:
            return Access.OPEN, (), b""
        except ConnectionLost:
            return Access.UNKNOWN, (), b""
    status = _STATUS.match(reply)
    match int(status[1]) if status else 0:
        case 200 | 502 | 503 | 504:
            return Access.OPEN, (), reply
        case 403:
            return Access.RESTRICTED, (("refusal", "acl"),), reply
        case 407:
            return Access.RESTRICTED, (("refusal", "credentials"),), reply
        case _:
            return Access.UNKNOWN, (), reply


PROXY = WebServiceProbe("HTTP-PROXY", frozenset({3128, 8080, 8118, 8888}), suspects, look)
