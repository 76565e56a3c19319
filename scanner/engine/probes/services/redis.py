"""Redis and its forks: does it answer ``INFO`` to a stranger?"""

from __future__ import annotations

import re

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

PING = b"PING\r\n"
INFO = b"INFO server\r\n"

# Errors that only this protocol words this way (redis/src/server.c, acl.c, networking.c).
_REFUSALS = (b"-NOAUTH", b"-DENIED Redis", b"-NOPERM", b"-WRONGPASS", b"-ERR operation not permitted")
_VERSION = re.compile(rb"(?:redis|valkey)_version:([0-9][0-9A-Za-z.+~-]{0,31})")


def recognises(reply: bytes) -> bool:
    """Tell whether the reply to ``PING`` is Redis's: a pong, or one of its refusals."""
    return reply.startswith((b"+PONG\r\n", *_REFUSALS))


def also_recognises(reply: bytes) -> bool:
    """Recognise the error that an HTTP request line earns: ``GET`` is a Redis command with too many words."""
    return reply.startswith((b"-ERR wrong number of arguments for 'get'", b"-NOAUTH", b"-DENIED Redis"))


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the server section of ``INFO``, which needs credentials wherever any are set.

    ``PING`` proves nothing: an ACL may let strangers ping and no more.
    """
    async with contact.open() as conversation:
        await conversation.send(INFO)
        reply = await conversation.receive_until(_whole, limit=4096)
    evidence = (exchange(INFO, reply),)
    version = _VERSION.search(reply)
    if reply.startswith(b"$") and version:
        return ServiceFacts("REDIS", Access.OPEN, "Redis", version[1].decode(), exchanges=evidence)
    reason = "protected-mode" if reply.startswith(b"-DENIED") else "credentials"
    return ServiceFacts("REDIS", Access.RESTRICTED, "Redis", attributes=(("refusal", reason),), exchanges=evidence)


def _whole(data: bytes) -> bool:
    """A bulk reply is whole once the version is in; an error is one line."""
    return bool(_VERSION.search(data)) or (data.startswith(b"-") and data.endswith(b"\r\n"))


PROBE = ServiceProbe(
    protocol="redis",
    ports=frozenset({6379, 6380, 16379, 26379}),
    greeting=PING,
    recognises=recognises,
    also_recognises=also_recognises,
    look=look,
)
