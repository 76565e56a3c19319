"""HTTP proxies: would it connect a stranger onward?

The onward address is 192.0.2.1, which belongs to nobody (RFC 5737), so an open proxy fails to reach it and says so. How
soon is up to the network behind it. So a server that bears no mark of a proxy is asked for 255.255.255.255 first: that
fails at once, in the proxy's own system and without a packet, and who leaves it unanswered answers no CONNECT at all.
One that bears a mark is asked so afterwards, where it left 192.0.2.1 unanswered.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services import http_proxy_apache
from scanner.engine.probes.services.channel import Attributes
from scanner.engine.probes.services.web.base import WebServiceProbe

ADDRESS = b"192.0.2.1"
CONNECT = b"CONNECT %s:443 HTTP/1.1\r\nHost: %s:443\r\n\r\n" % (ADDRESS, ADDRESS)
TO_EVERYBODY = CONNECT.replace(ADDRESS, b"255.255.255.255")
"""No connection can be made to the limited broadcast address (RFC 919; ENETUNREACH or EACCES of connect(2))."""
REPLY_LIMIT = 2048
CONNECT_TIMEOUT = 15.0
"""Seconds for the proxy to give up on an address that does not exist."""

SHORTEST, TIMES = 2.0, 10
"""Seconds that a host has at least for what it can answer by itself, and how many times what it took for its page."""

_HOME = 3128
"""The port that custom gives to proxies alone: there one is looked for whatever its page says (8080 and 8888 are the
web's, too)."""

_BAD_REQUEST = 400
_CREDENTIALS_ASKED = 407
_NONE, _GATEWAY_ERRORS = 0, (502, 503, 504)
_NO_TUNNELS = frozenset({400, 404, 405, 501})
"""What CONNECT earns from who makes tunnels for nobody: Squid, Traffic Server and Tinyproxy are named alike where they
stand before servers of their own, and say so there (Squid 405, Traffic Server 404, Tinyproxy 400)."""
_BY_RULE: Attributes = (("refusal", "acl"),)
_STATUS = re.compile(rb"\AHTTP/1\.[01] (\d{3})[ \r]")
_FAILED = re.compile(rb"(?i)unable to connect|could ?n[o']t connect|connection (?:failed|timed out)")
"""How proxies that say 500 for a gateway's error tell that they tried, Tinyproxy among them."""
_SOFTWARE = re.compile(
    r"^(squid|tinyproxy|privoxy|polipo|mitmproxy|ATS|3proxy|proxy\.py)(?:(?:/| v?)(\d[\w.]{0,15}))?", re.IGNORECASE
)
_GOPROXY = "This is a proxy server. Does not respond to non-proxy requests."
"""What programs that build on elazarl/goproxy tell whoever asks them as a web server, unless they say it otherwise."""
_OF_A_PROXY = re.compile(rb"(?i)\r\nproxy-(?:agent|connection):")
"""Headers that a proxy gives to its client; what stands before servers has none."""


def suspects(reply: HttpReply) -> bool:
    """Tell whether a reply may be a forward proxy's: it is named as one, or turns a request for a path away.

    A proxy wants whole addresses (RFC 9112 section 3.2.2), and many that say no name stand on any port.
    """
    return reply.status == _BAD_REQUEST or _is_named(reply)


def _is_named(reply: HttpReply) -> bool:
    """Tell whether the reply bears the marks of a forward proxy: its name, or its demand to log in to a proxy."""
    software = _SOFTWARE.match(reply.header("server") or "")
    told = _is_privoxy(reply) or (reply.status == 500 and reply.body.startswith(_GOPROXY))
    return bool(software) or reply.header("x-squid-error") is not None or reply.status == _CREDENTIALS_ASKED or told


def _is_privoxy(reply: HttpReply) -> bool:
    """Privoxy 3 names itself nowhere when it is asked as a web server; these are its words (jcc.c)."""
    return reply.status == _BAD_REQUEST and reply.body.startswith("Invalid header received from client.")


async def look(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Ask for a tunnel to nowhere, at the level of reads. What is neither named as a proxy nor turns ``GET /`` away
    as a request meant for a web server (400) is no proxy, but at the port that is a proxy's own; nor is what is named
    as one, but knows no tunnels. At the level of greetings a name counts only beside a refusal of the path, which a
    reverse proxy would have passed on."""
    began = time.monotonic()
    first = await session.get("/", limit=4096)
    took = time.monotonic() - began
    named = _is_named(first)
    software = _SOFTWARE.match("Privoxy" if _is_privoxy(first) else first.header("server") or "")
    product, version = (line(software[1]), software[2] or "") if software else ("", "")
    if not level.at_least(Level.READ):
        is_forward = named and first.status in (_BAD_REQUEST, _CREDENTIALS_ASKED)
        return ServiceFacts("HTTP-PROXY", Access.UNKNOWN, product, version) if is_forward else None
    at_home = _is_at_home(session, first)
    if not (named or at_home) and first.status != _BAD_REQUEST:
        return await http_proxy_apache.look(session) if http_proxy_apache.is_apache(first) else None
    patience = min(CONNECT_TIMEOUT, max(SHORTEST, TIMES * took))
    if not named and not await _answers_connect(session, patience):
        return None
    access, refusal, reply = await _connect(session)
    if named and access is Access.OPEN and not reply and not await _answers_connect(session, patience):
        return None
    tries = _tells_of_the_tunnel(reply) or (at_home and _status(reply) in (_NONE, *_GATEWAY_ERRORS))
    if _status(reply) in _NO_TUNNELS or not (named or (access is Access.OPEN and tries)):
        return None
    evidence = [exchange(CONNECT, reply)]
    if named and first.status == _BAD_REQUEST and refusal == _BY_RULE:
        fetched = await _fetch(session)
        access, refusal = (Access.OPEN, ()) if fetched is not None else (access, refusal)
        evidence += [fetched] if fetched is not None else []
    return ServiceFacts("HTTP-PROXY", access, product, version, refusal, tuple(evidence))


def _is_at_home(session: HttpSession, first: HttpReply) -> bool:
    """Tell whether a port is a proxy's own, whose page it serves without a gateway's trouble that CONNECT could be in,
    too. Apache is asked in its own way."""
    healthy = first.status < _GATEWAY_ERRORS[0] and not http_proxy_apache.is_apache(first)
    return session.contact.endpoint.port == _HOME and healthy


async def _fetch(session: HttpSession) -> Exchange | None:
    """Ask for a page of nobody's; None when it doesn't try.

    Some make no tunnels, or to few ports, and fetch pages for everyone (Squid's ``deny CONNECT``, Tinyproxy's
    ``ConnectPort``).
    """
    host = ADDRESS.decode()
    sent = f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    try:
        reply = await session.get(f"http://{host}/", headers={"Host": host}, limit=REPLY_LIMIT, seconds=CONNECT_TIMEOUT)
    except HostSilent:
        return exchange(sent, b"")
    except (ConnectionLost, UnexpectedReply):
        return None
    tried = reply.status in (502, 503, 504) or (reply.status == 500 and _FAILED.search(reply.body.encode()))
    return exchange(sent, f"HTTP {reply.status}\r\n\r\n{reply.body}".encode()) if tried else None


async def _answers_connect(session: HttpSession, seconds: float) -> bool:
    """Tell whether a tunnel that nobody can make is refused within ``seconds``, be it by hanging up."""
    async with _asked(session, TO_EVERYBODY) as conversation:
        try:
            await conversation.receive(REPLY_LIMIT, timeout=seconds)
        except HostSilent:
            return False
        except ConnectionLost:
            return True
    return True


@contextlib.asynccontextmanager
async def _asked(session: HttpSession, request: bytes, timeout: float | None = None) -> AsyncIterator[Conversation]:
    """Send a request for a tunnel, on a connection of its own; errors as :meth:`Contact.open`."""
    session.requests += 1
    session.contact.dialer.requests[session.contact.endpoint.address] += 1
    async with session.contact.open(timeout=timeout) as conversation:
        await conversation.send(request)
        yield conversation


async def _connect(session: HttpSession) -> tuple[Access, Attributes, bytes]:
    """Return what the request for a tunnel earned. Still trying when the time is up means that it was let through."""
    async with _asked(session, CONNECT, CONNECT_TIMEOUT) as conversation:
        try:
            reply = await conversation.receive_until(lambda data: b"\r\n\r\n" in data, limit=REPLY_LIMIT)
            reply += await _rest(conversation)
        except (HostSilent, ConnectionLost) as error:
            reply = error.args[1] if len(error.args) > 1 else b""
            if not reply:
                return (Access.OPEN if isinstance(error, HostSilent) else Access.UNKNOWN), (), b""
    match _status(reply):
        case 200 | 502 | 503 | 504:
            return Access.OPEN, (), reply
        case 500 if _FAILED.search(reply):
            return Access.OPEN, (), reply
        case 403:
            return Access.RESTRICTED, _BY_RULE, reply
        case 407:
            return Access.RESTRICTED, (("refusal", "credentials"),), reply
        case _:
            return Access.UNKNOWN, (), reply


def _status(reply: bytes) -> int:
    """Return the status of a reply; 0 for what is no reply of HTTP/1."""
    found = _STATUS.match(reply)
    return int(found[1]) if found else 0


async def _rest(conversation: Conversation) -> bytes:
    """Return what comes with the headers or right after them; a tunnel that stands has nothing more to say."""
    try:
        return await conversation.receive(REPLY_LIMIT, timeout=1)
    except ProbeError:
        return b""


def _tells_of_the_tunnel(reply: bytes) -> bool:
    """Tell whether only a proxy answers so, for servers that bear no mark of one.

    A gateway error may be that of a balancer before a server that knows no CONNECT, so it must name the address that
    could not be reached, or come with a proxy's headers; success opens a tunnel only without a body (RFC 9110 section
    9.3.6).
    """
    headers, _, body = reply.partition(b"\r\n\r\n")
    if ADDRESS in body or _OF_A_PROXY.search(headers):
        return True
    framed = re.search(rb"(?i)\r\n(?:content-length|transfer-encoding):", reply)
    return b" 200" in reply[:13] and framed is None


PROXY = WebServiceProbe(
    "HTTP-PROXY", frozenset({3128, 8080, 8118, 8888}), suspects, look, servers=(http_proxy_apache.SERVER,)
)
