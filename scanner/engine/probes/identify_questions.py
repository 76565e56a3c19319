"""One question to a port, on a connection of its own, and what the answer says of the port."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from scanner.engine.errors import ProbeError, RefusedByScope
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Transport
from scanner.engine.probes import http2, tls_hello
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.first_reply import PIECES_WAIT, converse
from scanner.engine.probes.services import nameless
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.probes.ssh import recognises_ssh

HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: %s\r\nUser-Agent: Roundsman/0.1\r\nAccept: */*\r\nConnection: close\r\n\r\n"

BANNER_WAIT = 1.5
"""Seconds that a port may take to speak first, and to answer a greeting."""

PROMPT_WAIT = 3.0
"""Seconds that a text which names nothing may take to end in a prompt: consoles show a notice, and then think."""

PIECE = 8
"""Bytes of an unknown answer up to which more is waited for: whoever writes octet by octet sends the first alone."""

_WANTS_HTTP2 = re.compile(rb"(?s)HTTP/1\.\d (?:426|505)\b|HTTP/1\.\d 403\b.{0,400}\bALPN\b.{0,40}\bh2\b")
"""How servers of HTTP/2 alone turn HTTP/1.1 away: RFC 9110 sections 15.5.22 and 15.6.6, and Node.js."""

_NOTICE = re.compile(rb"(?![1-5]\d\d[ -]|[-+$:*@{<]|HTTP/|SSH-)[\t\n\r\x1b\x20-\x7e\x80-\xff]{4,}")
"""A text as consoles greet with: no code of three digits, nor the beginning of any other protocol's reply."""

_TCP_PROBES = tuple(probe for probe in PROBES if probe.transport is Transport.TCP)
SPEAK_FIRST = tuple(probe for probe in _TCP_PROBES if not probe.greeting)
ANSWER = tuple(probe for probe in _TCP_PROBES if probe.greeting)
_BY_GREETING = {
    greeting: tuple(probe for probe in ANSWER if probe.greeting == greeting)
    for greeting in {probe.greeting for probe in ANSWER}
}
"""A greeting that several protocols answer, each in its own way, is said once."""


@dataclass(frozen=True, slots=True)
class Identification:
    """What a port is. ``protocol`` is ``unknown`` when nothing recognised it; ``closes_at_once`` tells that it accepts
    connections only to drop them (an address rule, or a tarpit), ``http2`` that of HTTP it speaks version 2 alone.
    ``beside`` is what else answers on the same port.
    """

    protocol: str
    tls: bool = False
    banner: str = ""
    probe: ServiceProbe | None = None
    closes_at_once: bool = False
    http2: bool = False
    beside: tuple[Identification, ...] = ()

    @property
    def known(self) -> bool:
        return self.protocol != "unknown"


UNKNOWN = Identification("unknown")


async def _hear(contact: Contact, said: bytes, wait: float) -> tuple[bytes, bool]:
    """Return what anyone may say to this, of which the first octets may come alone."""
    return await converse(contact, said, wait, _names_something, patience=_patience)


def _patience(reply: bytes) -> float:
    return PIECES_WAIT if len(reply) <= PIECE else 0


def _patience_with_notices(reply: bytes) -> float:
    return PROMPT_WAIT if _NOTICE.fullmatch(reply) else _patience(reply)


def _names_something(reply: bytes) -> bool:
    named = _by_reply(reply, closed=False).known or tls_hello.recognises(reply)
    return named or (reply.startswith(b"HTTP/") and b"\n" in reply)


def _by_reply(reply: bytes, closed: bool) -> Identification:
    """Recognise what any protocol would say unasked, or to a request that isn't its own."""
    banner = printable_bytes(reply)
    if recognises_ssh(reply):
        return Identification("ssh", banner=banner)
    for probe in SPEAK_FIRST:
        if probe.recognises(reply):
            return Identification(probe.protocol, banner=banner, probe=probe)
    for probe in _TCP_PROBES:
        if probe.also_recognises is not None and probe.also_recognises(reply):
            return Identification(probe.protocol, banner=banner, probe=probe)
    return Identification("unknown", banner=banner, closes_at_once=closed)


async def listen(contact: Contact, wait: float, said: bytes = b"") -> tuple[Identification, bytes]:
    """Return what the port is by what it says by itself, or to what is ``said``, and what that was."""
    reply, closed = await converse(contact, said, wait, _names_something, patience=_patience_with_notices)
    return _by_reply(reply, closed) if reply else replace(UNKNOWN, closes_at_once=closed), reply


async def wait_for_banner(contact: Contact, wait: float) -> Identification:
    return await listen_as(b"", contact, wait)


async def listen_as(client: bytes, contact: Contact, wait: float) -> Identification:
    """Wait for what the port says to a client that says this first."""
    found, reply = await listen(contact, wait, client)
    if found.known:
        return found
    if reply.startswith(nameless.GREETINGS):
        probe = await nameless.tell_apart(contact)
    else:
        probe = nameless.turns_away(reply, contact.endpoint.port)
    return replace(found, protocol=probe.protocol, probe=probe) if probe else found


async def ask_http(contact: Contact, wait: float | None = None) -> Identification:
    host = (contact.target.hostname or contact.endpoint.address).encode("ascii", "ignore")
    contact.dialer.requests[contact.endpoint.address] += 1
    reply, closed = await _hear(contact, HTTP_REQUEST % host, wait or BANNER_WAIT)
    named = _by_reply(reply, closed) if reply else replace(UNKNOWN, closes_at_once=closed)
    if not named.known and reply.startswith((b"HTTP/1.", b"HTTP/2")):
        named = Identification("http", banner=printable_bytes(reply.partition(b"\r\n")[0]))  # headers may hold cookies
        newer = await ask_http2(contact) if _WANTS_HTTP2.match(reply) else UNKNOWN
        return newer if newer.known else named
    return named


async def ask_http2(contact: Contact) -> Identification:
    try:
        spoken = await http2.is_spoken(contact)
    except RefusedByScope:
        raise
    except ProbeError:
        return UNKNOWN
    return Identification("http", banner="HTTP/2", http2=True) if spoken else UNKNOWN


async def ask_tls(contact: Contact, wait: float | None = None) -> Identification:
    reply, closed = await _hear(contact, tls_hello.HELLO, wait or BANNER_WAIT)
    if tls_hello.recognises(reply):
        return Identification("tls")
    return _by_reply(reply, closed) if reply else replace(UNKNOWN, closes_at_once=closed)


async def ask_ssl2(contact: Contact) -> Identification:
    reply, closed = await converse(contact, tls_hello.SSL2_HELLO, BANNER_WAIT)
    return Identification("tls") if tls_hello.recognises(reply) else replace(UNKNOWN, closes_at_once=closed)


async def greet(contact: Contact, probe: ServiceProbe) -> Identification:
    port = contact.endpoint.port
    enough = probe.recognises if port in probe.ports else None
    reply, closed = await converse(contact, probe.greeting, BANNER_WAIT, enough)
    for named in _BY_GREETING[probe.greeting]:
        may_be = port in named.ports or not named.own_ports_only
        if reply and may_be and named.recognises(reply):
            return Identification(named.protocol, banner=printable_bytes(reply), probe=named)
    return replace(UNKNOWN, banner=printable_bytes(reply), closes_at_once=closed)
