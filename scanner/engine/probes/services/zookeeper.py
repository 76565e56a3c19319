"""Apache ZooKeeper, by its four-letter command ``srvr``. No session is made, so access is never proven open.

Attributes: ``refusal``: ``whitelist``; ``mode``: ``leader``, ``standalone``, ….
"""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

SRVR = b"srvr"

_VERSION = re.compile(rb"\AZookeeper version: (\d+\.\d+\.\d+)")
_NOT_SERVING = b"This ZooKeeper instance is not currently serving requests"
_NOT_LISTED = b"srvr is not executed because it is not in the whitelist"
_MODE = re.compile(rb"^Mode: ([a-z-]{1,20})", re.MULTILINE)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is ZooKeeper's: its version, its refusal of the command, or its not serving yet."""
    return bool(_VERSION.match(reply)) or reply.startswith((_NOT_LISTED, _NOT_SERVING))


async def look(contact: Contact) -> ServiceFacts:
    """Send ``srvr``; the server answers and closes."""
    async with contact.open() as conversation:
        await conversation.send(SRVR)
        reply = await conversation.receive_until(lambda data: data.endswith(b"\n"), limit=4096)
    if not recognises(reply):
        raise UnexpectedReply("ZooKeeper answered srvr with something else.")
    version, mode = _VERSION.match(reply), _MODE.search(reply)
    attributes: Attributes = (("mode", mode[1].decode()),) if mode else ()
    if reply.startswith(_NOT_LISTED):
        attributes = (("refusal", "whitelist"),)
    text = version[1].decode() if version else ""
    return ServiceFacts("ZOOKEEPER", Access.UNKNOWN, "Apache ZooKeeper", text, attributes, (exchange(SRVR, reply),))


PROBE = ServiceProbe("zookeeper", frozenset({2181, 2281}), SRVR, recognises, look, greeting_level=Level.READ)
