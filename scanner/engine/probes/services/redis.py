"""Redis and its forks: does it answer ``INFO`` to a stranger?

Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials`` or ``protected-mode``.
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import clear_only

PING = b"PING\r\n"
INFO = b"INFO server\r\n"
COUNT = b"DBSIZE\r\n"
"""How many keys there are: read-only, and refused wherever credentials are set."""

# Errors that only this protocol words this way (redis/src/server.c, acl.c, networking.c).
_REFUSALS = (b"-NOAUTH", b"-NOPERM", b"-WRONGPASS", b"-ERR operation not permitted")
_PROTECTED = re.compile(rb"\A-DENIED (?:[\w .-]{1,30} is )?[Rr]unning in protected mode\b")
"""Said unasked. Forks put their own name where Redis has its own, Valkey none (valkey/src/networking.c)."""
_TROUBLED = re.compile(
    rb"\A-(?:MISCONF [\w.-]{1,30} is configured to save |LOADING [\w.-]{1,30} is loading the dataset |MASTERDOWN Link )"
)
"""What even ``PING`` is answered with by a server that can't save, still loads, or has lost its master, though it
answers ``INFO`` (redis/src/server.c, processCommand): a weak server in trouble is weak."""
_FULL = re.compile(rb"\A-ERR max number of clients (?:\+ cluster connections )?reached\r\n")
"""Said unasked, and whether it would serve us is not told (redis/src/networking.c)."""
_UNKNOWN = b"-ERR unknown command"
_NO_PING = re.compile(rb"\A-ERR unknown command ['`]PING['`]")
"""Where it was given another name; Redis alone quotes the word that it doesn't know."""
_NOT_PERMITTED = b"-NOPERM"
_NUMBER = rb"([0-9][0-9A-Za-z.+~-]{0,31})"
_VERSIONS = (
    *(
        (product, re.compile(rb"^%s_version:(?:df-)?v?%s" % (product.lower().encode(), _NUMBER), re.MULTILINE))
        for product in ("Valkey", "Dragonfly", "Kvrocks", "Garnet", "Pika")
    ),
    (
        "KeyDB",
        re.compile(rb"^redis_version:%s\r\n(?:[^\n]*\n)*?executable:[^\r\n]*keydb-server" % _NUMBER, re.MULTILINE),
    ),
    ("Redis", re.compile(rb"^redis_version:" + _NUMBER, re.MULTILINE)),
)
"""Relatives call themselves a version of Redis too, for its clients' sake, which says nothing of their age."""
_BULK = re.compile(rb"\A\$(\d{1,7})\r\n")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply to ``PING`` is Redis's: a pong, a refusal, its trouble, or that it knows no such word."""
    told = (pattern.match(reply) for pattern in (_PROTECTED, _TROUBLED, _NO_PING, _FULL))
    return reply.startswith((b"+PONG\r\n", *_REFUSALS)) or any(told)


def also_recognises(reply: bytes) -> bool:
    """Recognise the error that an HTTP request line earns: ``GET`` is a Redis command with too many words."""
    unasked = _PROTECTED.match(reply) or _FULL.match(reply)
    return reply.startswith((b"-ERR wrong number of arguments for 'get'", b"-NOAUTH")) or bool(unasked)


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the server section of ``INFO``, which needs credentials wherever any are set, or for the number of keys
    where ``INFO`` was given another name or is kept from everyone: it is one of the dangerous commands, which an ACL
    may leave out of all that strangers may do.

    ``PING`` proves nothing: an ACL may let strangers ping and no more. It is all that is sent at the level of
    greetings.
    """
    request = INFO if contact.level.at_least(Level.READ) else PING
    async with contact.open() as conversation:
        await conversation.send(request)
        reply = await conversation.receive_until(_whole, limit=4096)
        evidence = [exchange(request, reply)]
        if request == INFO and reply.startswith((_UNKNOWN, _NOT_PERMITTED)):
            await conversation.send(COUNT)
            reply = await conversation.receive_until(_whole, limit=4096)
            evidence.append(exchange(COUNT, reply))
    return _facts(contact, reply, tuple(evidence))


def _facts(contact: Contact, reply: bytes, evidence: tuple[Exchange, ...]) -> ServiceFacts:
    channel = clear_only(contact)
    if _PROTECTED.match(reply):
        refusal = (("refusal", "protected-mode"),)
        return ServiceFacts("REDIS", Access.RESTRICTED, "Redis", attributes=refusal, exchanges=evidence)
    if _FULL.match(reply):
        why = "Redis has no connection to spare; inspect it again later."
        if not contact.pause:
            raise UnexpectedReply(why)  # the connections may have been our own, and it is asked again after a pause
        return ServiceFacts("REDIS", Access.UNKNOWN, "Redis", "", channel, evidence, why)
    if reply.startswith(_REFUSALS):
        attributes = (*channel, ("refusal", "credentials"))
        return ServiceFacts("REDIS", Access.RESTRICTED, "Redis", attributes=attributes, exchanges=evidence)
    for product, pattern in _VERSIONS:
        version = pattern.search(reply)
        if reply.startswith(b"$") and version:
            return ServiceFacts("REDIS", Access.OPEN, product, version[1].decode(), channel, evidence)
    if re.fullmatch(rb":\d{1,20}\r\n", reply):
        return ServiceFacts("REDIS", Access.OPEN, "Redis", attributes=channel, exchanges=evidence)
    if reply.startswith((b"+PONG\r\n", _UNKNOWN)) or _TROUBLED.match(reply):
        return ServiceFacts("REDIS", Access.UNKNOWN, "Redis", attributes=channel, exchanges=evidence)
    raise UnexpectedReply("Redis answered INFO with neither its server section nor a refusal.")


def _whole(data: bytes) -> bool:
    """A bulk reply carries its length (RESP2); anything else is one line."""
    bulk = _BULK.match(data)
    if bulk:
        return len(data) >= bulk.end() + int(bulk[1]) + 2
    return not data.startswith(b"$") and data.endswith(b"\r\n")


PROBE = ServiceProbe(
    protocol="redis",
    ports=frozenset({6379, 6380, 16379, 26379}),
    greeting=PING,
    recognises=recognises,
    also_recognises=also_recognises,
    look=look,
)
