"""Zabbix: does the agent answer a poller that it was not told about?

An agent hangs up on addresses outside its ``Server`` list; one that answers ``agent.ping`` serves its items to anyone.
A Zabbix server or proxy answers with a JSON error of its own instead. Attributes: ``role``: ``agent`` or ``server``.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_MAGIC = b"ZBXD\x01"
_ITEM = b"agent.ping"
PING = _MAGIC + struct.pack("<Q", len(_ITEM)) + _ITEM
_HEADER = len(_MAGIC) + 8


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a Zabbix message that is not our own come back, in whatever case."""
    return len(reply) > _HEADER and reply.startswith(_MAGIC) and not reply.lower().startswith(PING.lower())


async def look(contact: Contact) -> ServiceFacts:
    """Ask for ``agent.ping``, which tells nothing but that items are served."""
    async with contact.open() as conversation:
        await conversation.send(PING)
        reply = await conversation.receive_until(_whole, limit=1024)
    if not recognises(reply):
        raise UnexpectedReply("Zabbix answered the ping with something else.")
    agent = reply[_HEADER:] == b"1"
    return ServiceFacts(
        "ZABBIX",
        Access.OPEN if agent else Access.UNKNOWN,
        "Zabbix",
        attributes=(("role", "agent" if agent else "server"),),
        exchanges=(exchange(PING, reply),),
    )


def _whole(data: bytes) -> bool:
    return len(data) > _HEADER and len(data) >= _HEADER + int.from_bytes(data[5:9], "little")


PROBE = ServiceProbe("zabbix", frozenset({10050, 10051}), PING, recognises, look, greeting_level=Level.READ)
