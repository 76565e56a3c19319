"""NATS, by the INFO line that the server sends first: it tells whether it wants credentials.

Attributes: ``tls`` (see :mod:`.channel`), ``refusal``: ``credentials``.
"""

from __future__ import annotations

import json

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import upgrade


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is NATS's INFO with its server id."""
    return banner.startswith(b"INFO {") and b'"server_id"' in banner


async def look(contact: Contact) -> ServiceFacts:
    """Read the INFO line; nothing is sent."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(lambda data: b"\r\n" in data, limit=32 * 1024)
    try:
        info = json.loads(banner.partition(b"\r\n")[0].removeprefix(b"INFO "))
    except (ValueError, RecursionError) as error:
        raise UnexpectedReply("NATS's INFO line is not valid JSON.") from error
    if not isinstance(info, dict) or "server_id" not in info:
        raise UnexpectedReply("NATS's INFO line names no server.")
    protected = bool(info.get("auth_required") or info.get("tls_verify"))
    attributes = upgrade(contact, bool(info.get("tls_required") or info.get("tls_available")))
    if protected:
        attributes = (*attributes, ("refusal", "credentials"))
    return ServiceFacts(
        "NATS",
        Access.RESTRICTED if protected else Access.OPEN,
        "NATS",
        line(str(info.get("version", "")), 32),
        attributes,
        (exchange(b"", banner),),
    )


PROBE = ServiceProbe("nats", frozenset({4222, 6222}), b"", recognises, look)
