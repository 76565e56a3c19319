"""PostgreSQL and what speaks its wire protocol (version 3): is user ``postgres`` let in without a password?

Kingbase, openGauss and GaussDB speak it too and are the same service; of these only openGauss and GaussDB, which share
one kernel, can be told by what they answer.

A host-based rule may differ for each user, database and channel, so the evidence names the ones that were tried.
Attributes: ``tls`` (see :mod:`.channel`); ``auth``: what was asked for (``trust``, ``password``, ``md5``,
``scram-sha-256``, …); ``auth_channel``: ``clear`` or ``tls``, where it was asked; ``user``, ``database``;
``refusal``: ``credentials`` or ``no-rule``.
"""

from __future__ import annotations

import re
import struct

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange, permissive_tls
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade

USER = DATABASE = "postgres"

UNKNOWN_VERSION = struct.pack(">ihh", 8, 255, 255)
"""A start-up packet of protocol 255.255: every server turns it down in words of its own and nobody is logged in. To
versions below 3 servers until PostgreSQL 13 answer in another form, without fields."""
SSL_REQUEST = struct.pack(">ihh", 8, 1234, 5679)
TERMINATE = b"X" + struct.pack(">i", 4)

# The severity, then an SQLSTATE that PostgreSQL or a pooler gives for a bad start-up packet.
_TURNED_DOWN = re.compile(rb"\AE\x00\x00[\x00-\x0f][\x00-\xff]S[^\x00]{4,20}\x00(?:V[A-Z]{4,7}\x00)?C[0-9A-Z]{5}\x00M")
_METHODS = {
    0: "trust", 2: "kerberos", 3: "password", 5: "md5", 7: "gss", 9: "sspi", 10: "scram-sha-256",
    11: "md5-sha256", 13: "sm3",
}  # fmt: skip
"""The last two are openGauss's; in PostgreSQL no server begins with 11, and there is no 13."""

_GAUSS_VERSION = "9.2.4"
"""The version of PostgreSQL that openGauss left, and that it still gives as its own."""
# Its methods 10, 11 and 13: a number, 64 hexadecimal digits of salt, 8 of a token (openGauss, sendAuthRequest).
_GAUSS_METHOD = re.compile(rb"\AR\x00\x00\x00[\x00-\xff]\x00\x00\x00[\x0a\x0b\x0d](?:\x00{3}[\x00-\x09])?[0-9a-f]{64}")
_GAUSS_REFUSAL = re.compile(rb"\x00Munsupported frontend protocol \d+\.\d+\.\x00")
"""PostgreSQL says after a colon what it does support."""

_NO_RULE = b"C28000"
_VERSION = re.compile(rb"S\x00\x00[\x00-\xff]{2}server_version\x00(\d+(?:\.\d+){0,2})")


def startup() -> bytes:
    """Return the start-up packet of protocol 3.0 for the user and database that are tried."""
    body = struct.pack(">hh", 3, 0) + f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
    return struct.pack(">i", len(body) + 4) + body


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is an ErrorResponse with PostgreSQL's fields: severity, SQLSTATE, message."""
    return bool(_TURNED_DOWN.match(reply))


async def look(contact: Contact) -> ServiceFacts:
    """Ask for TLS, then (at the level of reads) begin to log in and stop at what the server asks for."""
    offered, evidence = await _tls_offered(contact)
    channel = upgrade(contact, offered)
    if not contact.level.at_least(Level.READ):
        return ServiceFacts("POSTGRES", Access.UNKNOWN, "PostgreSQL", "", channel, evidence)
    inside = contact.tls
    reply = await _begin(contact, upgraded=False)
    if offered and not contact.tls and not _lets_in(reply):
        within = await _begin_inside(contact, reply)
        if _no_rule(reply) or _lets_in(within):
            evidence = (*evidence, exchange(startup(), reply))
            inside, reply = True, within
    access, attributes, ended = _judge(reply, inside=inside)
    found = _VERSION.search(reply)
    product, version = "PostgreSQL", found[1].decode() if found else ""
    if _GAUSS_METHOD.match(reply) or (version == _GAUSS_VERSION and await _refuses_like_gauss(contact)):
        product, version = "openGauss/GaussDB", ""
    return ServiceFacts(
        "POSTGRES",
        access,
        product,
        version,
        (*channel, *attributes),
        (*evidence, exchange(startup(), reply)),
        ended,
    )


