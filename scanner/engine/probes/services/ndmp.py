"""NDMP, the backup interface of storage systems: it speaks first (ndmp.org, NDMP version 4, section 3.3.1).

Attributes: ``refusal``: ``host-acl`` when the server turns the connection away.
"""

from __future__ import annotations

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes
from scanner.engine.probes.wire import Fields

_LAST_FRAGMENT = 0x80000000
_NOTIFY_CONNECTED = 0x502
_CONNECTED, _SHUTDOWN, _REFUSED = 0, 1, 2
_VERSIONS = range(1, 5)


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is the whole notice of a connection's state, as a single record."""
    try:
        _notice(banner)
    except UnexpectedReply:
        return False
    return True


async def look(contact: Contact) -> ServiceFacts:
    """Read the notice once more; nothing is sent."""
    async with contact.open() as conversation:
        banner = await conversation.receive_until(_whole, limit=512)
    reason = _notice(banner)
    evidence = (exchange(b"", banner),)
    if reason == _CONNECTED:
        return ServiceFacts("NDMP", Access.UNKNOWN, exchanges=evidence)
    refusal: Attributes = (("refusal", "host-acl"),)
    return ServiceFacts("NDMP", Access.RESTRICTED, attributes=refusal, exchanges=evidence)


def _notice(record: bytes) -> int:
    """Return the reason of the notice. Raises ``UnexpectedReply`` for anything that isn't one."""
    fields = Fields(record)
    mark = fields.unsigned(4)
    fields.take(4 + 4)  # sequence, time stamp
    kind, code, answered, error = (fields.unsigned(4) for _ in range(4))
    reason, version, size = (fields.unsigned(4) for _ in range(3))
    fields.take(size + -size % 4)
    notice = (kind, code, answered, error) == (0, _NOTIFY_CONNECTED, 0, 0) and fields.left == 0
    if mark != _LAST_FRAGMENT | len(record) - 4 or not notice or version not in _VERSIONS or reason > _REFUSED:
        raise UnexpectedReply("The NDMP server's first message is not the notice of a connection.")
    return reason


def _whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= 4 + (int.from_bytes(data[:4], "big") & ~_LAST_FRAGMENT)


PROBE = ServiceProbe("ndmp", frozenset({10000}), b"", recognises, look)
