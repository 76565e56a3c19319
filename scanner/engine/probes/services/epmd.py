"""Erlang's port mapper: it tells strangers which nodes run and on which ports (erts, distribution protocol, NAMES_REQ).

That is its purpose, so it is called reachable, not open. Attributes: ``nodes``: how many are registered.
"""

from __future__ import annotations

import re

from scanner.engine.errors import ConnectionLost, HostSilent, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

NAMES = b"\x00\x01n"
_PORT = 4369
_NODE = re.compile(rb"^name [^\s]{1,255} at port \d{1,5}$", re.MULTILINE)


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is the mapper's port number and the list of names, which may be empty."""
    if len(reply) < 4 or reply[:2] != b"\0\0":
        return False
    return bool(_NODE.match(reply[4:])) or reply == _PORT.to_bytes(4, "big")


async def look(contact: Contact) -> ServiceFacts:
    """Ask for the names; the mapper answers and closes. At the level of greetings nothing more is sent."""
    if not contact.level.at_least(Level.READ):
        return ServiceFacts("EPMD", Access.UNKNOWN, "Erlang port mapper")
    async with contact.open() as conversation:
        await conversation.send(NAMES)
        try:
            reply = await conversation.receive_until(lambda _: False, limit=4096)
        except (ConnectionLost, HostSilent) as ended:
            reply = ended.args[1]
    if not recognises(reply):
        raise UnexpectedReply("Erlang's port mapper answered with something else.")
    attributes = (("nodes", str(len(_NODE.findall(reply[4:])))),)
    evidence = (exchange(NAMES, reply),)
    return ServiceFacts("EPMD", Access.UNKNOWN, "Erlang port mapper", "", attributes, evidence)


PROBE = ServiceProbe("epmd", frozenset({_PORT}), NAMES, recognises, look)