async def _tls_offered(contact: Contact) -> tuple[bool, tuple[Exchange, ...]]:
    if contact.tls:
        return True, ()
    async with contact.open() as conversation:
        answer = await _request_tls(conversation)
        return answer == b"S", (exchange(SSL_REQUEST, answer),)


async def _request_tls(conversation: Conversation) -> bytes:
    await conversation.send(SSL_REQUEST)
    answer = await conversation.receive_exactly(1)
    if answer not in (b"S", b"N"):
        raise UnexpectedReply("PostgreSQL answered the request for TLS with neither S nor N.")
    return answer


async def _begin(contact: Contact, *, upgraded: bool) -> bytes:
    """Send the start-up packet, in clear or after the upgrade to TLS; return the server's first messages."""
    async with contact.open() as conversation:
        if upgraded:
            await _request_tls(conversation)
            await conversation.start_tls(permissive_tls(), contact.target.hostname)
        await conversation.send(startup())
        reply = await conversation.receive_until(_decided, limit=4096)
        await conversation.send(TERMINATE)
        return reply


async def _begin_inside(contact: Contact, in_clear: bytes) -> bytes:
    """Begin to log in after the upgrade: rules for that (``hostssl``) may come first, or be all that there are.

    Where the answer ``in_clear`` is one already, a handshake that fails takes nothing from it.
    """
    try:
        return await _begin(contact, upgraded=True)
    except ProbeError:
        if _no_rule(in_clear):
            raise
        return b""


async def _refuses_like_gauss(contact: Contact) -> bool:
    async with contact.open() as conversation:
        await conversation.send(UNKNOWN_VERSION)
        reply = await conversation.receive_until(recognises, limit=1024)
    return bool(_GAUSS_REFUSAL.search(reply))


def _decided(data: bytes) -> bool:
    """Errors and demands for a password are one message; a log-in is followed by the server's parameters."""
    if not _whole(data):
        return False
    return not _lets_in(data) or bool(_VERSION.search(data)) or b"\0C" in data[9:]


def _whole(data: bytes) -> bool:
    """Tell whether the first message is there to the end that it names."""
    return len(data) >= 9 and len(data) >= 1 + int.from_bytes(data[1:5], "big")


def _lets_in(reply: bytes) -> bool:
    """Tell whether the first message says that the log-in is done, without a password."""
    return reply.startswith(b"R") and reply[5:9] == bytes(4)


def _no_rule(reply: bytes) -> bool:
    return reply.startswith(b"E") and _NO_RULE in reply.split(b"\0")


def _judge(reply: bytes, *, inside: bool) -> tuple[Access, Attributes, str]:
    """Return the access, its attributes, and why it could not be told.

    Poolers that don't know the database, and servers that are starting or full, answer with an error of their own.
    """
    tried = (("user", USER), ("database", DATABASE))
    if _no_rule(reply):
        return Access.RESTRICTED, (("refusal", "no-rule"), *tried), ""
    if reply.startswith(b"E") and _whole(reply):
        return Access.UNKNOWN, tried, "PostgreSQL answered with an error instead of how to log in."
    if not reply.startswith(b"R") or not _whole(reply):
        raise UnexpectedReply("PostgreSQL did not say how to log in.")
    code = int.from_bytes(reply[5:9], "big")
    auth = (("auth", _METHODS.get(code, str(code))), ("auth_channel", "tls" if inside else "clear"))
    if code == 0:
        return Access.OPEN, (*auth, *tried), ""
    return Access.RESTRICTED, (("refusal", "credentials"), *auth, *tried), ""


PROBE = ServiceProbe(
    protocol="postgresql",
    ports=frozenset({5432, 5433, 6432, 26000, 54321}),
    greeting=UNKNOWN_VERSION,
    recognises=recognises,
    look=look,
)
