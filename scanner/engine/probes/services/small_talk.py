"""Small services from before firewalls that answer one line: echo, finger, ident.

Each is asked on its own port alone, where the line is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level, Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

ECHO = b"roundsman-526d6170\r\n"
NOBODY = b"rm-nosuch-7f3a9c\r\n"
"""A user that no host has: finger (RFC 1288 section 2.3) then has nothing to tell of anyone."""
PORT_PAIR = b"6391, 1\r\n"
"""A connection that doesn't exist, from the host's port 6391 to our port 1 (RFC 1413 section 3)."""

_IDENT = re.compile(rb"\A\s*6391\s*,\s*1\s*:\s*(?:ERROR|USERID)\s*:[^\n]*\r?\n?\Z")
_FINGER = re.compile(
    rb"(?i)\A(?:[^\n]{0,200}\n){0,6}?(?:"
    rb"finger: rm-nosuch-7f3a9c: no such user|"  # BSD, Linux
    rb"login name: rm-nosuch-7f3a9c\s+in real life: \?\?\?|"  # System V, IRIX
    rb"rm-nosuch-7f3a9c\s+\?\?\?|"  # Solaris, below a head line
    rb"rm-nosuch-7f3a9c: no such user|rm-nosuch-7f3a9c is not known at this site|"
    rb"\s*line\s+user\s+host\(s\)\s+idle\s+location)"  # Cisco IOS lists its lines, whoever is asked for
)
_LIMIT = 1024


def is_echo(reply: bytes) -> bool:
    """Tell whether the reply is what was sent, to the octet (RFC 862); on port 7 nothing else is expected."""
    return reply == ECHO


def is_finger(reply: bytes) -> bool:
    """Tell whether the reply says that there is no such user, in the words of a known finger server."""
    return bool(_FINGER.match(reply))


def is_ident(reply: bytes) -> bool:
    """Tell whether the reply is an error or a user for the pair of ports that was asked for."""
    return bool(_IDENT.match(reply))


def _probe(
    protocol: str, port: int, request: bytes, recognises: Callable[[bytes], bool], level: Level = Level.GREETING
) -> ServiceProbe:
    async def look(contact: Contact) -> ServiceFacts:
        async with contact.open() as conversation:
            await conversation.send(request)
            reply = await conversation.receive_until(recognises, limit=_LIMIT)
        return _facts(protocol, request, reply)

    return ServiceProbe(
        protocol, frozenset({port}), request, recognises, look, greeting_level=level, own_ports_only=True
    )


async def _look_at_echo_over_udp(contact: Contact) -> ServiceFacts:
    reply = await contact.ask(ECHO)
    if not is_echo(reply):
        raise UnexpectedReply("The echo service answered with something else than it was sent.")
    return _facts("echo", ECHO, reply)


def _facts(protocol: str, request: bytes, reply: bytes) -> ServiceFacts:
    return ServiceFacts(protocol.upper(), Access.UNKNOWN, exchanges=(exchange(request, reply),))


PROBES = (
    _probe("echo", 7, ECHO, is_echo),
    _probe("finger", 79, NOBODY, is_finger, Level.READ),
    _probe("ident", 113, PORT_PAIR, is_ident),
    ServiceProbe("echo", frozenset({7}), ECHO, is_echo, _look_at_echo_over_udp, Transport.UDP, own_ports_only=True),
)
